//! Handing runs to a worker, in one short transaction that waits for no run.

mod ready;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use futures_util::future::{join, join3};
use lumina_workflow::store::{CLAIMED_EVENTS, CLAIMED_RECORDS, Claim, Claimed, Lease, RunRow, RunStatus, StoredRecord};
use lumina_workflow::{DefinitionHash, Epoch, RunId, StoredEvent};
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use crate::change::record;
use crate::column::{SINCE, flag, int, later, limit, place, run_columns, run_id, run_row, timestamp, to_int};
use crate::fault::Fault;
use crate::flow::{self, Book, Place, Standing};
use crate::group::Group;
use crate::param::{Param, params};
use crate::read;

/// Whether the worker may execute a run that is not blocked, of which this is the row. Parameters: the claimer's
/// `known_since`, the names of its definitions, and their hashes.
macro_rules! fits {
    ($row:literal) => {
        concat!(
            "$1 > ",
            $row,
            ".known_since OR EXISTS (SELECT 1 FROM unnest($2::text[], $3::bigint[]) AS d(name, hash) WHERE d.name = ",
            $row,
            ".workflow AND (",
            $row,
            ".any_hash OR d.hash = ",
            $row,
            ".hash))"
        )
    };
}
use fits;

/// Runs that the worker may execute; the fourth parameter says how many. What somebody else is changing at this moment
/// is passed over: who changes it says so, and then there is another claim.
macro_rules! fitting {
    ($condition:literal, $order:literal) => {
        concat!(
            "SELECT ",
            run_columns!(),
            " FROM lumina.workflow_run AS r WHERE ",
            $condition,
            " AND (",
            fits!("r"),
            ") ORDER BY ",
            $order,
            " LIMIT $4 FOR UPDATE OF r SKIP LOCKED"
        )
    };
}

use fitting;

const TIMERS: &str = fitting!(
    "r.wake_at IS NOT NULL AND r.flow_key IS NULL AND r.priority = $6 AND r.wake_at <= $5",
    "r.wake_at, r.id"
);

const LEASES: &str = fitting!(
    "r.lease_until IS NOT NULL AND r.lease_until <= $5 AND (r.lease_until <= $6 OR r.worker IS DISTINCT FROM $7)",
    "r.priority DESC, r.lease_until, r.id"
);

const HELD: &str = fitting!(
    "r.held_in IS NOT NULL AND r.workflow = $5 AND r.held_in = $6",
    "r.priority DESC, r.held_rank, r.id"
);

const BLOCKED: &str = concat!(
    "SELECT ",
    run_columns!(),
    " FROM lumina.workflow_run AS r WHERE r.blocked IS NOT NULL AND r.workflow = $1 \
     AND NOT EXISTS (SELECT 1 FROM lumina.workflow_tried AS t WHERE t.run = r.id AND t.hash = $2) \
     ORDER BY r.priority DESC, r.updated_at, r.id LIMIT $3 FOR UPDATE OF r SKIP LOCKED"
);

/// The priorities that runs with a timer have, one step of the index for each.
const PRIORITIES: &str = "WITH RECURSIVE p(priority) AS (\
     (SELECT priority FROM lumina.workflow_run WHERE wake_at IS NOT NULL AND flow_key IS NULL ORDER BY priority DESC LIMIT 1) \
     UNION ALL SELECT (SELECT r.priority FROM lumina.workflow_run AS r WHERE r.wake_at IS NOT NULL AND r.flow_key IS NULL \
     AND r.priority < p.priority ORDER BY r.priority DESC LIMIT 1) FROM p WHERE p.priority IS NOT NULL) \
     SELECT priority FROM p WHERE priority IS NOT NULL";

/// A run that may be claimed, and that nobody else can have meanwhile.
#[derive(Clone)]
struct Candidate {
    run: RunRow,
    since: i64,
    place: Place,
}

/// Claims what is ready, due, expired or released. Questions that do not go by each other's answers are on their way
/// together.
pub(crate) async fn claim(group: &Group, claim: &Claim) -> Result<Vec<Claimed>, Fault> {
    let (standing, ripened, rare) =
        join3(Standing::read(&group.db), flow::ripen(group), Rare::read(group, claim)).await;
    ripened?;
    let rare = rare?;
    let mut book = Book::open(group, standing?, claim).await?;
    let mut taken = Vec::new();
    while taken.len() < claim.limit {
        let found = candidates(&mut book, claim, &rare, &taken).await?;
        let held = take(&mut book, claim, found, &mut taken).await?;
        // Behind those that are held now there may be others.
        if held == 0 || book.is_full() {
            break;
        }
    }
    book.settle(claim).await?;
    claimed(group, taken).await
}

