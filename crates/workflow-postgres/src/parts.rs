//! A group in parts: members without an attachment together, each with one in a transaction of its own, so that
//! nobody waits for what the application locks, and a refusal is a rollback.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use lumina_workflow::store::{GROUP_MEMBERS, Member, MemberResult, StoreError};

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

/// The parts of a group, in its order.
pub(crate) fn of(batch: &[Member]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    for (place, member) in batch.iter().enumerate() {
        let alone = member.attach.is_some();
        match parts
            .last_mut()
            .filter(|part| !alone && batch[part.start].attach.is_none())
        {
            Some(part) => part.end = place + 1,
            None => parts.push(place..place + 1),
        }
    }
    parts
}

/// Applies a part. One that is the whole group can tell a run's worker what came in for it in the group.
pub(crate) async fn apply(
    group: &Group,
    batch: Arc<[Member]>,
    part: Range<usize>,
    whole: bool,
) -> Result<(Vec<MemberResult>, bool), Fault> {
    let members = &batch[part];
    let mut answers = many::apply(group, members).await?;
    if whole {
        for (member, answer) in members.iter().zip(&mut answers) {
            group.bring_news(member, answer).await?;
        }
    }
    let refused = matches!(members, [alone] if alone.attach.is_some()) && answers.iter().any(Result::is_err);
    Ok((answers, !refused))
}

#[cfg(test)]
mod tests {
    use lumina_workflow::store::{Attachment, Change};
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
            let found: Vec<String> = of(&batch).iter().map(|part| format!("{part:?}")).collect();
            assert_eq!(found.join(" "), parts, "{members}");
        }
    }
}
