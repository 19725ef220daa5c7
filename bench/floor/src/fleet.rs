//! The floor of a run on PostgreSQL: the same five transitions, of many runs in one statement.
//!
//! Each group is one statement, so one round trip and one flush, and all of it is about runs that stand at the same
//! place. Nothing is looked at before it is changed: who it is about is known.

use std::collections::VecDeque;
use std::time::Instant;

use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use crate::error::at_least_one;
use crate::key::{Keys, milliseconds};
use crate::run::{Flight, PAYLOAD_BYTES, Transition, WAIT_MILLISECONDS};
use crate::{FloorError, Throughput, monotonic, rate};

/// The schema that a measurement makes, and removes again.
const SCHEMA: &str = "
DROP SCHEMA IF EXISTS floor CASCADE;
CREATE SCHEMA floor;
CREATE TABLE floor.run (
  id uuid PRIMARY KEY, workflow text NOT NULL, status int NOT NULL, epoch bigint NOT NULL, seq bigint NOT NULL,
  inbox bigint NOT NULL, priority bigint NOT NULL, wake_at bigint, created_at bigint NOT NULL,
  updated_at bigint NOT NULL, input bytea NOT NULL
) WITH (fillfactor = 85);
CREATE INDEX run_timer ON floor.run (wake_at) WHERE status = 2;
CREATE INDEX run_ready ON floor.run (priority, updated_at) WHERE status = 3;
CREATE TABLE floor.record (
  run uuid NOT NULL, seq bigint NOT NULL, step text NOT NULL, at bigint NOT NULL, payload bytea NOT NULL,
  PRIMARY KEY (run, seq)
);
CREATE TABLE floor.correlation (key text COLLATE \"C\" PRIMARY KEY, run uuid NOT NULL);
CREATE TABLE floor.event (
  run uuid NOT NULL, id uuid NOT NULL, name text NOT NULL, payload bytea NOT NULL, PRIMARY KEY (run, id)
);
";

/// Every statement goes by its indices, from the first run on, when the tables say nothing yet of how large they will be.
const PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off; \
     SET enable_mergejoin = off; SET jit = off";

const START: &str = "INSERT INTO floor.run SELECT t.id, 'three-steps-and-a-wait', 1, 1, 0, 0, 0, NULL, $2, $2, $3 \
     FROM unnest($1::uuid[]) AS t(id)";

const FIRST: &str = "WITH moved AS (UPDATE floor.run AS r SET seq = 1, updated_at = $2 FROM unnest($1::uuid[]) AS t(id) \
     WHERE r.id = t.id AND r.epoch = 1 AND r.seq = 0 RETURNING r.id) \
     INSERT INTO floor.record SELECT id, 1, 'first', $2, $3 FROM moved";

const PARK: &str = "WITH moved AS (UPDATE floor.run AS r SET seq = 2, status = 2, wake_at = $4, updated_at = $2 \
     FROM unnest($1::uuid[], $5::text[]) AS t(id, key) \
     WHERE r.id = t.id AND r.epoch = 1 AND r.seq = 1 AND r.inbox = 0 RETURNING r.id, t.key), \
     kept AS (INSERT INTO floor.record SELECT id, 2, 'second', $2, $3 FROM moved) \
     INSERT INTO floor.correlation SELECT key, id FROM moved";

const EVENT: &str = "WITH routed AS (SELECT c.run, t.event FROM unnest($4::text[], $1::uuid[]) AS t(key, event) \
     JOIN floor.correlation AS c ON c.key = t.key), \
     put AS (INSERT INTO floor.event SELECT run, event, 'answered', $3 FROM routed) \
     UPDATE floor.run AS r SET inbox = r.inbox + 1, status = 3, wake_at = NULL, updated_at = $2 FROM routed \
     WHERE r.id = routed.run";

const FINISH: &str = "WITH moved AS (UPDATE floor.run AS r SET seq = 4, status = 4, epoch = 2, updated_at = $2 \
     FROM unnest($1::uuid[], $4::uuid[], $5::text[]) AS t(id, event, key) \
     WHERE r.id = t.id AND r.epoch = 1 AND r.seq = 2 AND r.inbox = 1 RETURNING r.id, t.event, t.key), \
     used AS (DELETE FROM floor.event AS e USING moved AS m WHERE e.run = m.id AND e.id = m.event), \
     freed AS (DELETE FROM floor.correlation AS c USING moved AS m WHERE c.key = m.key) \
     INSERT INTO floor.record SELECT id, s.seq, s.step, $2, $3 FROM moved \
     CROSS JOIN (VALUES (3::bigint, 'wait'), (4, 'third')) AS s(seq, step)";

/// Measures `runs` runs of five transitions each on the database at this address, `in_flight` of them under way at a
/// time and up to `per_statement` moved by one statement, which is one durable commit.
///
/// # Errors
/// [`FloorError`], also when the database does not hold exactly what these runs should leave behind.
pub fn fleet_floor(
    address: &str,
    runs: usize,
    in_flight: usize,
    per_statement: usize,
) -> Result<Throughput, FloorError> {
    at_least_one("runs", runs)?;
    at_least_one("in_flight", in_flight)?;
    at_least_one("per_statement", per_statement)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime?.block_on(measure(address, runs, in_flight, per_statement))
}

async fn measure(address: &str, runs: usize, in_flight: usize, per_statement: usize) -> Result<Throughput, FloorError> {
    let (client, connection) = tokio_postgres::connect(address, NoTls).await?;
    let line = async { connection.await.map_err(FloorError::from) };
    let work = async move {
        client.batch_execute(SCHEMA).await?;
        client.batch_execute(PLANS).await?;
        let begun = monotonic();
        let mut load = Load::new(&client, begun, runs).await?;
        (0..in_flight.min(runs)).for_each(|_| load.admit());
        let commits = load.drive(per_statement).await?;
        let speed = Throughput {
            per_second: rate(runs, begun),
            commits,
            wal_pages: 0,
        };
        verify(&client, runs).await?;
        client.batch_execute("DROP SCHEMA floor CASCADE").await?;
        Ok(speed)
    };
    let (speed, carried) = futures(work, line).await;
    carried.and(speed)
}

/// Both to their ends, the work first: the line ends when nobody holds it any more.
async fn futures<T>(
    work: impl Future<Output = Result<T, FloorError>>,
    line: impl Future<Output = Result<(), FloorError>>,
) -> (Result<T, FloorError>, Result<(), FloorError>) {
    let (speed, carried) = tokio::join!(work, line);
    match speed {
        // What the work says of a line that broke says less.
        Err(error) => (Err(error), Ok(())),
        speed => (speed, carried),
    }
}

/// The runs under way, and the statements that move them.
struct Load<'c> {
    client: &'c Client,
    statements: [Statement; 5],
    keys: Keys,
    payload: Vec<u8>,
    begun: Instant,
    flights: VecDeque<Flight>,
    to_start: usize,
}

