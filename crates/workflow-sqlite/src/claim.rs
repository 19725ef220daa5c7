//! Handing runs to a worker.

use std::cmp::Reverse;

use lumina_workflow::store::{CLAIMED_EVENTS, CLAIMED_RECORDS, Claim, Claimed, Lease, RunRow, RunStatus};
use lumina_workflow::{DefinitionHash, Epoch, RunId, Seq};
use rusqlite::{OptionalExtension, Params, Row, params};

use crate::column::{ANY_HASH, KNOWN_SINCE, SINCE, later, limit, place, run_columns, run_row, text, timestamp, to_int};
use crate::fault::Fault;
use crate::flow::{self, Book, Place, Standing};
use crate::group::Group;
use crate::passed::Passed;
use crate::read;

const READY: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM workflow_run INDEXED BY workflow_run_ready WHERE ready_rank IS NOT NULL \
     ORDER BY priority DESC, ready_rank"
);

const READY_BEHIND: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM workflow_run INDEXED BY workflow_run_ready WHERE ready_rank IS NOT NULL \
     AND priority = ?1 AND ready_rank > ?2 ORDER BY ready_rank"
);

const TIMERS: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM workflow_run INDEXED BY workflow_run_timer WHERE wake_at IS NOT NULL \
     AND flow_key IS NULL AND priority = ?1 AND wake_at <= ?2 ORDER BY wake_at"
);

const LEASES: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM workflow_run INDEXED BY workflow_run_lease WHERE lease_until IS NOT NULL \
     AND lease_until <= ?1 AND (lease_until <= ?2 OR worker IS NOT ?3) ORDER BY priority DESC, lease_until"
);

const BLOCKED: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM workflow_run INDEXED BY workflow_run_blocked WHERE blocked IS NOT NULL AND workflow = ?1 \
     AND NOT EXISTS (SELECT 1 FROM workflow_tried WHERE run = id AND workflow_tried.hash = ?2) \
     ORDER BY priority DESC, updated_at, id LIMIT ?3"
);

const HELD: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM workflow_run INDEXED BY workflow_run_held WHERE held_in IS NOT NULL \
     AND workflow = ?1 AND held_in = ?2 ORDER BY priority DESC, held_rank"
);

/// The place of the priority in [`run_columns`].
const PRIORITY: usize = 12;

/// A run that may be claimed.
struct Candidate {
    run: RunRow,
    since: i64,
    place: Place,
}

/// What the writer knows from earlier claims.
pub(crate) struct Known {
    /// Whether blocked runs are worth a look.
    pub blocked: bool,
    /// What is known of flow control.
    pub standing: Option<Standing>,
    /// Which ready runs are not.
    pub passed: Passed,
}

/// The runs that were claimed, and what is known now.
pub(crate) type Found = (Vec<Claimed>, Standing, Passed);

/// Claims what is ready, due, expired or released.
pub(crate) fn claim(group: &Group<'_>, claim: &Claim, known: Known) -> Result<Found, Fault> {
    let (blocked, mut passed) = (known.blocked, known.passed);
    let mut standing = match known.standing {
        Some(standing) => standing,
        None => Standing::read(group.conn)?,
    };
    if standing.keyed_timer <= group.now {
        standing.keyed_timer = flow::ripen(group)?;
        passed.go_back(group.overtaken());
    }
    let mut book = Book::open(group, standing, claim)?;
    let mut taken = Vec::new();
    while taken.len() < claim.limit {
        let found = candidates(&mut book, claim, blocked, &mut passed, &taken)?;
        let held = take(&mut book, claim, found, &mut taken)?;
        // Behind those that are held now there may be others.
        if held == 0 || book.is_full() {
            break;
        }
    }
    Ok((taken, book.settle(claim)?, passed))
}

/// The runs that the claim gets next if nothing throttles them, in their order.
fn candidates(
    book: &mut Book<'_, '_>,
    claim: &Claim,
    blocked: bool,
    passed: &mut Passed,
    taken: &[Claimed],
) -> Result<Vec<Candidate>, Fault> {
    let (group, wanted) = (book.group, claim.limit - taken.len());
    let part = Claim {
        limit: wanted,
        ..claim.clone()
    };
    let mut found = ready(group, &part, passed)?;
    timers(group, &part, &mut found)?;
    leases(group, claim, &mut found)?;
    if blocked {
        blocked_runs(book, &part, &mut found)?;
    }
    for (workflow, queue, limit) in book.queues(claim, wanted)? {
        let part = Claim { limit, ..part.clone() };
        collect(group, &part, HELD, params![workflow, queue], &mut found)?;
    }
    if !taken.is_empty() {
        found.retain(|candidate| taken.iter().all(|claimed| claimed.lease.run != candidate.run.id));
    }
    found.sort_by_key(|candidate| (Reverse(candidate.run.priority), candidate.since, candidate.run.id));
    found.truncate(wanted);
    Ok(found)
}

