//! A step forward in a run: guards first, then everything.

use lumina_workflow::store::{Advance, Attachment, Ending, MemberResult, Next, Outcome, Refusal, RunStatus};
use lumina_workflow::{CorrelationKey, Payload, Seq, Target, What};

use super::{event, key, next, record, start};
use crate::attachment;
use crate::column::{flag, from_int, int, optional_string, status, to_int};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

/// What of the run's row decides.
pub(super) struct Held {
    pub epoch: i64,
    pub seq: i64,
    pub inbox: i64,
    pub answered: i64,
    pub status: RunStatus,
    pub keys: Option<String>,
    /// A schedule has started it.
    pub scheduled: bool,
    /// Its counters count it among those in flight.
    pub counted: bool,
    /// It has a flow key.
    pub keyed: bool,
}

pub(super) async fn apply(group: &Group, step: &Advance, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    let Some(mut held) = load(group, step).await? else {
        return Ok(Err(Refusal::UnknownRun(step.lease.run)));
    };
    if let Some(answer) = repeated(group, step, &held, attach.is_some()).await? {
        return Ok(answer);
    }
    if let Some(refusal) = guard(step, &held) {
        return Ok(Err(refusal));
    }
    let keys = match key::free(group, step.lease.run, &step.keys).await? {
        Ok(keys) => keys,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let payload = match attachment::run(group, attach).await? {
        Ok(payload) => payload,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let arrived = if attach.is_some() {
        reload(group, step, &mut held).await?
    } else {
        0
    };
    let inbox = write(group, step, &held, &keys, payload.as_ref(), arrived).await?;
    Ok(Ok(advanced(from_int(inbox), payload)))
}

fn advanced(inbox: u64, payload: Option<Payload>) -> Outcome {
    Outcome::Advanced {
        inbox,
        payload,
        news: None,
    }
}

/// The row, which from now on nobody else changes.
async fn load(group: &Group, step: &Advance) -> Result<Option<Held>, Fault> {
    const SQL: &str = "SELECT epoch, seq, inbox, status, answered, keys, \
         coalesce(substr(start_key, 1, 9) = 'schedule:', false), admitted = 1, flow_key IS NOT NULL \
         FROM lumina.workflow_run WHERE id = $1 FOR UPDATE";
    let Some(row) = group.db.find(SQL, params![step.lease.run]).await? else {
        return Ok(None);
    };
    Ok(Some(Held {
        epoch: int(&row, 0)?,
        seq: int(&row, 1)?,
        inbox: int(&row, 2)?,
        status: status(&row, 3)?,
        answered: int(&row, 4)?,
        keys: optional_string(&row, 5)?,
        scheduled: flag(&row, 6)?,
        counted: flag(&row, 7)?,
        keyed: flag(&row, 8)?,
    }))
}

/// The answer for a lease that was lost, or for a step that was applied before.
async fn repeated(group: &Group, step: &Advance, held: &Held, attached: bool) -> Result<Option<MemberResult>, Fault> {
    if held.epoch != to_int(step.lease.epoch.0) {
        return Ok(Some(Err(Refusal::LeaseLost(step.lease.run))));
    }
    if held.seq != to_int(step.seq.plus(step.records.len()).0) {
        return Ok(None);
    }
    let inbox = from_int(held.answered);
    if step.records.is_empty() {
        // Under one lease a run is given back once, so it was this change that did it.
        let applied = was_given_back(held.status, &step.next);
        return Ok(applied.then_some(Ok(advanced(inbox, None))));
    }
    let (run, count) = (step.lease.run, step.records.len());
    let stored = record::read(&group.db, group.payloads(), run, step.seq, count).await?;
    let same = stored.len() == step.records.len()
        && stored
            .iter()
            .zip(&step.records)
            .all(|(old, new)| record::is_same(&old.record, new, attached));
    if !same {
        return Ok(None);
    }
    let computed = stored
        .iter()
        .zip(&step.records)
        .find(|(_, new)| attached && record::awaits_payload(new));
    let payload = computed.and_then(|(old, _)| match &old.record.what {
        What::Completed { payload, .. } => payload.clone(),
        _ => None,
    });
    Ok(Some(Ok(advanced(inbox, payload))))
}

fn was_given_back(status: RunStatus, next: &Next) -> bool {
    match next {
        Next::Running | Next::Failing { .. } => false,
        Next::Park { .. } | Next::Release | Next::Block { .. } => {
            matches!(status, RunStatus::Waiting | RunStatus::Blocked)
        }
        Next::Pause { .. } => status == RunStatus::Paused,
        Next::Finish(Ending::Completed(_)) => status == RunStatus::Completed,
        Next::Finish(Ending::Failed(_)) => status == RunStatus::Failed,
        Next::Finish(Ending::Cancelled(_)) => status == RunStatus::Cancelled,
    }
}

fn guard(step: &Advance, held: &Held) -> Option<Refusal> {
    let run = step.lease.run;
    let found = Seq(from_int(held.seq));
    if found != step.seq {
        return Some(Refusal::OutOfSequence { run, found });
    }
    if held.status != RunStatus::Running {
        // Given back under this very epoch: it is nobody's until it is claimed again.
        return Some(Refusal::LeaseLost(run));
    }
    let inbox = from_int(held.inbox);
    step.guard
        .filter(|seen| *seen != inbox)
        .map(|_| Refusal::InboxChanged { inbox })
}

/// Looks at the row again after an attachment, which may have emitted to this very run;
/// answers how many arrivals there were.
async fn reload(group: &Group, step: &Advance, held: &mut Held) -> Result<i64, Fault> {
    let before = held.inbox;
    let found = load(group, step).await?;
    *held = found.ok_or_else(|| Fault::Broken(format!("an attachment deleted run {}", step.lease.run)))?;
    Ok(held.inbox - before)
}

async fn write(
    group: &Group,
    step: &Advance,
    held: &Held,
    keys: &[CorrelationKey],
    computed: Option<&Payload>,
    arrived: i64,
) -> Result<i64, Fault> {
    let run = step.lease.run;
    record::insert_all(group, run, step.seq.plus(1), &step.records, computed).await?;
    let consumed = event::consume(group, run, &step.consumed).await?;
    let column = key::take(group, run, held.keys.as_deref(), keys).await?;
    let targets: Vec<Target> = keys.iter().cloned().map(Target::Key).collect();
    let moved = event::move_unrouted(group, run, &targets).await?;
    if moved > 0 {
        group.note_inbox(run);
    }
    for new in &step.starts {
        start::start(group, new).await?;
    }
    let sent = send(group, step).await?;
    let goal = next::Goal {
        seq: to_int(step.seq.plus(step.records.len()).0),
        inbox: held.inbox + moved + sent,
        keys: column.as_deref().or(held.keys.as_deref()),
        leaving: consumed - moved,
        // Whatever came in within this very transaction was not seen by who decided to park.
        must_run: arrived + moved + sent > 0,
        scheduled: held.scheduled,
        counted: held.counted,
        keyed: held.keyed,
    };
    next::go(group, step, &goal).await?;
    Ok(goal.inbox)
}

/// Sends the events for others; answers how many of them were for this very run.
async fn send(group: &Group, step: &Advance) -> Result<i64, Fault> {
    if step.emits.is_empty() {
        return Ok(0);
    }
    let before = own_counter(group, step).await?;
    for event in &step.emits {
        event::send(group, event).await?;
    }
    Ok(own_counter(group, step).await? - before)
}

async fn own_counter(group: &Group, step: &Advance) -> Result<i64, Fault> {
    let own = group.receiver(step.lease.run).await?;
    Ok(own.map_or(0, |own| own.inbox))
}