impl<'c> Load<'c> {
    async fn new(client: &'c Client, begun: Instant, runs: usize) -> Result<Self, FloorError> {
        let mut keys = Keys::new(0x00F1_0085);
        Ok(Self {
            client,
            statements: [
                client.prepare(START).await?,
                client.prepare(FIRST).await?,
                client.prepare(PARK).await?,
                client.prepare(EVENT).await?,
                client.prepare(FINISH).await?,
            ],
            payload: keys.payload(PAYLOAD_BYTES),
            keys,
            begun,
            flights: VecDeque::new(),
            to_start: runs,
        })
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

    /// One statement after the other until every run has finished; answers how many it were.
    async fn drive(mut self, per_statement: usize) -> Result<usize, FloorError> {
        let mut commits = 0;
        while let Some(first) = self.flights.front() {
            let next = first.next;
            let together = self.flights.iter().take(per_statement);
            let count = together.take_while(|flight| flight.next == next).count();
            let group: Vec<_> = self.flights.drain(..count).collect();
            self.apply(next, &group).await?;
            commits += 1;
            for flight in group {
                match flight.moved() {
                    Some(flight) => self.flights.push_back(flight),
                    None => self.admit(),
                }
            }
        }
        Ok(commits)
    }

    async fn apply(&self, next: Transition, group: &[Flight]) -> Result<(), FloorError> {
        let now = milliseconds(monotonic().duration_since(self.begun));
        let ids: Vec<Uuid> = group.iter().map(|flight| flight.id).collect();
        let events: Vec<Uuid> = group.iter().map(|flight| flight.event).collect();
        let keys: Vec<&str> = group.iter().map(|flight| flight.key.as_str()).collect();
        let (payload, wake_at) = (&self.payload, now + WAIT_MILLISECONDS);
        let (place, rows, name): (usize, usize, _) = match next {
            Transition::Start => (0, 1, "start"),
            Transition::First => (1, 1, "first step"),
            Transition::Park => (2, 1, "park"),
            Transition::Event => (3, 1, "event"),
            Transition::Finish => (4, 2, "finish"),
        };
        let params: &[&(dyn ToSql + Sync)] = match next {
            Transition::Start | Transition::First => &[&ids, &now, payload],
            Transition::Park => &[&ids, &now, payload, &wake_at, &keys],
            Transition::Event => &[&events, &now, payload, &keys],
            Transition::Finish => &[&ids, &now, payload, &events, &keys],
        };
        let changed = self.client.execute(&self.statements[place], params).await?;
        match changed == (group.len() * rows) as u64 {
            true => Ok(()),
            false => Err(FloorError::Fenced { transition: name }),
        }
    }
}

/// Counts what `runs` runs must have left behind.
async fn verify(client: &Client, runs: usize) -> Result<(), FloorError> {
    let counts = [
        (
            "completed runs",
            "SELECT count(*) FROM floor.run WHERE status = 4 AND seq = 4 AND wake_at IS NULL",
            runs,
        ),
        (
            "records",
            "SELECT count(*) FROM floor.record WHERE length(payload) = 200",
            runs * 4,
        ),
        ("open events", "SELECT count(*) FROM floor.event", 0),
        ("held keys", "SELECT count(*) FROM floor.correlation", 0),
    ];
    for (what, query, expected) in counts {
        let found: i64 = client.query_one(query, &[]).await?.get(0);
        let found = usize::try_from(found).unwrap_or(usize::MAX);
        if found != expected {
            return Err(FloorError::Miscounted { what, expected, found });
        }
    }
    Ok(())
}