/// Hands over what no limit stands in the way of, and holds the rest; answers how many these were.
fn take(
    book: &mut Book<'_, '_>,
    claim: &Claim,
    found: Vec<Candidate>,
    taken: &mut Vec<Claimed>,
) -> Result<usize, Fault> {
    let mut held = 0;
    for candidate in found {
        let (run, place) = (&candidate.run, &candidate.place);
        match flow::throttle(book, claim, run, place)? {
            None => {
                let admitted = flow::admit(book, claim, run, place)?;
                taken.push(hand_over(book.group, claim, candidate, admitted)?);
            }
            Some(limit) => {
                held += 1;
                flow::hold(book, run, place, limit, candidate.since)?;
            }
        }
    }
    Ok(held)
}

/// The head of the queue, behind what was passed over before.
fn ready(group: &Group<'_>, claim: &Claim, passed: &mut Passed) -> Result<Vec<Candidate>, Fault> {
    const NEXT: &str = "SELECT priority FROM workflow_run INDEXED BY workflow_run_ready \
         WHERE ready_rank IS NOT NULL AND priority < ?1 ORDER BY priority DESC LIMIT 1";
    let mut found = Vec::new();
    if passed.is_empty() {
        pass(group, claim, READY, [], passed, &mut found)?;
        return Ok(found);
    }
    let mut above = i64::MAX;
    while found.len() < claim.limit {
        let next = group
            .conn
            .prepare_cached(NEXT)?
            .query_row([above], |row| row.get(0))
            .optional()?;
        let Some(priority) = next else { break };
        let up_to = passed.up_to(priority);
        pass(group, claim, READY_BEHIND, params![priority, up_to], passed, &mut found)?;
        above = priority;
    }
    Ok(found)
}

/// Reads ready runs until as many are found as are wanted, and notes those before the first
/// of a priority that may be claimed.
fn pass(
    group: &Group<'_>,
    claim: &Claim,
    sql: &str,
    params: impl Params,
    passed: &mut Passed,
    found: &mut Vec<Candidate>,
) -> Result<(), Fault> {
    let mut statement = group.conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut stopped = None;
    while found.len() < claim.limit
        && let Some(row) = rows.next()?
    {
        let priority = row.get(PRIORITY)?;
        if fits(row, claim)? {
            if stopped != Some(priority) {
                // One that was passed may have the same place.
                passed.stop_before(priority, row.get(SINCE)?);
            }
            stopped = Some(priority);
            found.push(candidate(group, row)?);
        } else if stopped != Some(priority) {
            passed.pass(priority, row.get(SINCE)?);
        }
    }
    Ok(())
}

/// Due timers, priority by priority, so that only the head of each is read.
fn timers(group: &Group<'_>, claim: &Claim, found: &mut Vec<Candidate>) -> Result<(), Fault> {
    let mut above = None;
    while let Some(priority) = read::due::next_priority(group.conn, above)? {
        collect(group, claim, TIMERS, params![priority, group.now], found)?;
        above = Some(priority);
    }
    Ok(())
}

/// Leases that have ended, or all of others when the claimer takes over.
fn leases(group: &Group<'_>, claim: &Claim, found: &mut Vec<Candidate>) -> Result<(), Fault> {
    let ended = if claim.takeover { i64::MAX } else { group.now };
    collect(group, claim, LEASES, params![ended, group.now, claim.worker.0], found)
}

/// Blocked runs that this worker's definitions have not been tried on.
fn blocked_runs(book: &Book<'_, '_>, claim: &Claim, found: &mut Vec<Candidate>) -> Result<(), Fault> {
    let group = book.group;
    let running = claim
        .definitions
        .iter()
        .filter(|(workflow, _)| !book.is_paused(workflow));
    for (workflow, hash) in running {
        let mut statement = group.conn.prepare_cached(BLOCKED)?;
        let mut rows = statement.query(params![workflow, hash.0.cast_signed(), limit(claim.limit)])?;
        while let Some(row) = rows.next()? {
            let candidate = candidate(group, row)?;
            if found.iter().all(|other| other.run.id != candidate.run.id) {
                found.push(candidate);
            }
        }
    }
    Ok(())
}

