//! What the next step of a walk is: random, but mostly sensible, so that much is applied and
//! some is refused.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::random::Random;
use crate::conformance::samples::{claim_with, every, failure, json, key, moment, record, worker};
use crate::conformance::snapshot::{Shown, Snapshot};
use crate::conformance::{Act, Stage};
use crate::error::StepError;
use crate::event::{NewEvent, Target};
use crate::history::{Phase, Record, What};
use crate::id::{DefinitionHash, Epoch, RunId, Seq};
use crate::schedule::{tick_key, trigger_key};
use crate::store::{
    Advance, Change, Claim, Command, CommandKind, Declaration, Ending, FlowCommand, FlowCommandKind, Lease, Member,
    NewRun, Next, Purge, RunStatus, ScheduleChange, ScheduleRow, Tick, UnroutedCommand,
};

pub(super) const CELLS: [&str; 3] = ["c0", "c1", "c2"];
pub(super) const KEYS: [&str; 5] = ["k0", "k1", "k2", "k3", "k4"];
const WORKFLOWS: [&str; 2] = ["order", "mail"];

/// A walk does not grow beyond this, so that runs meet again and again.
const RUNS: usize = 40;

/// Whether workflows have limits, and runs flow keys. Then each group has one member, so that
/// it is known who became ready first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limited {
    No,
    /// Each claimer has limits of its own.
    Variously,
    /// All have the same.
    Equally,
}

pub(super) struct Planner {
    pub random: Random,
    pub limited: Limited,
    start: Timestamp,
    /// Makes durations and records unlike all others.
    drawn: u64,
    /// Ids of runs that events are sent to before they are started.
    unborn: Vec<RunId>,
}

/// A member that can be built for each of the stores.
pub(super) struct Planned {
    change: Change,
    /// How many of the first events in the inbox it consumes; or which of the unrouted events it is about.
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
        if let Change::Unrouted(command) = &mut change {
            let events = stage.inbox(None).events;
            command.seq = events.get(self.consumes).map_or(0, |event| event.seq);
        }
        Member {
            change,
            attach: self.acts.as_ref().map(|acts| stage.attach(acts.clone())),
        }
    }
}

