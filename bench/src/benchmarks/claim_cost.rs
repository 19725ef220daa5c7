//! What a claim costs with much that is not for it: runs that wait, runs that are held, runs for other code.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use lumina_workflow::store::{Advance, Attachment, Change, Claim, Claimed, Ending, Member, NewRun, Next, Store};
use lumina_workflow::{DefinitionHash, FlowLimits, Payload, RunId, Seq, WorkerId};
use lumina_workflow_sqlite::{Options, SqliteStore, attach};
use uuid::Uuid;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, percentile, stopwatch};
use crate::registry::Benchmark;

/// The median time of a claim of 50 runs, each held against that of an empty database.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/sqlite/claim_ms",
    about: "a claim of 50 ready runs, with up to 1,000,000 others that wait, are held, or are for other code",
    run,
};

const WORKFLOW: &str = "bench";
const HASH: DefinitionHash = DefinitionHash(1);
const OTHER_HASH: DefinitionHash = DefinitionHash(2);
const CLAIMED: usize = 50;
const SAMPLES: usize = 200;

/// What else there is.
#[derive(Clone, Copy)]
pub(super) enum Others {
    /// Parked until a timer, far away.
    Waiting(u64),
    /// Ready, in front, and of one key that has no place.
    Held(u64),
    /// Ready, in front, and for code that nobody here has.
    Foreign(u64),
}

const CASES: [(&str, Others); 5] = [
    ("workflow/sqlite/claim_ms", Others::Waiting(0)),
    ("workflow/sqlite/claim_ms_10k_waiting", Others::Waiting(10_000)),
    ("workflow/sqlite/claim_ms_1m_waiting", Others::Waiting(1_000_000)),
    ("workflow/sqlite/claim_ms_100k_foreign", Others::Foreign(100_000)),
    ("workflow/sqlite/claim_ms_limited", Others::Held(0)),
];

const HELD: (&str, Others) = ("workflow/sqlite/claim_ms_100k_held", Others::Held(100_000));

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut measured = |name, others, floor: Option<f64>| -> Result<f64> {
        let median = bench.with_database("claim", |path| on_runtime(measure(path, others)))?;
        let figure = Figure::alone(name, median, "ms");
        figures.push(floor.map_or(figure.clone(), |floor| figure.against(floor)));
        Ok(median)
    };
    let [(name, others), rest @ ..] = CASES;
    let empty = measured(name, others, None)?;
    let mut last = empty;
    for (name, others) in rest {
        last = measured(name, others, Some(empty))?;
    }
    // With limits each claim counts; what is held is compared with the same without anything held.
    measured(HELD.0, HELD.1, Some(last))?;
    Ok(figures)
}

async fn measure(path: &Path, others: Others) -> Result<f64> {
    let store = SqliteStore::open(Options::new(path))?;
    let mut claims = Claims::new(&store, others).await?;
    claims.make_others(others, write(others)?).await?;
    let median = claims.median().await?;
    store.close().await?;
    Ok(median)
}

impl Others {
    /// How many; the place in the queue and the timer of the n-th; the code; the flow key.
    pub(super) fn columns(self) -> (u64, &'static str, DefinitionHash, Option<&'static str>) {
        match self {
            Self::Waiting(count) => (count, "NULL, 4102444800000000", HASH, None),
            Self::Held(count) => (count, "n, NULL", HASH, Some("a")),
            Self::Foreign(count) => (count, "n, NULL", OTHER_HASH, None),
        }
    }
}

fn write(others: Others) -> Result<Attachment> {
    let (count, columns, hash, key) = others.columns();
    let sql = format!(
        "INSERT INTO workflow_run (id, epoch, seq, inbox, status, phase, priority, ready_rank, wake_at, hash, \
         known_since, answered, any_hash, created_at, updated_at, workflow, input, flow_key) \
         WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ?1) \
         SELECT unhex(printf('%032x', n)), 0, 0, 0, iif(?3 IS NULL, 'waiting', 'pending'), 'main', 0, {columns}, ?2, \
         9223372036854775807, 0, 0, 0, 0, 'bench', 'null', ?3 FROM number WHERE ?1 > 0"
    );
    let hash = i64::try_from(hash.0)?;
    Ok(attach(move |tx| {
        let made = tx
            .connection()
            .execute(&sql, (i64::try_from(count).unwrap_or(0), hash, key))?;
        assert_eq!(made as u64, count, "all others are there");
        Ok(Payload::null())
    }))
}

