//! The head of the queue, however much for other code stands in front of it.

use std::cmp::Reverse;

use lumina_workflow::store::Claim;

use super::{Candidate, collect, fits, fitting};
use crate::column::run_columns;
use crate::fault::Fault;
use crate::group::Group;
use crate::param::{Param, params};

/// All that is ready, in its order: what is for other code is read and passed over.
pub(super) const READY: &str = fitting!("r.ready_rank IS NOT NULL", "r.priority DESC, r.ready_rank, r.id");

/// The code that ready runs are for, each once: one step of the index for each. It is few: workflows, their versions,
/// and the processes that have started runs since.
macro_rules! codes {
    () => {
        "WITH RECURSIVE c(workflow, hash, any_hash, known_since) AS (\
         (SELECT workflow, hash, any_hash, known_since FROM lumina.workflow_run WHERE ready_rank IS NOT NULL \
         ORDER BY workflow, hash, any_hash, known_since LIMIT 1) \
         UNION ALL SELECT n.* FROM c CROSS JOIN LATERAL (SELECT r.workflow, r.hash, r.any_hash, r.known_since \
         FROM lumina.workflow_run AS r WHERE r.ready_rank IS NOT NULL \
         AND (r.workflow, r.hash, r.any_hash, r.known_since) > (c.workflow, c.hash, c.any_hash, c.known_since) \
         ORDER BY r.workflow, r.hash, r.any_hash, r.known_since LIMIT 1) AS n) "
    };
}

/// Whether anything that is ready is not for the claimer.
const FOREIGN: &str = concat!(codes!(), "SELECT 1 FROM c WHERE NOT (", fits!("c"), ") LIMIT 1");

/// The heads of the queues of that code which the claimer has.
const OF_CODES: &str = concat!(
    codes!(),
    "SELECT ",
    run_columns!(),
    " FROM c CROSS JOIN LATERAL (SELECT * FROM lumina.workflow_run AS one WHERE one.ready_rank IS NOT NULL \
     AND one.workflow = c.workflow AND one.hash = c.hash AND one.any_hash = c.any_hash \
     AND one.known_since = c.known_since ORDER BY one.priority DESC, one.ready_rank, one.id LIMIT $4 \
     FOR UPDATE SKIP LOCKED) AS r WHERE ",
    fits!("c")
);

pub(super) async fn is_anything_foreign(group: &Group, claim: &Claim) -> Result<bool, Fault> {
    let code = super::code_of(claim);
    let params = [
        Param::from(claim.known_since.as_microsecond()),
        Param::from(code.0),
        Param::from(code.1),
    ];
    Ok(group.db.find(FOREIGN, &params).await?.is_some())
}

/// The first that are ready. Those of several queues are locked although only some of them are taken, so the others are
/// told of: who claimed meanwhile has passed them over.
pub(super) async fn heads(group: &Group, claim: &Claim, wanted: usize, foreign: bool) -> Result<Vec<Candidate>, Fault> {
    if !foreign {
        return collect(group, claim, wanted, READY, params![]).await;
    }
    let mut found = collect(group, claim, wanted, OF_CODES, params![]).await?;
    found.sort_by_key(|candidate| (Reverse(candidate.run.priority), candidate.since, candidate.run.id));
    if found.len() > wanted {
        found.truncate(wanted);
        group.note_ready();
    }
    Ok(found)
}
