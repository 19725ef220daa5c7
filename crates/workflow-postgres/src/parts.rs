//! A group in parts: members without an attachment together, each with one by itself, so that a refusal can be taken
//! back.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use lumina_workflow::store::{Change, GROUP_MEMBERS, Member, MemberResult, StoreError};

use crate::fault::Fault;
use crate::group::Group;
use crate::{attachment, many};

/// What only a caller's mistake can bring about is told before anything is applied.
pub(crate) fn check(batch: &[Member]) -> Result<(), StoreError> {
    let broken = |problem: String| Err(StoreError::Broken(problem));
    if batch.len() > GROUP_MEMBERS {
        return broken(format!(
            "a group has {} members, {GROUP_MEMBERS} are allowed",
            batch.len()
        ));
    }
    let mut subjects = BTreeSet::new();
    if let Some(run) = batch
        .iter()
        .filter_map(Member::subject)
        .find(|run| !subjects.insert(*run))
    {
        return broken(format!("run {run} is the subject of two members of one group"));
    }
    if batch
        .iter()
        .filter_map(|member| member.attach.as_ref())
        .any(|attach| !attachment::is_ours(attach))
    {
        return broken("an attachment was made for another kind of store".to_owned());
    }
    Ok(())
}

/// So many attachments share a transaction: each may take milliseconds, and what the first has locked is locked until
/// the last has ended.
const TOGETHER: usize = 32;

/// What of a group shares a transaction, in its order.
pub(crate) fn shares(batch: &[Member]) -> Vec<Range<usize>> {
    let mut shares: Vec<Range<usize>> = Vec::new();
    let mut attached = 0;
    for (place, member) in batch.iter().enumerate() {
        attached += usize::from(member.attach.is_some());
        match shares.last_mut().filter(|_| attached <= TOGETHER) {
            Some(share) => share.end = place + 1,
            None => {
                attached = usize::from(member.attach.is_some());
                shares.push(place..place + 1);
            }
        }
    }
    shares
}

/// The parts of some members of a group, in their order; the first of them has this place.
pub(crate) fn of(members: &[Member], first: usize) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let mut was_alone = true;
    for (place, member) in (first..).zip(members) {
        let alone = member.attach.is_some();
        match parts.last_mut().filter(|_| !alone && !was_alone) {
            Some(part) => part.end = place + 1,
            None => parts.push(place..place + 1),
        }
        was_alone = alone;
    }
    parts
}

/// Applies all parts of a share. Nothing of it is kept when an attachment's member was refused: what that has written
/// cannot be taken back alone.
pub(crate) async fn together(
    group: &Group,
    batch: Arc<[Member]>,
    share: Range<usize>,
    parts: Arc<[Range<usize>]>,
) -> Result<(Vec<MemberResult>, bool), Fault> {
    // In the order of their ids, as everybody locks them: what comes later is locked already.
    many::lock(group, &batch[share.clone()]).await?;
    let mut answers = Vec::with_capacity(share.len());
    for part in parts.iter() {
        let members = &batch[part.clone()];
        let more = many::apply(group, members).await?;
        if members.iter().any(|member| member.attach.is_some()) && more.iter().any(Result::is_err) {
            return Ok((Vec::new(), false));
        }
        answers.extend(more);
    }
    if share.len() == batch.len() {
        group.bring_news(&batch, &mut answers).await?;
    }
    Ok((answers, true))
}

/// Applies a part. One that is the whole group can tell a run's worker what came in for it in the group.
pub(crate) async fn apply(
    group: &Group,
    batch: Arc<[Member]>,
    part: Range<usize>,
    whole: bool,
) -> Result<(Vec<MemberResult>, bool), Fault> {
    let members = &batch[part];
    if matches!(members, [alone] if sends(alone)) {
        many::lock(group, members).await?;
    }
    let mut answers = many::apply(group, members).await?;
    if whole {
        group.bring_news(members, &mut answers).await?;
    }
    let refused = matches!(members, [alone] if alone.attach.is_some()) && answers.iter().any(Result::is_err);
    Ok((answers, !refused))
}

/// Whether it is a step that sends: to its own run, and to others and keys in an order of its own.
fn sends(member: &Member) -> bool {
    matches!(&member.change, Change::Advance(step) if !step.emits.is_empty())
}

#[cfg(test)]
mod tests {
    use lumina_workflow::store::Attachment;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn an_attachment_has_a_part_for_itself() {
        let member = |attached: char| Member {
            change: Change::Nothing { id: Uuid::nil() },
            attach: (attached == 'a').then(|| Attachment::new(())),
        };
        let cases = [
            ("", ""),
            ("---", "0..3"),
            ("a", "0..1"),
            ("--a-", "0..2 2..3 3..4"),
            ("aa--", "0..1 1..2 2..4"),
        ];
        for (members, parts) in cases {
            let batch: Vec<Member> = members.chars().map(member).collect();
            let found: Vec<String> = of(&batch, 0).iter().map(|part| format!("{part:?}")).collect();
            assert_eq!(found.join(" "), parts, "{members}");
        }
    }

    #[test]
    fn so_many_attachments_share_a_transaction() {
        let member = |attached: bool| Member {
            change: Change::Nothing { id: Uuid::nil() },
            attach: attached.then(|| Attachment::new(())),
        };
        let batch: Vec<Member> = (0..100).map(|place| member(place % 2 == 0)).collect();
        assert_eq!(shares(&batch), [0..64, 64..100]);
        assert_eq!(shares(&batch[..3]), vec![0..3]);
        assert!(shares(&[]).is_empty());
        assert_eq!(of(&batch[64..66], 64), [64..65, 65..66]);
    }
}
