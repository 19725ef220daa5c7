//! Signs of a batch's life: what is said before its end, by all of its contacts within moments. Many are stored at
//! once, with as few statements as one takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lumina_workflow::store::Attachment;
use uuid::Uuid;

use super::answers::{INSERT, IS_CLOSED, REGISTERED, find_run, has_given_up, row, tell_late};
use crate::records::db::{Got, Tx, values};
use crate::records::handle::writes;
use crate::records::{AnswerFate, PackedAnswer, Records};

impl Records {
    /// Stores answers of which none is an end, in their order, and tells whom they concern. The result is an
    /// [`AnswerFate`] for each.
    ///
    /// # Panics
    /// When one of them is an end: what depends on that is [`store_answer`](Self::store_answer)'s.
    #[must_use]
    pub fn store_signs(signs: Vec<Arc<PackedAnswer>>) -> Attachment {
        assert!(signs.iter().all(|sign| !sign.is_final()), "an end is stored by itself");
        writes!(|tx, signs| store_signs(tx, signs))
    }
}

/// What each comes to does not depend on the others, but for the same body once more: so each question is asked once,
/// about all of them.
async fn store_signs(tx: &impl Tx, signs: &[Arc<PackedAnswer>]) -> Got<Vec<AnswerFate>> {
    let runs = find_runs(tx, signs).await?;
    let rows: Vec<_> = signs.iter().map(|sign| row(sign, tx.now())).collect();
    let stored = tx.insert_each(&INSERT, &rows).await?;
    let given_up = find_given_up(tx, runs.iter().copied().flatten().collect()).await?;
    let mut fates = Vec::with_capacity(signs.len());
    for ((sign, run), is_new) in signs.iter().zip(runs).zip(stored) {
        fates.push(match run {
            _ if !is_new => AnswerFate::Duplicate,
            None => AnswerFate::Unrouted,
            Some(run) if given_up.contains(&run) => tell_late(tx, sign.answer()).await?,
            Some(_) => AnswerFate::Kept,
        });
    }
    Ok(fates)
}

/// The runs that they are about, as [`find_run`] finds them. All are locked before anything is looked at that hangs on
/// it, in the order in which everybody locks several.
async fn find_runs(tx: &impl Tx, signs: &[Arc<PackedAnswer>]) -> Got<Vec<Option<Uuid>>> {
    let mut known = registered_runs(tx, signs).await?;
    let concerned = |sign: &Arc<PackedAnswer>| {
        let named = || sign.answer().named.map(|(run, _)| run.0);
        known.get(&*sign.answer().enrichment).copied().or_else(named)
    };
    let concerned: BTreeSet<Uuid> = signs.iter().filter_map(concerned).collect();
    tx.lock_runs(&concerned).await?;
    let mut runs = Vec::with_capacity(signs.len());
    for sign in signs {
        let answer = sign.answer();
        let run = match known.get(&*answer.enrichment) {
            Some(run) => Some(*run),
            None => find_run(tx, answer).await?,
        };
        // The first contact reveals it for the others.
        known.extend(run.map(|run| (answer.enrichment.as_str(), run)));
        runs.push(run);
    }
    Ok(runs)
}

async fn registered_runs<'s>(tx: &impl Tx, signs: &'s [Arc<PackedAnswer>]) -> Got<BTreeMap<&'s str, Uuid>> {
    let ids: BTreeSet<&str> = signs.iter().map(|sign| sign.answer().enrichment.as_str()).collect();
    let each: Vec<_> = ids.iter().map(|id| values![*id]).collect();
    let found: Vec<Option<Uuid>> = tx.find_each(&REGISTERED, &each, |row| row.get(0)).await?;
    let found = ids.into_iter().zip(found);
    Ok(found.filter_map(|(id, run)| Some((id, run?))).collect())
}

/// Those of them whose batch is closed, and who have given somebody up.
async fn find_given_up(tx: &impl Tx, runs: BTreeSet<Uuid>) -> Got<BTreeSet<Uuid>> {
    let each: Vec<_> = runs.iter().map(|run| values![*run]).collect();
    let closed: Vec<Option<bool>> = tx.find_each(&IS_CLOSED, &each, |row| row.get(0)).await?;
    let mut given_up = BTreeSet::new();
    for (run, closed) in runs.into_iter().zip(closed) {
        if closed.unwrap_or(true) && has_given_up(tx, run).await? {
            given_up.insert(run);
        }
    }
    Ok(given_up)
}
