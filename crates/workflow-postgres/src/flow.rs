//! Flow control: who is held, and by which counter.

mod book;
mod command;
mod read;
mod standing;
mod turn;

use lumina_workflow::RunId;
use lumina_workflow::store::{Claim, Limit, RunRow, RunStatus};

pub(crate) use book::Book;
pub(crate) use command::apply;
pub(crate) use read::{purge, rows};
pub(crate) use standing::Standing;
pub(crate) use turn::{fair_rank, rank, ripen};

use crate::column::{optional_string, string, to_int};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

/// A claim moves at most this many runs from one queue into another, so that its transaction
/// stays short; the next one goes on.
pub(crate) const MOVES: usize = 1_000;

/// The queue of runs whose workflow is paused.
pub(crate) const PAUSED: &str = "p";

/// The queue at a workflow's counter.
pub(crate) const WHOLE: &str = "w";

/// The queue at a key's counter.
fn of_key(key: &str) -> String {
    format!("k{key}")
}

/// The key of the counter that a queue belongs to; empty for the workflow's own.
fn key_of(queue: &str) -> &str {
    queue.get(1..).unwrap_or_default()
}

/// What a run's row says of flow control.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub admitted: i64,
    pub held_in: Option<String>,
    /// Somebody has asked it to end, whether it has acted on it or not.
    pub cancelled: bool,
}

const NOT_ADMITTED: i64 = 0;
const COUNTED: i64 = 1;
const UNCOUNTED: i64 = 2;

/// Which limit stands in the way of a run that would be claimed.
pub(crate) async fn throttle(
    book: &mut Book<'_>,
    claim: &Claim,
    run: &RunRow,
    place: &Place,
) -> Result<Option<Limit>, Fault> {
    if place.cancelled {
        return Ok(None);
    }
    if book.is_paused(&run.workflow) {
        return Ok(Some(Limit::WorkflowPaused));
    }
    let limits = claim.limits_of(&run.workflow);
    if limits.is_none() || place.admitted != NOT_ADMITTED {
        return Ok(None);
    }
    let promised = place.held_in.as_deref() == Some(WHOLE);
    book.throttle(run, &limits, promised).await
}

/// Counts a run that is being claimed, and takes it out of where it was held. Answers what its
/// row shall say of it.
pub(crate) async fn admit(book: &mut Book<'_>, claim: &Claim, run: &RunRow, place: &Place) -> Result<i64, Fault> {
    const FREE: &str = "UPDATE lumina.workflow_run SET held_in = NULL, held_rank = NULL, held_at = NULL WHERE id = $1";
    if let Some(queue) = &place.held_in {
        book.leave(run, queue).await?;
        book.group.execute(FREE, params![run.id]).await?;
    }
    let limits = claim.limits_of(&run.workflow);
    if limits.is_none() || place.cancelled || place.admitted == COUNTED {
        return Ok(match place.admitted {
            NOT_ADMITTED => UNCOUNTED,
            admitted => admitted,
        });
    }
    // What began without limits takes its place without asking, and is no beginning any more.
    book.count(run, &limits, place.admitted == NOT_ADMITTED).await?;
    Ok(COUNTED)
}

/// Holds a run at its place in the queue.
pub(crate) async fn hold(
    book: &mut Book<'_>,
    run: &RunRow,
    place: &Place,
    limit: Limit,
    rank: i64,
) -> Result<(), Fault> {
    const HOLD: &str = "UPDATE lumina.workflow_run SET ready_rank = NULL, wake_at = NULL, held_in = $2, held_rank = $3, \
         held_at = $4 WHERE id = $1";
    const TAKE_AWAY: &str = "UPDATE lumina.workflow_run SET status = 'waiting', epoch = $2, lease_until = NULL, \
         updated_at = $3 WHERE id = $1";
    let queue = match limit {
        Limit::WorkflowPaused => PAUSED.to_owned(),
        _ if limit.is_per_key() => of_key(run.flow_key.as_deref().unwrap_or_default()),
        _ => WHOLE.to_owned(),
    };
    if place.held_in.as_deref() == Some(&queue) {
        return book.keep(run, &queue, limit).await;
    }
    if let Some(former) = &place.held_in {
        book.leave(run, former).await?;
    }
    book.enter(run, &queue, limit).await?;
    let group = book.group;
    if run.status == RunStatus::Running {
        group
            .execute(TAKE_AWAY, params![run.id, to_int(run.epoch.0 + 1), group.now])
            .await?;
    }
    group.execute(HOLD, params![run.id, &queue, rank, group.now]).await?;
    Ok(())
}

/// Makes a held run ready at the place that it has.
pub(crate) async fn let_go(group: &Group, run: RunId) -> Result<(), Fault> {
    const FIND: &str =
        "SELECT workflow, flow_key, held_in FROM lumina.workflow_run WHERE id = $1 AND held_in IS NOT NULL";
    const READY: &str = "UPDATE lumina.workflow_run SET ready_rank = held_rank, held_in = NULL, held_rank = NULL, \
         held_at = NULL  WHERE id = $1";
    let Some(row) = group.db.find(FIND, params![run]).await? else {
        return Ok(());
    };
    let (workflow, key, queue) = (string(&row, 0)?, optional_string(&row, 1)?, string(&row, 2)?);
    group.note_ready();
    group.execute(READY, params![run]).await?;
    book::leave_outside(group, &workflow, key.as_deref(), &queue).await
}

/// A run that has ended, and was counted, gives its place back.
pub(crate) async fn give_back(group: &Group, run: RunId) -> Result<(), Fault> {
    const LOCK: &str = "SELECT 1 FROM lumina.workflow_flow AS f, lumina.workflow_run AS r WHERE r.id = $1 \
         AND f.workflow = r.workflow AND f.key IN ('', coalesce(r.flow_key, '')) ORDER BY f.workflow, f.key FOR UPDATE OF f";
    const FREE: &str = "UPDATE lumina.workflow_flow AS f SET in_flight = greatest(f.in_flight - 1, 0), \
         release_at = CASE WHEN f.held + f.paused > 0 AND f.paused_by IS NULL THEN least(f.release_at, $2) \
         ELSE f.release_at END FROM lumina.workflow_run AS r WHERE r.id = $1 \
         AND f.workflow = r.workflow AND f.key IN ('', coalesce(r.flow_key, ''))";
    group.db.query(LOCK, params![run]).await?;
    group.execute(FREE, params![run, group.now]).await?;
    group.note_ready();
    Ok(())
}
