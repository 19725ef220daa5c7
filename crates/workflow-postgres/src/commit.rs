//! A group: all of it in one transaction if that goes well, and in parts if it does not.

use std::ops::Range;
use std::sync::Arc;

use futures_util::FutureExt;
use lumina_workflow::store::{Member, MemberResult, StoreError};

use crate::parts;
use crate::pool::Lane;
use crate::transaction::Core;

pub(crate) async fn commit(core: Arc<Core>, batch: Arc<[Member]>) -> Result<Vec<MemberResult>, StoreError> {
    parts::check(&batch)?;
    let mut answers = Vec::with_capacity(batch.len());
    for share in parts::shares(&batch) {
        match commit_share(&core, &batch, share).await {
            Ok(more) => answers.extend(more),
            // Those before it are applied, so that only repeating the group tells the rest.
            Err(StoreError::Unavailable(problem)) if !answers.is_empty() => {
                return Err(StoreError::OutcomeUnknown(problem));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answers)
}

/// In one transaction; else each part is a transaction.
async fn commit_share(
    core: &Core,
    batch: &Arc<[Member]>,
    share: Range<usize>,
) -> Result<Vec<MemberResult>, StoreError> {
    let parts = parts::of(&batch[share.clone()], share.start);
    if parts.len() > 1
        && let Some(answers) = commit_together(core, batch, share, &parts).await?
    {
        return Ok(answers);
    }
    let mut answers = Vec::new();
    for part in parts {
        match commit_part(core, batch, part).await {
            Ok(more) => answers.extend(more),
            Err(StoreError::Unavailable(problem)) if !answers.is_empty() => {
                return Err(StoreError::OutcomeUnknown(problem));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(answers)
}

/// Nothing when a part was refused or stood in somebody's way: then nothing was applied.
async fn commit_together(
    core: &Core,
    batch: &Arc<[Member]>,
    share: Range<usize>,
    parts: &[Range<usize>],
) -> Result<Option<Vec<MemberResult>>, StoreError> {
    let (batch, parts): (_, Arc<[Range<usize>]>) = (batch.clone(), parts.into());
    core.try_once(Lane::Queue, move |group| {
        parts::together(group, batch.clone(), share.clone(), parts.clone()).boxed()
    })
    .await
}

async fn commit_part(core: &Core, batch: &Arc<[Member]>, part: Range<usize>) -> Result<Vec<MemberResult>, StoreError> {
    let (batch, whole) = (batch.clone(), part.len() == batch.len());
    core.transact(Lane::Queue, move |group| {
        parts::apply(group, batch.clone(), part.clone(), whole).boxed()
    })
    .await
}