/// What there mostly is nothing of.
struct Rare {
    /// Some run is blocked.
    blocked: bool,
    /// The priorities of runs with a timer.
    priorities: Vec<i64>,
    /// Some run is ready, and not for the claimer.
    foreign: bool,
}

impl Rare {
    async fn read(group: &Group, claim: &Claim) -> Result<Self, Fault> {
        const BLOCKED: &str = "SELECT 1 FROM lumina.workflow_run WHERE blocked IS NOT NULL ORDER BY workflow LIMIT 1";
        let (blocked, priorities, foreign) = join3(
            group.db.find(BLOCKED, &[]),
            group.db.query(PRIORITIES, &[]),
            ready::is_anything_foreign(group, claim),
        )
        .await;
        Ok(Self {
            blocked: blocked?.is_some(),
            priorities: priorities?.iter().map(|row| int(row, 0)).collect::<Result<_, _>>()?,
            foreign: foreign?,
        })
    }
}

/// The runs that the claim gets next if nothing throttles them, in their order.
async fn candidates(
    book: &mut Book<'_>,
    claim: &Claim,
    rare: &Rare,
    taken: &[RunRow],
) -> Result<Vec<Candidate>, Fault> {
    let (group, wanted) = (book.group, claim.limit - taken.len());
    let (ready, due, leased) = join3(
        ready::heads(group, claim, wanted, rare.foreign),
        timers(group, claim, wanted, rare),
        leases(group, claim),
    )
    .await;
    let mut found = [ready?, due?, leased?].concat();
    if rare.blocked {
        blocked_runs(book, claim, wanted, &mut found).await?;
    }
    for (workflow, queue, count) in book.queues(claim, wanted).await? {
        let queue = [Param::from(&workflow), Param::from(&queue)];
        found.extend(collect(group, claim, count, HELD, &queue).await?);
    }
    found.retain(|candidate| taken.iter().all(|run| run.id != candidate.run.id));
    found.sort_by_key(|candidate| (Reverse(candidate.run.priority), candidate.since, candidate.run.id));
    found.truncate(wanted);
    Ok(found)
}

/// Takes what no limit stands in the way of, and holds the rest; answers how many these were.
async fn take(
    book: &mut Book<'_>,
    claim: &Claim,
    found: Vec<Candidate>,
    taken: &mut Vec<RunRow>,
) -> Result<usize, Fault> {
    let mut held = 0;
    let mut admitted = Vec::new();
    book.lock(claim, found.iter().map(|candidate| &candidate.run)).await?;
    for candidate in found {
        let (run, place) = (&candidate.run, &candidate.place);
        match flow::throttle(book, claim, run, place).await? {
            None => {
                let place = flow::admit(book, claim, run, place).await?;
                admitted.push((candidate.run, place));
            }
            Some(limit) => {
                held += 1;
                flow::hold(book, run, place, limit, candidate.since).await?;
            }
        }
    }
    taken.extend(hand_over(book.group, claim, admitted).await?);
    Ok(held)
}

/// Due timers, priority by priority, so that only the head of each is read.
async fn timers(group: &Group, claim: &Claim, wanted: usize, rare: &Rare) -> Result<Vec<Candidate>, Fault> {
    let mut found = Vec::new();
    for priority in &rare.priorities {
        found.extend(collect(group, claim, wanted, TIMERS, params![group.now, *priority]).await?);
    }
    Ok(found)
}

/// Leases that have ended, or all of others when the claimer takes over.
async fn leases(group: &Group, claim: &Claim) -> Result<Vec<Candidate>, Fault> {
    let ended = if claim.takeover { i64::MAX } else { group.now };
    let params = params![ended, group.now, claim.worker.0];
    collect(group, claim, claim.limit, LEASES, params).await
}

/// Blocked runs that this worker's definitions have not been tried on.
async fn blocked_runs(book: &Book<'_>, claim: &Claim, wanted: usize, found: &mut Vec<Candidate>) -> Result<(), Fault> {
    let group = book.group;
    let running = claim
        .definitions
        .iter()
        .filter(|(workflow, _)| !book.is_paused(workflow));
    for (workflow, hash) in running {
        let params = params![workflow, hash.0.cast_signed(), limit(wanted)];
        for row in group.db.query(BLOCKED, params).await? {
            let candidate = candidate(group, &row)?;
            if found.iter().all(|other| other.run.id != candidate.run.id) {
                found.push(candidate);
            }
        }
    }
    Ok(())
}

