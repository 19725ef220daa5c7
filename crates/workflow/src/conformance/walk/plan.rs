//! What the next step of a walk is: random, but mostly sensible, so that much is applied and
//! some is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::random::Random;
use crate::conformance::samples::{claim_with, failure, json, key, moment, record, worker};
use crate::conformance::snapshot::{Shown, Snapshot};
use crate::conformance::{Act, Stage};
use crate::error::StepError;
use crate::event::{NewEvent, Target};
use crate::history::{Phase, Record, What};
use crate::id::{DefinitionHash, Epoch, RunId, Seq};
use crate::store::{Advance, Change, Claim, Command, CommandKind, Ending, Lease, Member, NewRun, Next, RunStatus};

pub(super) const CELLS: [&str; 3] = ["c0", "c1", "c2"];
pub(super) const KEYS: [&str; 5] = ["k0", "k1", "k2", "k3", "k4"];
const WORKFLOWS: [&str; 2] = ["order", "mail"];

/// A walk does not grow beyond this, so that runs meet again and again.
const RUNS: usize = 40;

pub(super) struct Planner {
    pub random: Random,
    start: Timestamp,
    /// Makes durations and records unlike all others.
    drawn: u64,
    /// Ids of runs that events are sent to before they are started.
    unborn: Vec<RunId>,
}

/// A member that can be built for each of the stores.
pub(super) struct Planned {
    change: Change,
    /// How many of the first events in the inbox it consumes.
    consumes: usize,
    acts: Option<Vec<Act>>,
}

impl Planned {
    pub fn build(&self, stage: &Stage<'_>) -> Member {
        let mut change = self.change.clone();
        if let Change::Advance(advance) = &mut change
            && self.consumes > 0
        {
            let events = stage.inbox(Some(advance.lease.run)).events;
            advance.consumed = events.iter().take(self.consumes).map(|event| event.seq).collect();
        }
        Member {
            change,
            attach: self.acts.as_ref().map(|acts| stage.attach(acts.clone())),
        }
    }
}

impl Planner {
    pub fn new(seed: u64, start: Timestamp) -> Self {
        Self {
            random: Random::new(seed),
            start,
            drawn: 0,
            unborn: Vec::new(),
        }
    }

