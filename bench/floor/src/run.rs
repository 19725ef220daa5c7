//! The floor of a run: three steps and a wait, as five transitions that each follow the one before.

use std::collections::VecDeque;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Statement, params};
use uuid::Uuid;

use crate::database::Database;
use crate::error::at_least_one;
use crate::key::{Keys, milliseconds};
use crate::{FloorError, Throughput, monotonic, rate};

/// Runs that are under way at any time, as in the comparison: enough that a group is always full.
pub const IN_FLIGHT: usize = 1_000;

/// Transitions that share a commit, as in the comparison.
pub const TRANSITIONS_PER_COMMIT: usize = 200;

/// What an input, an event and a step's result weigh.
pub(crate) const PAYLOAD_BYTES: usize = 200;

/// A day, in milliseconds: the deadline that a parked run carries in the index of timers.
pub(crate) const WAIT_MILLISECONDS: i64 = 86_400_000;

/// Status 1 is running, 2 waiting, 3 ready to go on, 4 completed.
const SCHEMA: &str = "
CREATE TABLE run (
  id BLOB PRIMARY KEY, workflow TEXT NOT NULL, status INTEGER NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL,
  inbox INTEGER NOT NULL, priority INTEGER NOT NULL, wake_at INTEGER, created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL, input BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX run_timer ON run (wake_at) WHERE status = 2;
CREATE INDEX run_ready ON run (priority, updated_at) WHERE status = 3;
CREATE TABLE record (
  run BLOB NOT NULL, seq INTEGER NOT NULL, step TEXT NOT NULL, at INTEGER NOT NULL, payload BLOB NOT NULL,
  PRIMARY KEY (run, seq)
) WITHOUT ROWID;
CREATE TABLE correlation (key TEXT PRIMARY KEY, run BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE event (run BLOB NOT NULL, id BLOB NOT NULL, name TEXT NOT NULL, payload BLOB NOT NULL, PRIMARY KEY (run, id))
  WITHOUT ROWID;
";

/// The statements of the five transitions, prepared once.
struct Statements<'c> {
    start: Statement<'c>,
    advance: Statement<'c>,
    park: Statement<'c>,
    signal: Statement<'c>,
    finish: Statement<'c>,
    record: Statement<'c>,
    register: Statement<'c>,
    route: Statement<'c>,
    release: Statement<'c>,
    emit: Statement<'c>,
    consume: Statement<'c>,
}

impl<'c> Statements<'c> {
    fn prepare(c: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            start: c
                .prepare("INSERT INTO run VALUES (?1, 'three-steps-and-a-wait', 1, 1, 0, 0, 0, NULL, ?2, ?2, ?3)")?,
            advance: c.prepare("UPDATE run SET seq = 1, updated_at = ?2 WHERE id = ?1 AND epoch = 1 AND seq = 0")?,
            park: c.prepare(
                "UPDATE run SET seq = 2, status = 2, wake_at = ?3, updated_at = ?2
                 WHERE id = ?1 AND epoch = 1 AND seq = 1 AND inbox = 0",
            )?,
            signal: c.prepare(
                "UPDATE run SET inbox = inbox + 1, status = 3, wake_at = NULL, updated_at = ?2 WHERE id = ?1",
            )?,
            finish: c.prepare(
                "UPDATE run SET seq = 4, status = 4, epoch = 2, updated_at = ?2
                 WHERE id = ?1 AND epoch = 1 AND seq = 2 AND inbox = 1",
            )?,
            record: c.prepare("INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5)")?,
            register: c.prepare("INSERT INTO correlation VALUES (?1, ?2)")?,
            route: c.prepare("SELECT run FROM correlation WHERE key = ?1")?,
            release: c.prepare("DELETE FROM correlation WHERE key = ?1")?,
            emit: c.prepare("INSERT INTO event VALUES (?1, ?2, 'answered', ?3)")?,
            consume: c.prepare("DELETE FROM event WHERE run = ?1 AND id = ?2")?,
        })
    }
}

/// Where one run stands.
pub(crate) struct Flight {
    pub id: Uuid,
    pub key: String,
    pub event: Uuid,
    pub next: Transition,
}

impl Flight {
    /// A run that is about to start.
    pub(crate) fn new(keys: &mut Keys, since: Duration) -> Self {
        let (id, event) = (keys.key(since), keys.key(since));
        let key = format!("enrichment/{}", keys.key(since));
        Self {
            id,
            key,
            event,
            next: Transition::Start,
        }
    }

    /// After its transition: where it stands then, if it has not finished.
    pub(crate) fn moved(self) -> Option<Self> {
        let next = match self.next {
            Transition::Start => Transition::First,
            Transition::First => Transition::Park,
            Transition::Park => Transition::Event,
            Transition::Event => Transition::Finish,
            Transition::Finish => return None,
        };
        Some(Self { next, ..self })
    }
}

/// The five transitions, in order.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transition {
    Start,
    First,
    Park,
    Event,
    Finish,
}