/// Reads rows until as many as are asked for may be claimed.
fn collect(
    group: &Group<'_>,
    claim: &Claim,
    sql: &str,
    params: impl Params,
    found: &mut Vec<Candidate>,
) -> Result<(), Fault> {
    let mut statement = group.conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut wanted = claim.limit;
    while wanted > 0
        && let Some(row) = rows.next()?
    {
        if fits(row, claim)? {
            found.push(candidate(group, row)?);
            wanted -= 1;
        }
    }
    Ok(())
}

fn candidate(group: &Group<'_>, row: &Row<'_>) -> Result<Candidate, Fault> {
    let since: i64 = row.get(SINCE)?;
    let run = run_row(row, group.payloads)?;
    // A lease that is taken over may end later.
    let leased = run.status == RunStatus::Running;
    Ok(Candidate {
        since: if leased { since.min(group.now) } else { since },
        place: place(row)?,
        run,
    })
}

/// Whether the worker may execute a run that is not blocked.
fn fits(row: &Row<'_>, claim: &Claim) -> Result<bool, Fault> {
    if claim.known_since.as_microsecond() > row.get::<_, i64>(KNOWN_SINCE)? {
        return Ok(true);
    }
    let hash = DefinitionHash(row.get::<_, i64>(2)?.cast_unsigned());
    let any_hash: bool = row.get(ANY_HASH)?;
    let workflow = text(row, 1)?;
    Ok(claim
        .definitions
        .iter()
        .any(|(name, own)| name == workflow && (any_hash || *own == hash)))
}

fn hand_over(group: &Group<'_>, claim: &Claim, candidate: Candidate, admitted: i64) -> Result<Claimed, Fault> {
    const SQL: &str = "UPDATE workflow_run SET epoch = ?2, status = 'running', ready_rank = NULL, wake_at = NULL, \
         lease_until = ?3, hash = ?4, known_since = iif(hash = ?4, max(known_since, ?5), ?5), any_hash = 0, updated_at = ?6, worker = ?7, blocked = NULL, \
         begun_at = coalesce(begun_at, ?6), admitted = ?8 \
         WHERE id = ?1";
    let mut run = candidate.run;
    let until = later(group.now, claim.lease);
    run.hash = executing_hash(group, claim, &run)?;
    run.status = RunStatus::Running;
    run.blocked = None;
    run.throttled = None;
    run.epoch = Epoch(run.epoch.0 + 1);
    run.worker = Some(claim.worker);
    run.due_at = Some(timestamp(until)?);
    run.updated_at = timestamp(group.now)?;
    run.begun_at.get_or_insert(run.updated_at);
    let known_since = claim.known_since.as_microsecond();
    let (epoch, hash) = (to_int(run.epoch.0), run.hash.0.cast_signed());
    group.execute(
        SQL,
        params![
            run.id.0,
            epoch,
            until,
            hash,
            known_since,
            group.now,
            claim.worker.0,
            admitted
        ],
    )?;
    group.note_lease(until);
    claimed(group, run)
}

/// What comes along: nothing is looked up for a run that has nothing yet.
fn claimed(group: &Group<'_>, run: RunRow) -> Result<Claimed, Fault> {
    let records = match run.seq {
        Seq(0) => Vec::new(),
        _ => read::history(group.conn, group.payloads, run.id, Seq(0), CLAIMED_RECORDS)?,
    };
    let events = match run.inbox {
        0 => Vec::new(),
        _ => read::inbox::of_run(group.conn, group.payloads, run.id, 0, CLAIMED_EVENTS)?,
    };
    let lease = Lease {
        run: run.id,
        epoch: run.epoch,
    };
    Ok(Claimed {
        lease,
        records,
        events,
        now: run.updated_at,
        run,
    })
}

