//! Runs, records, events and changes to put into a store.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::error::Failure;
use crate::event::{CorrelationKey, NewEvent, Target};
use crate::flow::Flow;
use crate::history::{Phase, Record, StepRef, What};
use crate::id::{DefinitionHash, RunId, Seq, WorkerId};
use crate::payload::Payload;
use crate::schedule::{Overlap, ScheduleSpec, Timing};
use crate::step::{StepKey, StepKind};
use crate::store::{
    Advance, Change, Claim, Command, CommandKind, Declaration, FlowCommand, FlowCommandKind, Lease, Member, NewRun,
    Next, ScheduleChange,
};

pub(super) const WORKFLOW: &str = "order";
pub(super) const HASH: DefinitionHash = DefinitionHash(0x0aaa);
pub(super) const OTHER_HASH: DefinitionHash = DefinitionHash(0x0bbb);
pub(super) const LEASE: Duration = Duration::from_secs(15);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// So many seconds after 2026-01-01T00:00:00Z.
pub(super) fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + seconds).expect("a second near the present")
}

pub(super) fn json(number: u64) -> Payload {
    Payload::from_stored(number.to_string())
}

pub(super) fn failure(message: &str) -> Failure {
    Failure {
        attempts: 3,
        code: Some(503),
        ..Failure::new(message)
    }
}

pub(super) fn key(text: &str) -> CorrelationKey {
    CorrelationKey::new("shop", text)
}

pub(super) fn worker(number: u128) -> WorkerId {
    WorkerId(Uuid::from_u128(number))
}

pub(super) fn event(id: &str, target: impl Into<Target>) -> NewEvent {
    NewEvent::new(id, target, "paid", Payload::from_stored(format!("\"{id}\"")))
}

/// A claim of everything by a worker of the sample workflow.
pub(super) fn claim() -> Claim {
    claim_with(&[(WORKFLOW, HASH)], 0)
}

/// A claim of everything by a worker with these definitions, built so many seconds after the samples' start.
pub(super) fn claim_with(definitions: &[(&str, DefinitionHash)], built: i64) -> Claim {
    Claim {
        worker: worker(1),
        lease: LEASE,
        limit: 1_000,
        definitions: definitions
            .iter()
            .map(|(name, hash)| ((*name).to_owned(), *hash))
            .collect(),
        flows: Arc::new([]),
        known_since: moment(built),
        takeover: false,
    }
}

/// A record that a step has completed with its place as the result.
pub(super) fn done(lease: Lease, place: u64) -> Record {
    record(
        lease,
        place,
        What::Completed {
            attempt: 1,
            payload: Some(json(place)),
        },
    )
}

/// A record that a step has completed with whatever the attachment computes.
pub(super) fn computed(lease: Lease, place: u64) -> Record {
    record(
        lease,
        place,
        What::Completed {
            attempt: 1,
            payload: None,
        },
    )
}

pub(super) fn record(lease: Lease, place: u64, what: What) -> Record {
    let ordinal = u32::try_from(place).expect("a test's history is short");
    let step = StepRef {
        ordinal,
        name: format!("step-{place}"),
        key: StepKey::Occurrence(1),
        kind: StepKind::Action,
    };
    Record {
        phase: Phase::Main,
        step: Some(step),
        what,
        started_at: moment(1),
        ended_at: moment(2),
        worker: worker(1),
        epoch: lease.epoch,
    }
}

/// A step forward without records that leaves the run running.
pub(super) fn bare(lease: Lease, seq: u64) -> Advance {
    Advance {
        lease,
        seq: Seq(seq),
        records: Vec::new(),
        consumed: Vec::new(),
        keys: Vec::new(),
        starts: Vec::new(),
        emits: Vec::new(),
        guard: None,
        next: Next::Running,
    }
}

/// A step forward with one record that leaves the run running.
pub(super) fn step(lease: Lease, seq: u64) -> Advance {
    Advance {
        records: vec![done(lease, seq + 1)],
        ..bare(lease, seq)
    }
}

/// Parks a run that nothing was recorded of; something must come in before it goes on.
pub(super) fn park(lease: Lease) -> Advance {
    Advance {
        next: Next::Park { wake_at: None },
        ..bare(lease, 0)
    }
}

pub(super) fn block(lease: Lease, seq: u64, hash: DefinitionHash) -> Advance {
    Advance {
        next: Next::Block {
            reason: "place 1 is another step".to_owned(),
            hash,
        },
        ..bare(lease, seq)
    }
}

/// A spec that ticks every period.
pub(super) fn every(period: Duration) -> ScheduleSpec {
    ScheduleSpec {
        timing: Timing::Every { period },
        start: None,
        end: None,
        overlap: Overlap::Skip,
        catch_up: HOUR,
        priority: 0,
    }
}

pub(super) fn nothing(id: u128) -> Change {
    Change::Nothing {
        id: Uuid::from_u128(id),
    }
}

pub(super) fn cancel(run: RunId) -> Change {
    Change::Command(Command {
        run,
        what: CommandKind::Cancel,
        by: "ada".to_owned(),
    })
}

pub(super) fn resume(run: RunId) -> Change {
    Change::Command(Command {
        run,
        what: CommandKind::Resume,
        by: "ada".to_owned(),
    })
}

pub(super) fn steer(what: FlowCommandKind, by: &str) -> Change {
    Change::Flow(FlowCommand {
        workflow: WORKFLOW.to_owned(),
        what,
        by: by.to_owned(),
    })
}

/// A claim of everything under limits for the sample workflow.
pub(super) fn claim_under(flow: Flow) -> Claim {
    let limits = flow.read().expect("a test's limits are sound");
    Claim {
        flows: Arc::new([(WORKFLOW.to_owned(), limits)]),
        ..claim()
    }
}

/// Declares a schedule of the sample workflow that ticks every minute, and next at this time.
pub(super) fn declare(name: &str, next_at: Timestamp) -> Declaration {
    Declaration {
        name: name.to_owned(),
        workflow: WORKFLOW.to_owned(),
        spec: every(60 * SECOND),
        input: json(7),
        next_at: Some(next_at),
    }
}

/// What can be a member of a group.
pub(super) trait ToMember {
    fn member(self) -> Member;
}

impl ToMember for Member {
    fn member(self) -> Member {
        self
    }
}

impl ToMember for Change {
    fn member(self) -> Member {
        self.into()
    }
}

impl ToMember for Advance {
    fn member(self) -> Member {
        Change::Advance(self).into()
    }
}

impl ToMember for NewEvent {
    fn member(self) -> Member {
        Change::Emit(self).into()
    }
}

impl ToMember for ScheduleChange {
    fn member(self) -> Member {
        Change::Schedule(self).into()
    }
}

impl ToMember for NewRun {
    fn member(self) -> Member {
        Change::Start(self).into()
    }
}