/// Measures `runs` runs of five transitions each, `in_flight` of them under way at a time and `per_commit`
/// transitions sharing a durable commit; a run's next transition begins only after the commit of the one before.
/// `path` must not exist yet.
///
/// # Errors
/// [`FloorError`], also when the database does not hold exactly what these runs should leave behind.
pub fn run_floor(path: &Path, runs: usize, in_flight: usize, per_commit: usize) -> Result<Throughput, FloorError> {
    at_least_one("runs", runs)?;
    at_least_one("in_flight", in_flight)?;
    at_least_one("per_commit", per_commit)?;
    let database = Database::create(path, SCHEMA)?;
    let begun = monotonic();
    let commits = Load::new(&database, begun, runs, in_flight)?.drive(per_commit)?;
    let speed = Throughput {
        per_second: rate(runs, begun),
        commits,
        wal_pages: database.wal_pages(),
    };
    verify(&database, runs)?;
    database.close()?;
    Ok(speed)
}

/// The runs under way, and the statements that move them.
struct Load<'c> {
    database: &'c Database,
    statements: Statements<'c>,
    keys: Keys,
    payload: Vec<u8>,
    begun: Instant,
    flights: VecDeque<Flight>,
    to_start: usize,
}

impl<'c> Load<'c> {
    fn new(database: &'c Database, begun: Instant, runs: usize, in_flight: usize) -> Result<Self, FloorError> {
        let mut keys = Keys::new(0x00F1_0085);
        let mut load = Self {
            database,
            statements: Statements::prepare(database.connection())?,
            payload: keys.payload(PAYLOAD_BYTES),
            keys,
            begun,
            flights: VecDeque::with_capacity(in_flight),
            to_start: runs,
        };
        for _ in 0..in_flight.min(runs) {
            load.admit();
        }
        Ok(load)
    }

    /// Puts one more run under way, if there is one left.
    fn admit(&mut self) {
        if self.to_start == 0 {
            return;
        }
        self.to_start -= 1;
        let since = monotonic().duration_since(self.begun);
        let flight = Flight::new(&mut self.keys, since);
        self.flights.push_back(flight);
    }

    /// Commits group after group until every run has finished; answers how many commits that took.
    fn drive(mut self, per_commit: usize) -> Result<usize, FloorError> {
        let mut commits = 0;
        while !self.flights.is_empty() {
            let group: Vec<_> = self.flights.drain(..per_commit.min(self.flights.len())).collect();
            let transaction = self.database.connection().unchecked_transaction()?;
            for flight in &group {
                self.apply(flight)?;
            }
            transaction.commit()?;
            self.database.keep_log_short();
            commits += 1;
            self.acknowledge(group);
        }
        Ok(commits)
    }

    /// After the commit: each run goes on to its next transition, or makes room for a new run.
    fn acknowledge(&mut self, group: Vec<Flight>) {
        for flight in group {
            match flight.moved() {
                Some(flight) => self.flights.push_back(flight),
                None => self.admit(),
            }
        }
    }

    fn apply(&mut self, flight: &Flight) -> Result<(), FloorError> {
        let now = milliseconds(monotonic().duration_since(self.begun));
        let (id, statements) = (flight.id, &mut self.statements);
        match flight.next {
            Transition::Start => {
                statements.start.execute(params![id, now, self.payload])?;
            }
            Transition::First => {
                fenced("first step", statements.advance.execute(params![id, now])?)?;
                statements.record.execute(params![id, 1, "first", now, self.payload])?;
            }
            Transition::Park => {
                fenced(
                    "park",
                    statements.park.execute(params![id, now, now + WAIT_MILLISECONDS])?,
                )?;
                statements.record.execute(params![id, 2, "second", now, self.payload])?;
                statements.register.execute(params![flight.key, id])?;
            }
            Transition::Event => {
                let run: Uuid = statements.route.query_row(params![flight.key], |row| row.get(0))?;
                statements.emit.execute(params![run, flight.event, self.payload])?;
                fenced("event", statements.signal.execute(params![run, now])?)?;
            }
            Transition::Finish => {
                fenced("finish", statements.finish.execute(params![id, now])?)?;
                statements.record.execute(params![id, 3, "wait", now, self.payload])?;
                statements.record.execute(params![id, 4, "third", now, self.payload])?;
                fenced(
                    "event's consumption",
                    statements.consume.execute(params![id, flight.event])?,
                )?;
                fenced("key's release", statements.release.execute(params![flight.key])?)?;
            }
        }
        Ok(())
    }
}

/// Insists that a fenced statement changed its one row.
fn fenced(transition: &'static str, changed: usize) -> Result<(), FloorError> {
    if changed == 1 {
        Ok(())
    } else {
        Err(FloorError::Fenced { transition })
    }
}

/// Counts what `runs` runs must have left behind.
fn verify(database: &Database, runs: usize) -> Result<(), FloorError> {
    let counts = [
        (
            "completed runs",
            "SELECT count(*) FROM run WHERE status = 4 AND seq = 4 AND wake_at IS NULL",
            runs,
        ),
        (
            "records",
            "SELECT count(*) FROM record WHERE length(payload) = 200",
            runs * 4,
        ),
        ("open events", "SELECT count(*) FROM event", 0),
        ("held keys", "SELECT count(*) FROM correlation", 0),
    ];
    for (what, query, expected) in counts {
        let found = database.count(query)?;
        if found != expected {
            return Err(FloorError::Miscounted { what, expected, found });
        }
    }
    Ok(())
}
