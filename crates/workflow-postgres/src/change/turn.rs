//! The rows of runs after a step, many in one statement.

use std::borrow::Cow;

use lumina_workflow::RunId;
use lumina_workflow::store::RunStatus;
use uuid::Uuid;

use crate::fault::Fault;
use crate::group::Group;
use crate::param::Param;

/// A run's row after a step. What is not in it stays as it was.
#[derive(Debug)]
pub(super) struct Turn<'t> {
    pub run: RunId,
    pub status: RunStatus,
    pub seq: i64,
    /// The inbox counter, and what was answered of it.
    pub inbox: i64,
    pub keys: Option<Cow<'t, str>>,
    /// How many events fewer its inbox holds.
    pub leaving: i64,
    pub ready_rank: Option<i64>,
    pub wake_at: Option<i64>,
    /// `on_failure` begins: the first failure stays, and the time of it.
    pub failing: bool,
    pub failure: Option<String>,
    pub pause_by: Option<&'t str>,
    pub blocked: Option<&'t str>,
    pub output: Option<Cow<'t, str>>,
}

impl<'t> Turn<'t> {
    /// It goes on being executed.
    pub(super) fn running(run: RunId, seq: i64, inbox: i64) -> Self {
        Self {
            run,
            status: RunStatus::Running,
            seq,
            inbox,
            keys: None,
            leaving: 0,
            ready_rank: None,
            wake_at: None,
            failing: false,
            failure: None,
            pause_by: None,
            blocked: None,
            output: None,
        }
    }
}

/// A run that is executed is neither ready nor has a timer, and has no pause but a wish for one.
const SQL: &str = "UPDATE lumina.workflow_run AS r SET status = t.status, seq = t.seq, inbox = t.inbox, answered = t.inbox, \
     keys = coalesce(t.keys, r.keys), \
     buffered = CASE WHEN t.ended THEN 0 ELSE r.buffered - t.leaving END, updated_at = $1, \
     ready_rank = t.ready_rank, wake_at = t.wake_at, \
     lease_until = CASE WHEN t.status = 'running' THEN r.lease_until END, \
     phase = CASE WHEN t.failing THEN 'on_failure' ELSE r.phase END, \
     failure = CASE WHEN t.failing THEN coalesce(r.failure, t.failure) ELSE coalesce(t.failure, r.failure) END, \
     failing_since = CASE WHEN t.failing THEN coalesce(r.failing_since, $1) ELSE r.failing_since END, \
     pause_by = CASE WHEN t.ended THEN NULL ELSE coalesce(t.pause_by, r.pause_by) END, \
     paused_at = CASE WHEN t.status = 'paused' THEN $1 ELSE r.paused_at END, \
     blocked = coalesce(t.blocked, r.blocked), \
     finished_at = CASE WHEN t.ended THEN $1 ELSE r.finished_at END, \
     admitted = CASE WHEN t.ended THEN 0 ELSE r.admitted END, \
     output = coalesce(t.output, r.output) \
     FROM unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], \
     $9::bigint[], $10::bool[], $11::text[], $12::text[], $13::text[], $14::text[], $15::bool[]) \
     AS t(id, status, seq, inbox, keys, leaving, ready_rank, wake_at, failing, failure, pause_by, blocked, output, ended) \
     WHERE r.id = t.id";

/// Writes them all.
pub(super) async fn write(group: &Group, turns: Vec<Turn<'_>>) -> Result<(), Fault> {
    let count = turns.len();
    let ints = |of: fn(&Turn<'_>) -> Option<i64>| Param::Ints(turns.iter().map(of).collect());
    let flags = |of: fn(&Turn<'_>) -> bool| Param::Bools(turns.iter().map(of).collect());
    let params = [
        Param::from(group.now),
        Param::Uuids(turns.iter().map(|turn| Some::<Uuid>(turn.run.0)).collect()),
        Param::from(turns.iter().map(|turn| turn.status.as_str()).collect::<Vec<_>>()),
        ints(|turn| Some(turn.seq)),
        ints(|turn| Some(turn.inbox)),
        Param::Texts(
            turns
                .iter()
                .map(|turn| turn.keys.as_deref().map(crate::text::write))
                .collect(),
        ),
        ints(|turn| Some(turn.leaving)),
        ints(|turn| turn.ready_rank),
        ints(|turn| turn.wake_at),
        flags(|turn| turn.failing),
        Param::Texts(
            turns
                .iter()
                .map(|turn| turn.failure.as_deref().map(crate::text::write))
                .collect(),
        ),
        Param::Texts(turns.iter().map(|turn| turn.pause_by.map(crate::text::write)).collect()),
        Param::Texts(turns.iter().map(|turn| turn.blocked.map(crate::text::write)).collect()),
        Param::Texts(
            turns
                .iter()
                .map(|turn| turn.output.as_deref().map(crate::text::write))
                .collect(),
        ),
        flags(|turn| turn.status.is_end()),
    ];
    let written = group.execute(SQL, &params).await?;
    if written == count as u64 {
        return Ok(());
    }
    Err(Fault::Broken(format!(
        "{written} of {count} locked runs were there to be written"
    )))
}