/// Reads the first runs of a queue that the worker may execute.
async fn collect(
    group: &Group,
    claim: &Claim,
    wanted: usize,
    sql: &'static str,
    more: &[Param<'_>],
) -> Result<Vec<Candidate>, Fault> {
    let (names, hashes) = code_of(claim);
    let mut params = vec![
        Param::from(claim.known_since.as_microsecond()),
        Param::from(names),
        Param::from(hashes),
        Param::from(limit(wanted)),
    ];
    params.extend(more.iter().map(Param::borrow));
    let rows = group.db.query(sql, &params).await?;
    rows.iter().map(|row| candidate(group, row)).collect()
}

/// The names and hashes of the claimer's definitions.
fn code_of(claim: &Claim) -> (Vec<&str>, Vec<i64>) {
    let definitions = claim.definitions.iter();
    definitions
        .map(|(name, hash)| (name.as_str(), hash.0.cast_signed()))
        .unzip()
}

fn candidate(group: &Group, row: &Row) -> Result<Candidate, Fault> {
    let since = int(row, SINCE)?;
    let run = run_row(row, group.payloads())?;
    // A lease that is taken over may end later.
    let leased = run.status == RunStatus::Running;
    Ok(Candidate {
        since: if leased { since.min(group.now) } else { since },
        place: place(row)?,
        run,
    })
}

/// Makes them the worker's, and answers their rows as they are then.
async fn hand_over(group: &Group, claim: &Claim, admitted: Vec<(RunRow, i64)>) -> Result<Vec<RunRow>, Fault> {
    const SQL: &str = "UPDATE lumina.workflow_run AS r SET epoch = t.epoch, status = 'running', ready_rank = NULL, \
         wake_at = NULL, lease_until = $1, hash = t.hash, \
         known_since = CASE WHEN r.hash = t.hash THEN greatest(r.known_since, $2) ELSE $2 END, any_hash = false, \
         updated_at = $3, worker = $4, blocked = NULL, begun_at = coalesce(r.begun_at, $3), admitted = t.admitted \
         FROM unnest($5::uuid[], $6::bigint[], $7::bigint[], $8::bigint[]) AS t(id, epoch, hash, admitted) \
         WHERE r.id = t.id";
    if admitted.is_empty() {
        return Ok(Vec::new());
    }
    let until = later(group.now, claim.lease);
    let mut runs = Vec::with_capacity(admitted.len());
    let mut places = Vec::with_capacity(admitted.len());
    for (mut run, place) in admitted {
        run.hash = executing_hash(group, claim, &run).await?;
        run.status = RunStatus::Running;
        run.blocked = None;
        run.throttled = None;
        run.epoch = Epoch(run.epoch.0 + 1);
        run.worker = Some(claim.worker);
        run.due_at = Some(timestamp(until)?);
        run.updated_at = timestamp(group.now)?;
        run.begun_at.get_or_insert(run.updated_at);
        runs.push(run);
        places.push(place);
    }
    let ids: Vec<Uuid> = runs.iter().map(|run| run.id.0).collect();
    let epochs: Vec<i64> = runs.iter().map(|run| to_int(run.epoch.0)).collect();
    let hashes: Vec<i64> = runs.iter().map(|run| run.hash.0.cast_signed()).collect();
    let since = claim.known_since.as_microsecond();
    let params = params![until, since, group.now, claim.worker.0, ids, epochs, hashes, places];
    group.execute(SQL, params).await?;
    group.note_lease(until);
    Ok(runs)
}

/// What comes along: nothing is looked up for runs that have nothing yet.
async fn claimed(group: &Group, runs: Vec<RunRow>) -> Result<Vec<Claimed>, Fault> {
    let (records, events) = join(histories(group, &runs), inboxes(group, &runs)).await;
    let (mut records, mut events) = (records?, events?);
    let claimed = runs.into_iter().map(|run| Claimed {
        lease: Lease {
            run: run.id,
            epoch: run.epoch,
        },
        records: records.remove(&run.id).unwrap_or_default(),
        events: events.remove(&run.id).unwrap_or_default(),
        now: run.updated_at,
        run,
    });
    Ok(claimed.collect())
}

async fn histories(group: &Group, runs: &[RunRow]) -> Result<BTreeMap<RunId, Vec<StoredRecord>>, Fault> {
    let begun: Vec<Uuid> = runs.iter().filter(|run| run.seq.0 > 0).map(|run| run.id.0).collect();
    let mut found: BTreeMap<RunId, Vec<StoredRecord>> = BTreeMap::new();
    if begun.is_empty() {
        return Ok(found);
    }
    for row in group
        .db
        .query(record::OF_RUNS, params![begun, limit(CLAIMED_RECORDS)])
        .await?
    {
        let run = run_id(&row, record::RUN)?;
        found
            .entry(run)
            .or_default()
            .push(record::decode(&row, group.payloads(), run)?);
    }
    Ok(found)
}

async fn inboxes(group: &Group, runs: &[RunRow]) -> Result<BTreeMap<RunId, Vec<StoredEvent>>, Fault> {
    let filled: Vec<Uuid> = runs.iter().filter(|run| run.inbox > 0).map(|run| run.id.0).collect();
    if filled.is_empty() {
        return Ok(BTreeMap::new());
    }
    read::inbox::of_runs(&group.db, group.payloads(), filled, CLAIMED_EVENTS).await
}

/// The definition that this worker executes the run with: the same if it has it and it was
/// not tried in vain, else another of its own, one that was not tried if there is one; without
/// any, the hash stays as it is.
async fn executing_hash(group: &Group, claim: &Claim, run: &RunRow) -> Result<DefinitionHash, Fault> {
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
    let tried = tried(group, run.id).await?;
    let mut hashes = all.iter().filter(|hash| !tried.contains(hash));
    let same = hashes.clone().find(|hash| **hash == run.hash);
    let own = same.or(hashes.next()).or(all.first());
    Ok(own.copied().unwrap_or(run.hash))
}

async fn tried(group: &Group, run: RunId) -> Result<Vec<DefinitionHash>, Fault> {
    const SQL: &str = "SELECT hash FROM lumina.workflow_tried WHERE run = $1";
    let rows = group.db.query(SQL, params![run]).await?;
    rows.iter()
        .map(|row| Ok(DefinitionHash(int(row, 0)?.cast_unsigned())))
        .collect()
}

/// What becomes of rows that somebody has locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Locked {
    PassedOver,
    WaitedFor,
}

