//! Many members at once: those that are plain, and meet no other in their group, take a few statements together
//! instead of a few each.
//!
//! A member that meets another, because both name a run, a key or a start key, or that is out of the ordinary, is
//! applied by itself, in the group's order, after these. So who sees whom is as if all had been applied in order.

mod advances;
mod emits;
mod rows;
mod starts;
mod touch;

use std::collections::BTreeMap;

use lumina_workflow::store::{Change, CommandKind, Member, MemberResult};
use lumina_workflow::{CorrelationKey, RunId};

use crate::change;
use crate::fault::Fault;
use crate::group::Group;
use crate::locks;
use rows::Row;
use touch::Touches;

/// What is known of a group before any of it is applied, and cannot change meanwhile: runs are locked.
struct Known<'m> {
    rows: BTreeMap<RunId, Row>,
    /// Who holds a key; one who is not locked may give it away.
    holders: BTreeMap<&'m CorrelationKey, RunId>,
}

/// Applies the members, in one transaction.
pub(crate) async fn apply(group: &Group, members: &[Member]) -> Result<Vec<MemberResult>, Fault> {
    // One that is alone, or has the transaction for itself, locks in the order of what it does, which is the same.
    if members.len() < 2 {
        return group.members(members).await;
    }
    let known = rows::load(group, members).await?;
    let mut answers: Vec<Option<MemberResult>> = vec![None; members.len()];
    if members.iter().all(is_ordinary) {
        let touches = Touches::of(members, &known)?;
        let alone: Vec<usize> = (0..members.len()).filter(|place| touches.is_alone(*place)).collect();
        starts::apply(group, members, &alone, &mut answers).await?;
        emits::apply(group, members, &alone, &known, &mut answers).await?;
        advances::apply(group, members, &alone, &known, &mut answers).await?;
    }
    let rest: Vec<&Member> = members
        .iter()
        .zip(&answers)
        .filter_map(|(member, answer)| answer.is_none().then_some(member))
        .collect();
    locks::counters(group, &rest).await?;
    for (member, answer) in members.iter().zip(&mut answers) {
        if answer.is_none() {
            *answer = Some(change::apply(group, &member.change, None).await?);
        }
    }
    Ok(answers.into_iter().flatten().collect())
}

/// Whether it is known beforehand what it touches. One that is not keeps all of its group to the group's order.
fn is_ordinary(member: &Member) -> bool {
    match &member.change {
        Change::Start(_) | Change::Advance(_) | Change::Emit(_) => true,
        Change::Command(command) => !matches!(command.what, CommandKind::Rewind { .. }),
        Change::Nothing { .. } | Change::Flow(_) | Change::Schedule(_) | Change::Unrouted(_) => false,
    }
}
