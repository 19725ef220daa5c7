//! Many members at once: those that are plain, and meet no other in their group, take a few statements together
//! instead of a few each.
//!
//! Members that meet, because both name a run, a key or a start key, are applied in waves: in each are those that meet
//! no earlier one which is still to come. So who sees whom is as if all had been applied in the group's order. One that
//! is out of the ordinary is applied by itself in its wave.

mod advances;
mod aside;
mod emits;
mod reserve;
mod rows;
mod starts;
mod touch;

use std::collections::BTreeMap;

use lumina_workflow::store::{Change, CommandKind, Member, MemberResult, NewRun};
use lumina_workflow::{CorrelationKey, RunId};

use crate::change;
use crate::fault::Fault;
use crate::group::Group;
use crate::locks;
use reserve::Order;
use rows::Row;

/// What is known of a group before any of it is applied, and cannot change meanwhile: runs are locked.
#[derive(Default)]
struct Known<'m> {
    rows: BTreeMap<RunId, Row>,
    /// Who holds a key; one who is not locked may give it away.
    holders: BTreeMap<&'m CorrelationKey, RunId>,
}

/// A group in which so many meet one after the other goes on one by one.
const WAVES: usize = 4;

/// Applies the members, in one transaction.
pub(crate) async fn apply(group: &Group, members: &[Member]) -> Result<Vec<MemberResult>, Fault> {
    // One that is alone, or has the transaction for itself, locks in the order of what it does, which is the same; one that
    // sends has locked already.
    if members.len() < 2 {
        return group.members(members).await;
    }
    let mut answers: Vec<Option<MemberResult>> = vec![None; members.len()];
    match members.iter().all(is_ordinary) {
        true => in_waves(group, members, &mut answers).await?,
        false => drop(rows::load(group, members.iter(), Order::InParts).await?),
    }
    let left: Vec<usize> = (0..members.len()).filter(|place| answers[*place].is_none()).collect();
    lock_counters(group, members, &left).await?;
    one_by_one(group, members, &left, &mut answers).await?;
    Ok(answers.into_iter().flatten().collect())
}

async fn in_waves(group: &Group, members: &[Member], answers: &mut [Option<MemberResult>]) -> Result<(), Fault> {
    let mut left: Vec<usize> = (0..members.len()).collect();
    for number in 0..WAVES {
        if left.is_empty() {
            return Ok(());
        }
        let known = rows::load(group, left.iter().map(|place| &members[*place]), Order::Together).await?;
        if number == 0 && known.count(members) {
            lock_counters(group, members, &left).await?;
        }
        let wave = touch::first(members, &left, &known)?;
        starts::apply(group, members, &wave, answers).await?;
        emits::apply(group, members, &wave, &known, answers).await?;
        advances::apply(group, members, &wave, &known, answers).await?;
        one_by_one(group, members, &wave, answers).await?;
        left.retain(|place| answers[*place].is_none());
    }
    Ok(())
}

/// Applies those of them that are not applied yet.
async fn one_by_one(
    group: &Group,
    members: &[Member],
    places: &[usize],
    answers: &mut [Option<MemberResult>],
) -> Result<(), Fault> {
    for place in places {
        if answers[*place].is_none() {
            answers[*place] = Some(change::apply(group, &members[*place].change, None).await?);
        }
    }
    Ok(())
}

async fn lock_counters(group: &Group, members: &[Member], places: &[usize]) -> Result<(), Fault> {
    let members: Vec<&Member> = places.iter().map(|place| &members[*place]).collect();
    locks::counters(group, &members).await
}

impl Known<'_> {
    /// Whether anything of this group may need a counter.
    fn count(&self, members: &[Member]) -> bool {
        let keyed = |new: &NewRun| new.flow_key.is_some();
        let begins = |member: &Member| match &member.change {
            Change::Start(new) => keyed(new),
            Change::Advance(step) => step.starts.iter().any(keyed),
            _ => false,
        };
        self.rows.values().any(Row::is_counted) || members.iter().any(begins)
    }
}

/// Locks the runs that the members are about, as far as they are there, in the order of their ids, and then the keys.
pub(crate) async fn lock(group: &Group, members: &[Member]) -> Result<(), Fault> {
    rows::load(group, members.iter(), Order::InParts).await.map(drop)
}

/// Whether it is known beforehand what it touches. One that is not keeps all of its group to the group's order.
fn is_ordinary(member: &Member) -> bool {
    match &member.change {
        Change::Start(_) | Change::Advance(_) | Change::Emit(_) => true,
        Change::Command(command) => !matches!(command.what, CommandKind::Rewind { .. }),
        Change::Nothing { .. } | Change::Flow(_) | Change::Schedule(_) | Change::Unrouted(_) => false,
    }
}