/// What a renewal came to.
pub(crate) struct Renewed {
    pub lost: Vec<RunId>,
    /// Neither renewed nor lost yet.
    pub passed_over: Vec<Lease>,
}

/// Extends leases.
pub(crate) async fn renew(
    group: &Group,
    held: &[Lease],
    by: std::time::Duration,
    locked: Locked,
) -> Result<Renewed, Fault> {
    const WAIT: &str = "SELECT r.id, r.epoch, r.status = 'running' FROM lumina.workflow_run AS r \
         WHERE r.id = ANY($1) ORDER BY r.id FOR UPDATE";
    const PASS: &str = "SELECT r.id, r.epoch, r.status = 'running' FROM lumina.workflow_run AS r \
         WHERE r.id = ANY($1) ORDER BY r.id FOR UPDATE SKIP LOCKED";
    const SQL: &str = "UPDATE lumina.workflow_run SET lease_until = $2 WHERE id = ANY($1)";
    let sql = match locked {
        Locked::PassedOver => PASS,
        Locked::WaitedFor => WAIT,
    };
    let ids: Vec<Uuid> = held.iter().map(|lease| lease.run.0).collect();
    let mut found = BTreeMap::new();
    for row in group.db.query(sql, params![ids]).await? {
        found.insert(run_id(&row, 0)?, flag(&row, 2)?.then_some(int(&row, 1)?));
    }
    let (mut kept, mut renewed) = (
        Vec::new(),
        Renewed {
            lost: Vec::new(),
            passed_over: Vec::new(),
        },
    );
    for lease in held {
        match found.get(&lease.run) {
            Some(epoch) if *epoch == Some(to_int(lease.epoch.0)) => kept.push(lease.run.0),
            None if locked == Locked::PassedOver => renewed.passed_over.push(*lease),
            _ => renewed.lost.push(lease.run),
        }
    }
    group.execute(SQL, params![kept, later(group.now, by)]).await?;
    Ok(renewed)
}

/// Runs under execution that something is waiting for: those whose worker should look.
pub(crate) async fn running_with_news(client: &Client, count: usize) -> Result<Vec<RunId>, Fault> {
    const SQL: &str = "SELECT r.id FROM lumina.workflow_run AS r WHERE r.lease_until IS NOT NULL \
         AND (r.cancel_by IS NOT NULL OR r.pause_by IS NOT NULL OR r.buffered > 0) \
         ORDER BY r.lease_until LIMIT $1";
    let rows = client.query(SQL, &[&limit(count)]).await?;
    rows.iter().map(|row| run_id(row, 0)).collect()
}