impl Planner {
    pub fn new(seed: u64, start: Timestamp, limited: Limited) -> Self {
        Self {
            random: Random::new(seed),
            limited,
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
        let more = if self.limited == Limited::No {
            self.random.below(5)
        } else {
            0
        };
        for _ in 0..=more {
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
            40..43 if self.limited != Limited::No => Change::Flow(self.flow_command()),
            40..50 => self.command(shown, stage),
            50..53 => {
                consumes = self.random.below(shown.unrouted.events.len() + 1);
                Change::Unrouted(self.unrouted(shown, stage))
            }
            53..62 => Change::Schedule(self.schedule(shown, stage)),
            62..66 => Change::Nothing {
                id: Uuid::from_u128(self.random.below(8) as u128),
            },
            _ => match self.advanced_run(shown) {
                Some(run) => {
                    consumes = self.random.below(run.inbox.events.len() + 1);
                    Change::Advance(self.advance(run, shown, stage))
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
            flow_key: self.flow_key(),
            delay: if delayed { self.duration(30) } else { Duration::ZERO },
            known_since: moment(known as i64),
            parent: self.random.pick(&self.unborn.clone()).copied(),
        }
    }

    fn flow_key(&mut self) -> Option<String> {
        if self.limited == Limited::No {
            return None;
        }
        let keys = [None, Some("a"), Some("a"), Some("b"), Some("c")];
        keys[self.random.below(keys.len())].map(str::to_owned)
    }

    /// Mostly a workflow is resumed soon.
    fn flow_command(&mut self) -> FlowCommand {
        let what = match self.random.below(3) {
            0 => FlowCommandKind::Pause,
            _ => FlowCommandKind::Resume,
        };
        FlowCommand {
            workflow: WORKFLOWS[self.random.below(2)].to_owned(),
            what,
            by: ["ada", "bob"][self.random.below(2)].to_owned(),
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
        let (what, by, fitting): (_, _, &[RunStatus]) = match self.random.below(10) {
            0..3 => (CommandKind::Cancel, "ada", &[]),
            3..5 => (CommandKind::Pause, "bob", &[RunStatus::Waiting, RunStatus::Pending]),
            5..8 => (CommandKind::Resume, "cid", &[RunStatus::Paused, RunStatus::Blocked]),
            _ => return self.rewind(shown, stage),
        };
        let fitting = |run: &&Shown| fitting.contains(&run.row.status);
        let fitting: Vec<&Shown> = shown.runs.iter().filter(fitting).collect();
        let run = match self.random.one_in(5) {
            false => self.random.pick(&fitting).map(|run| run.row.id),
            true => None,
        };
        let run = run.unwrap_or_else(|| self.any_run(shown, stage));
        let by = by.to_owned();
        Change::Command(Command { run, what, by })
    }

    /// Mostly of one that has ended.
    fn rewind(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> Change {
        let ended: Vec<&Shown> = shown.runs.iter().filter(|run| run.row.status.is_end()).collect();
        let run = match self.random.one_in(4) {
            false => self.random.pick(&ended).copied(),
            true => self.random.pick(&shown.runs),
        };
        let seq = run.map_or(0, |run| run.row.seq.0);
        let what = CommandKind::Rewind {
            step: 1 + u32::try_from(self.random.below(3)).expect("a small number"),
            at: Seq(1 + self.random.below(3) as u64),
            seq: Seq(seq.saturating_sub(u64::from(self.random.one_in(20)))),
        };
        let run = run.map_or_else(|| stage.run_id(), |run| run.row.id);
        let by = "dan".to_owned();
        Change::Command(Command { run, what, by })
    }

    fn unrouted(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> UnroutedCommand {
        UnroutedCommand {
            seq: 0,
            to: match self.random.one_in(3) {
                true => None,
                false => Some(self.any_run(shown, stage)),
            },
            by: "eve".to_owned(),
        }
    }

    /// Mostly about a row as it is; now and then as it was.
    fn schedule(&mut self, shown: &Snapshot, stage: &Stage<'_>) -> ScheduleChange {
        let by = "ada".to_owned();
        let Some(row) = self.random.pick(&shown.schedules).filter(|_| !self.random.one_in(5)) else {
            return ScheduleChange::Declare(self.declaration(stage));
        };
        let (name, revision) = (row.name.clone(), row.revision - u64::from(self.random.one_in(10)));
        let next_at = (!self.random.one_in(6)).then(|| self.time(stage));
        match self.random.below(10) {
            0 => ScheduleChange::Remove { name },
            1 | 2 => ScheduleChange::Pause { name, by },
            3 | 4 => ScheduleChange::Resume {
                name,
                by,
                revision,
                next_at,
            },
            5 => ScheduleChange::Trigger {
                run: self.scheduled_run(row, None, stage),
                name,
                by,
            },
            _ => {
                let count = if shown.runs.len() < RUNS {
                    self.random.below(3)
                } else {
                    0
                };
                let starts = (0..count).map(|_| {
                    let tick = moment(self.random.below(10) as i64);
                    (tick, self.scheduled_run(row, Some(tick), stage))
                });
                ScheduleChange::Tick(Tick {
                    starts: starts.collect(),
                    skipped: self.random.below(3) as u64,
                    missed: self.random.below(3) as u64,
                    name,
                    revision,
                    next_at,
                })
            }
        }
    }

    fn declaration(&mut self, stage: &Stage<'_>) -> Declaration {
        let period = Duration::from_secs(1 + self.random.below(2) as u64);
        Declaration {
            name: ["beat", "bell", "bell2"][self.random.below(3)].to_owned(),
            workflow: WORKFLOWS[self.random.below(2)].to_owned(),
            spec: every(period),
            input: json(self.random.below(2) as u64),
            next_at: Some(self.time(stage)),
        }
    }

    fn scheduled_run(&mut self, row: &ScheduleRow, tick: Option<Timestamp>, stage: &Stage<'_>) -> NewRun {
        let run = self.new_run(stage);
        let other = self.random.one_in(8);
        NewRun {
            workflow: if other { "mail".to_owned() } else { row.workflow.clone() },
            start_key: Some(tick.map_or_else(|| trigger_key(&row.name, run.id), |tick| tick_key(&row.name, tick))),
            ..run
        }
    }

    /// Mostly runs of all workflows.
    pub fn purge(&mut self, before: Timestamp) -> Purge {
        let one = self
            .random
            .one_in(3)
            .then(|| WORKFLOWS[self.random.below(2)].to_owned());
        Purge {
            before,
            workflow: one,
            limit: 1_000,
        }
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

    fn sometimes<T>(&mut self, shown: &Snapshot, make: impl FnOnce(&mut Self) -> T) -> Vec<T> {
        match shown.runs.len() < RUNS && self.random.one_in(6) {
            true => vec![make(self)],
            false => Vec::new(),
        }
    }

    /// Now and then something about it is wrong.
    fn advance(&mut self, run: &Shown, shown: &Snapshot, stage: &Stage<'_>) -> Advance {
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
            starts: self.sometimes(shown, |planner| planner.new_run(stage)),
            emits: self.sometimes(shown, |planner| planner.event(shown, stage, "s")),
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
            66..70 => Next::Release,
            70..74 => Next::Pause { by: "fay".to_owned() },
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