/// Claims of runs that are ready, on any store.
pub(super) struct Claims<'s> {
    store: &'s dyn Store,
    claim: Claim,
    drawn: u128,
}

impl<'s> Claims<'s> {
    pub(super) async fn new(store: &'s dyn Store, others: Others) -> Result<Self> {
        let limits = match others {
            Others::Held(_) => FlowLimits {
                in_flight_per_key: Some(1),
                ..FlowLimits::default()
            },
            Others::Waiting(_) | Others::Foreign(_) => FlowLimits::default(),
        };
        let limited = limits != FlowLimits::default();
        let flows = limited.then(|| (WORKFLOW.to_owned(), limits));
        let claim = Claim {
            worker: WorkerId(Uuid::from_u128(1)),
            lease: Duration::from_secs(3_600),
            limit: CLAIMED,
            definitions: Arc::new([(WORKFLOW.to_owned(), HASH)]),
            flows: flows.into_iter().collect(),
            known_since: store.now().await?,
            takeover: false,
        };
        // Behind those that the statement for the others numbers.
        let drawn = 1 << 64;
        Ok(Self { store, claim, drawn })
    }

    /// Puts the others there, which this attachment writes.
    pub(super) async fn make_others(&mut self, others: Others, write: Attachment) -> Result<()> {
        let change = Change::Nothing { id: Uuid::from_u128(7) };
        self.commit(vec![Member {
            change,
            attach: Some(write),
        }])
        .await?;
        self.settle(others).await
    }

    /// The median of all samples, in milliseconds.
    pub(super) async fn median(&mut self) -> Result<f64> {
        let mut times = Vec::new();
        for _ in 0..SAMPLES {
            times.push(self.sample().await?);
        }
        Ok(percentile(&mut times, 50).as_secs_f64() * 1000.0)
    }

    /// Claims until all that has no place is held: one run of the key has.
    async fn settle(&mut self, others: Others) -> Result<()> {
        let (Others::Held(count) | Others::Foreign(count) | Others::Waiting(count)) = others;
        for _ in 0..count / 1_000 + 2 {
            self.store.claim(self.claim.clone()).await?;
        }
        Ok(())
    }

    async fn commit(&self, members: Vec<Member>) -> Result<()> {
        for answer in self.store.commit(members.into()).await? {
            answer?;
        }
        Ok(())
    }

    /// The time that a claim of new runs takes; then they end.
    async fn sample(&mut self) -> Result<Duration> {
        let starts = (0..CLAIMED).map(|_| self.new_run().into()).collect();
        self.commit(starts).await?;
        let watch = stopwatch();
        let claimed = self.store.claim(self.claim.clone()).await?;
        let time = watch();
        ensure!(claimed.len() == CLAIMED, "{} runs were claimed", claimed.len());
        self.commit(claimed.iter().map(|claimed| end(claimed).into()).collect())
            .await?;
        Ok(time)
    }

    fn new_run(&mut self) -> Change {
        self.drawn += 1;
        Change::Start(NewRun {
            id: RunId(Uuid::from_u128(self.drawn)),
            workflow: WORKFLOW.to_owned(),
            hash: HASH,
            start_key: None,
            input: Payload::null(),
            priority: 0,
            delay: Duration::ZERO,
            known_since: self.claim.known_since,
            parent: None,
            flow_key: None,
        })
    }
}

fn end(claimed: &Claimed) -> Change {
    Change::Advance(Advance {
        lease: claimed.lease,
        seq: Seq(0),
        records: Vec::new(),
        consumed: Vec::new(),
        keys: Vec::new(),
        starts: Vec::new(),
        emits: Vec::new(),
        guard: None,
        next: Next::Finish(Ending::Completed(Payload::null())),
    })
}
