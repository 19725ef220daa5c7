//! Steps forward that are as their worker believes, and ask for nothing out of the ordinary.

use lumina_workflow::store::{Advance, Change, Member, MemberResult, Next, Outcome, Refusal, RunStatus};

use super::Known;
use super::rows::Row;
use crate::change::{self, Stride};
use crate::column::{from_int, to_int};
use crate::fault::Fault;
use crate::group::Group;

/// Takes those steps, and refuses those that something has come in for. The others, which may be repetitions or refused
/// for another reason, are left to be looked at one by one.
pub(super) async fn apply<'m>(
    group: &Group,
    members: &'m [Member],
    alone: &[usize],
    known: &'m Known<'m>,
    answers: &mut [Option<MemberResult>],
) -> Result<(), Fault> {
    let stride = |place: &usize| match &members[*place].change {
        Change::Advance(step) => plain(*place, step, known),
        _ => None,
    };
    for place in alone {
        if let Change::Advance(step) = &members[*place].change
            && let Some(refusal) = overtaken(step, known)
        {
            answers[*place] = Some(Err(refusal));
        }
    }
    let strides: Vec<Stride<'_>> = alone.iter().filter_map(stride).collect();
    if strides.is_empty() {
        return Ok(());
    }
    for (place, inbox) in change::take(group, strides).await? {
        answers[place] = Some(Ok(Outcome::Advanced {
            inbox: from_int(inbox),
            payload: None,
            news: None,
        }));
    }
    Ok(())
}

fn plain<'m>(place: usize, step: &'m Advance, known: &'m Known<'m>) -> Option<Stride<'m>> {
    let row = known.rows.get(&step.lease.run)?;
    let free = step.keys.iter().all(|key| !known.holders.contains_key(key));
    let plain = holds(step, row) && free && step.starts.is_empty() && step.emits.is_empty() && !needs_more(step, row);
    plain.then_some(Stride {
        place,
        step,
        inbox: row.inbox,
        buffered: row.buffered,
        keys: row.keys.as_deref(),
        scheduled: row.scheduled,
    })
}

/// Whether all its guards hold.
fn holds(step: &Advance, row: &Row) -> bool {
    is_next(step, row) && step.guard.is_none_or(|seen| to_int(seen) == row.inbox)
}

/// Whether it is the step that the run's worker has to take now, and was not taken before.
fn is_next(step: &Advance, row: &Row) -> bool {
    row.epoch == to_int(step.lease.epoch.0) && row.seq == to_int(step.seq.0) && row.status == RunStatus::Running
}

/// The refusal of a step whose worker has not seen all that came in.
fn overtaken(step: &Advance, known: &Known<'_>) -> Option<Refusal> {
    let row = known.rows.get(&step.lease.run).filter(|row| is_next(step, row))?;
    let inbox = from_int(row.inbox);
    step.guard
        .filter(|seen| *seen != inbox)
        .map(|_| Refusal::InboxChanged { inbox })
}

/// Whether it changes more than the run and what belongs to it: turns of a flow key, counters, hashes that were tried.
fn needs_more(step: &Advance, row: &Row) -> bool {
    match step.next {
        Next::Block { .. } => true,
        Next::Finish(_) => row.counted,
        Next::Park { .. } | Next::Release => row.keyed,
        Next::Running | Next::Failing { .. } | Next::Pause { .. } => false,
    }
}