    fn number(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// At most so many seconds, and microseconds of its own.
    pub fn duration(&mut self, seconds: usize) -> Duration {
        Duration::from_secs(self.random.below(seconds) as u64) + Duration::from_micros(self.number())
    }

    /// A time around the present, at microseconds of its own.
    fn time(&mut self, stage: &Stage<'_>) -> Timestamp {
        let passed = stage.now().duration_since(self.start).as_secs();
        let around = passed - 5 + i64::try_from(self.random.below(30)).expect("a few seconds");
        let around = Duration::from_secs(u64::try_from(around).unwrap_or(0));
        self.start + around + Duration::from_micros(self.number())
    }

    pub fn group(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> Vec<Planned> {
        let (mut members, mut subjects) = (Vec::new(), BTreeSet::new());
        for _ in 0..=self.random.below(5) {
            let planned = self.member(shown, stage);
            let subject = Member::from(planned.change.clone()).subject();
            if subject.is_none_or(|run| subjects.insert(run)) {
                members.push(planned);
            }
        }
        members
    }

    fn member(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> Planned {
        let kind = self.random.below(100);
        let full = shown.runs.len() >= RUNS;
        let mut consumes = 0;
        let change = match kind {
            0..20 if !full => Change::Start(self.new_run(stage)),
            0..40 => Change::Emit(self.event(shown, stage, "e")),
            40..48 => self.command(shown, stage),
            48..54 => Change::Nothing {
                id: Uuid::from_u128(self.random.below(8) as u128),
            },
            _ => match self.advanced_run(shown) {
                Some(run) => {
                    consumes = self.random.below(run.inbox.events.len() + 1);
                    Change::Advance(self.advance(run, stage))
                }
                None => Change::Start(self.new_run(stage)),
            },
        };
        self.with_acts(change, consumes, shown, stage)
    }

    fn with_acts(&mut self, change: Change, consumes: usize, shown: &Snapshot, stage: &Stage<'_>) -> Planned {
        let attached = matches!(change, Change::Nothing { .. }) || self.random.one_in(4);
        let recordless = matches!(&change, Change::Advance(advance) if advance.records.is_empty());
        let acts = (attached && !recordless).then(|| self.acts(shown, stage));
        let mut change = change;
        if let (Change::Advance(advance), Some(_)) = (&mut change, &acts) {
            make_computed(advance);
        }
        Planned { change, consumes, acts }
    }

    fn acts(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> Vec<Act> {
        let count = 1 + self.random.below(3);
        (0..count).map(|_| self.act(shown, stage)).collect()
    }

    fn act(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> Act {
        let cell = CELLS[self.random.below(CELLS.len())];
        match self.random.below(14) {
            0..3 => Act::Put(cell, json(self.number())),
            3..6 => Act::Count(cell),
            6 if shown.runs.len() < RUNS => Act::Start(self.new_run(stage)),
            6..9 => Act::Emit(self.event(shown, stage, "a")),
            9..12 => Act::MakeDue(self.any_run(shown, stage)),
            _ => Act::Fail(StepError::fail("refused")),
        }
    }

    fn new_run(&mut self, stage: &Stage<'_>) -> NewRun {
        let (known, hash) = (self.random.below(3), self.random.below(3));
        let delayed = self.random.one_in(3);
        let born = self.random.one_in(2).then(|| self.unborn.pop()).flatten();
        NewRun {
            id: born.unwrap_or_else(|| stage.run_id()),
            workflow: WORKFLOWS[self.random.below(2)].to_owned(),
            hash: DefinitionHash(hash as u64 + 1),
            start_key: self.random.one_in(3).then(|| format!("s{}", self.random.below(6))),
            input: json(self.random.below(2) as u64),
            priority: [0, 0, -1, 2][self.random.below(4)],
            delay: if delayed { self.duration(30) } else { Duration::ZERO },
            known_since: moment(known as i64),
        }
    }

    fn event(&mut self, shown: &Snapshot, stage: &Stage<'_>, prefix: &str) -> NewEvent {
        let id = format!("{prefix}{}", self.random.below(12));
        let target = match self.random.below(10) {
            0..4 => Target::Key(key(KEYS[self.random.below(KEYS.len())])),
            4..9 => Target::Run(self.any_run(shown, stage)),
            _ => {
                self.unborn.push(stage.run_id());
                Target::Run(self.unborn[self.random.below(self.unborn.len())])
            }
        };
        NewEvent {
            kept_for: self.duration(200),
            ..NewEvent::new(id, target, "paid", json(self.number()))
        }
    }

    fn any_run(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> RunId {
        let run = self.random.pick(&shown.runs).map(|run| run.row.id);
        run.unwrap_or_else(|| stage.run_id())
    }

    fn command(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> Change {
        let of = |status| move |run: &&Shown| run.row.status == status;
        let blocked = shown.runs.iter().find(of(RunStatus::Blocked)).map(|run| run.row.id);
        let (what, by) = match self.random.one_in(3) {
            true => (CommandKind::Retry, "bob"),
            false => (CommandKind::Cancel, "ada"),
        };
        let run = match blocked.filter(|_| what == CommandKind::Retry) {
            Some(run) => run,
            None => self.any_run(shown, stage),
        };
        Change::Command(Command {
            run,
            what,
            by: by.to_owned(),
        })
    }

    /// Mostly one that is executed.
    fn advanced_run<'a>(&mut self, shown: &'a Snapshot) -> Option<&'a Shown> {
        let running: Vec<_> = shown
            .runs
            .iter()
            .filter(|run| run.row.status == RunStatus::Running)
            .collect();
        match self.random.one_in(12) {
            true => self.random.pick(&shown.runs),
            false => self.random.pick(&running).copied(),
        }
    }

    pub fn lease(&mut self, shown: &Snapshot) -> Option<Lease> {
        let row = &self.random.pick(&shown.runs)?.row;
        let epoch = if self.random.one_in(4) {
            row.epoch.0.saturating_sub(1)
        } else {
            row.epoch.0
        };
        Some(Lease {
            run: row.id,
            epoch: Epoch(epoch),
        })
    }

    /// Now and then something about it is wrong.
    fn advance(&mut self, run: &Shown, stage: &Stage<'_>) -> Advance {
        let row = &run.row;
        let off = |random: &mut Random| u64::from(random.one_in(20));
        let epoch = Epoch(row.epoch.0.saturating_sub(off(&mut self.random)));
        let lease = Lease { run: row.id, epoch };
        let seq = row.seq.0.saturating_sub(off(&mut self.random)) + off(&mut self.random);
        let next = self.next(run, stage);
        let held = row.status == RunStatus::Running;
        let records = self.random.below(3).max(usize::from(!held));
        let keys = if self.random.one_in(4) {
            1 + self.random.below(2)
        } else {
            0
        };
        let guarded = matches!(next, Next::Park { .. }) || self.random.one_in(3);
        Advance {
            lease,
            seq: Seq(seq),
            records: (0..records as u64)
                .map(|place| self.record(lease, seq + place + 1))
                .collect(),
            consumed: Vec::new(),
            keys: (0..keys).map(|_| key(KEYS[self.random.below(KEYS.len())])).collect(),
            guard: guarded.then_some(row.inbox + off(&mut self.random)),
            next,
        }
    }

    fn record(&mut self, lease: Lease, place: u64) -> Record {
        let what = match self.random.below(3) {
            0 => What::Abandoned,
            1 => What::AttemptStarted { attempt: 1 },
            _ => What::Completed {
                attempt: 1,
                payload: Some(json(place)),
            },
        };
        let started_at = moment(i64::try_from(self.number()).expect("a walk is short"));
        Record {
            started_at,
            worker: worker(2),
            ..record(lease, place, what)
        }
    }

    fn next(&mut self, run: &Shown, stage: &Stage<'_>) -> Next {
        let main = run.row.phase == Phase::Main;
        match self.random.below(100) {
            0..40 => Next::Running,
            40..66 => Next::Park {
                wake_at: self.random.one_in(2).then(|| self.time(stage)),
            },
            66..74 => Next::Release,
            74..80 if main => Next::Failing {
                cause: failure("first"),
            },
            80..84 if main => Next::Finish(Ending::Completed(json(7))),
            74..87 => Next::Finish(Ending::Failed(failure("last"))),
            87..91 => Next::Finish(Ending::Cancelled(failure("asked"))),
            _ => Next::Block {
                reason: "other code".to_owned(),
                hash: run.row.hash,
            },
        }
    }

    /// A worker of one of three builds; now and then it takes over what others have.
    pub fn claim(&mut self) -> Claim {
        let build = self.random.below(3);
        let hash = DefinitionHash(build as u64 + 1);
        let definitions = [("order", hash), ("mail", hash)];
        let known = 1 + self.random.below(2);
        Claim {
            lease: self.duration(20) + Duration::from_secs(1),
            worker: worker(1 + self.random.below(2) as u128),
            takeover: self.random.one_in(25),
            ..claim_with(&definitions[..known], build as i64)
        }
    }
}

/// Gives the attachment a record for its result.
fn make_computed(advance: &mut Advance) {
    if let Some(record) = advance.records.last_mut() {
        record.what = What::Completed {
            attempt: 1,
            payload: None,
        };
    }
}