/// The definition that this worker executes the run with: the same if it has it and it was
/// not tried in vain, else another of its own, one that was not tried if there is one; without
/// any, the hash stays as it is.
fn executing_hash(group: &Group<'_>, claim: &Claim, run: &RunRow) -> Result<DefinitionHash, Fault> {
    let own = claim
        .definitions
        .iter()
        .filter(|(name, _)| *name == run.workflow)
        .map(|(_, hash)| *hash);
    let all: Vec<_> = own.collect();
    let same = all.contains(&run.hash);
    if same && run.status != RunStatus::Blocked {
        return Ok(run.hash);
    }
    let tried = tried(group, run.id)?;
    let mut hashes = all.iter().filter(|hash| !tried.contains(hash));
    let same = hashes.clone().find(|hash| **hash == run.hash);
    let own = same.or(hashes.next()).or(all.first());
    Ok(own.copied().unwrap_or(run.hash))
}

fn tried(group: &Group<'_>, run: RunId) -> Result<Vec<DefinitionHash>, Fault> {
    const SQL: &str = "SELECT hash FROM workflow_tried WHERE run = ?1";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let hashes = statement.query_map([run.0], |row| row.get::<_, i64>(0))?;
    Ok(hashes
        .map(|bits| bits.map(|bits| DefinitionHash(bits.cast_unsigned())))
        .collect::<Result<_, _>>()?)
}

/// Extends leases; answers the lost ones.
pub(crate) fn renew(group: &Group<'_>, held: &[Lease], by: std::time::Duration) -> Result<Vec<RunId>, Fault> {
    const SQL: &str = "UPDATE workflow_run SET lease_until = ?3 WHERE id = ?1 AND epoch = ?2 AND status = 'running'";
    let until = later(group.now, by);
    let mut lost = Vec::new();
    for lease in held {
        if group.execute(SQL, params![lease.run.0, to_int(lease.epoch.0), until])? == 0 {
            lost.push(lease.run);
        }
    }
    Ok(lost)
}

/// Runs under execution that something is waiting for: those whose worker should look.
pub(crate) fn running_with_news(conn: &rusqlite::Connection, count: usize) -> Result<Vec<RunId>, Fault> {
    const SQL: &str = "SELECT id FROM workflow_run AS r INDEXED BY workflow_run_lease WHERE lease_until IS NOT NULL \
         AND (cancel_by IS NOT NULL OR EXISTS (SELECT 1 FROM workflow_inbox WHERE run = r.id)) LIMIT ?1";
    let mut statement = conn.prepare_cached(SQL)?;
    let mut rows = statement.query([limit(count)])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(crate::column::run_id(row, 0)?);
    }
    Ok(runs)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use rusqlite::Connection;

    use super::*;
    use crate::migrate;

    /// How a statement is executed, in SQLite's words.
    pub(crate) fn plan(conn: &Connection, sql: &str) -> String {
        let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = statement.parameter_count();
        let params = rusqlite::params_from_iter(vec![0; count]);
        let lines = statement.query_map(params, |row| row.get::<_, String>(3)).unwrap();
        let lines = lines.collect::<Result<Vec<_>, _>>().unwrap().join("; ");
        // The counter that holds a run is looked up only for one that is held.
        lines.replace(
            "; CORRELATED SCALAR SUBQUERY 1; SEARCH f USING PRIMARY KEY (workflow=? AND key=?)",
            "",
        )
    }

    /// A claim reads the head of an index and nothing behind it, however many runs wait. Only
    /// what is rare is sorted.
    #[test]
    fn claims_read_heads_of_indices() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate::engine(&mut conn, Path::new("memory"), 0).unwrap();
        let sorted = "; USE TEMP B-TREE FOR ORDER BY";
        let cases = [
            (READY, "SCAN workflow_run USING INDEX workflow_run_ready", ""),
            (
                READY_BEHIND,
                "SEARCH workflow_run USING INDEX workflow_run_ready (priority=? AND ready_rank>?)",
                "",
            ),
            (
                TIMERS,
                "SEARCH workflow_run USING INDEX workflow_run_timer (priority=? AND wake_at>? AND wake_at<?)",
                "",
            ),
            (
                LEASES,
                "SEARCH workflow_run USING INDEX workflow_run_lease (lease_until>? AND lease_until<?)",
                sorted,
            ),
            (
                HELD,
                "SEARCH workflow_run USING INDEX workflow_run_held (workflow=? AND held_in=?)",
                "",
            ),
        ];
        for (sql, used, and_then) in cases {
            assert_eq!(plan(&conn, sql), format!("{used}{and_then}"));
        }
        let blocked = plan(&conn, BLOCKED);
        assert!(
            blocked.starts_with("SEARCH workflow_run USING INDEX workflow_run_blocked (workflow=?)"),
            "{blocked}"
        );
    }
}
