//! A random walk over two stores at once.
//!
//! Ties are avoided, since the contract leaves their order open: the clock moves by whole
//! seconds, and every duration ends in microseconds of its own.

use std::sync::Arc;
use std::time::Duration;

use super::memory::MemoryBackend;
use super::snapshot::Snapshot;
use super::stage::same;
use super::{Backend, Stage};
use crate::id::{RunId, WorkerId};
use crate::store::{Claimed, Lease, Member, RunStatus};

mod check;
mod plan;
mod random;

use plan::{CELLS, Planner};

/// Applies `steps` random steps to a new store and to the reference model, and compares all
/// answers and all that is visible after each. The same seed gives the same steps.
///
/// # Panics
/// When the store differs from the model, or breaks an invariant; the message has seed and step.
pub fn walk(stage: &Stage<'_>, seed: u64, steps: usize) {
    let backend = MemoryBackend::starting_at(stage.now());
    let mut walk = Walk {
        subject: stage,
        model: Stage::new(&backend),
        backend: &backend,
        planner: Planner::new(seed, stage.now()),
        applied: Vec::new(),
        shown: stage.snapshot(),
        place: String::new(),
    };
    for step in 0..steps {
        walk.take_step(seed, step);
    }
}

struct Walk<'a> {
    subject: &'a Stage<'a>,
    model: Stage<'a>,
    backend: &'a MemoryBackend,
    planner: Planner,
    /// Groups as they were given to both stores, to be repeated.
    applied: Vec<Both<Arc<[Member]>>>,
    shown: Snapshot,
    place: String,
}

/// Something for the store under test, and the same for the model.
struct Both<T> {
    subject: T,
    model: T,
}

impl Walk<'_> {
    fn take_step(&mut self, seed: u64, step: usize) {
        let choice = self.planner.random.below(100);
        let (name, act): (_, fn(&mut Self)) = match choice {
            0..50 => ("a group", Self::apply_group),
            50..58 => ("a group again", Self::apply_again),
            58..84 => ("a claim", Self::claim),
            84..88 => ("a renewal", Self::renew),
            88..98 => ("time", Self::pass_time),
            _ => ("a purge", Self::purge),
        };
        self.place = format!("walk {seed}, step {step}, {name}");
        act(self);
        self.compare();
    }

    fn agree<T: PartialEq + std::fmt::Debug>(&self, what: &str, subject: T, model: T) {
        same(
            &format!("{}: {what} is the reference model's", self.place),
            subject,
            model,
        );
    }

    fn apply_group(&mut self) {
        let planned = self.planner.group(&self.shown, self.subject);
        let build = |stage: &Stage<'_>| planned.iter().map(|plan| plan.build(stage)).collect();
        let group: Both<Arc<[Member]>> = Both {
            subject: build(self.subject),
            model: build(&self.model),
        };
        self.apply(&group);
        self.applied.push(group);
    }

    /// Mostly the last group, as after a commit whose outcome is unknown; sometimes an older one.
    fn apply_again(&mut self) {
        let back = if self.planner.random.one_in(3) {
            self.planner.random.below(5)
        } else {
            0
        };
        let Some(place) = self.applied.len().checked_sub(back + 1) else {
            return;
        };
        let group = self.applied.remove(place);
        self.apply(&group);
        self.applied.insert(place, group);
    }

    fn apply(&mut self, group: &Both<Arc<[Member]>>) {
        let changes: Vec<_> = group.subject.iter().map(|member| &member.change).collect();
        self.place = format!("{} of {changes:?}", self.place);
        let (subject, model) = (
            self.subject.group(group.subject.clone()),
            self.model.group(group.model.clone()),
        );
        self.agree("a group's answer", subject, model);
    }

    /// Claims as many as do not divide runs that are ready since the same moment, whose order is open.
    fn claim(&mut self) {
        let mut claim = self.planner.claim();
        let turns = self.backend.model().turns(&claim);
        let blocked = |id: &RunId| {
            self.shown
                .run(*id)
                .is_some_and(|run| run.row.status == RunStatus::Blocked)
        };
        let unordered = claim.takeover || turns.iter().any(|(_, _, id)| blocked(id));
        let rank = |id: RunId| turns.iter().find(|turn| turn.2 == id).map(|turn| (turn.0, turn.1));
        if !unordered {
            let ends = (1..=turns.len()).filter(|end| {
                turns
                    .get(*end)
                    .is_none_or(|next| rank(next.2) != rank(turns[end - 1].2))
            });
            claim.limit = self
                .planner
                .random
                .pick(&ends.collect::<Vec<_>>())
                .copied()
                .unwrap_or(0);
        }
        let (subject, model) = (self.subject.claim_as(claim.clone()), self.model.claim_as(claim.clone()));
        if !unordered {
            let ranks = |claimed: &[Claimed]| {
                claimed
                    .iter()
                    .map(|claimed| rank(claimed.lease.run))
                    .collect::<Vec<_>>()
            };
            self.agree("the order of a claim", ranks(&subject), ranks(&model));
        }
        let leases: Vec<Lease> = model.iter().map(|claimed| claimed.lease).collect();
        let told = |claimed: Vec<Claimed>| told(claimed, claim.worker);
        self.agree("a claim", told(subject), told(model));
        leases.into_iter().for_each(|lease| self.renew_both(&[lease]));
    }

    /// So that no two leases end at the same time.
    fn renew_both(&mut self, held: &[Lease]) {
        let lease = self.planner.duration(30);
        let (mut subject, mut model) = (self.subject.renew(held, lease), self.model.renew(held, lease));
        subject.sort();
        model.sort();
        self.agree("what a renewal has lost", subject, model);
    }

    fn renew(&mut self) {
        let Some(lease) = self.planner.lease(&self.shown) else {
            return;
        };
        self.renew_both(&[lease]);
    }

    fn pass_time(&mut self) {
        let time = Duration::from_secs(1 + self.planner.random.below(20) as u64);
        self.subject.pass(time);
        self.backend.advance_clock(time);
    }

    fn purge(&mut self) {
        let before = self.subject.now() - Duration::from_secs(self.planner.random.below(60) as u64);
        let (subject, model) = (self.subject.purge(before, 1_000), self.model.purge(before, 1_000));
        self.agree("the number of purged rows", subject, model);
    }

    fn compare(&mut self) {
        let now = self.subject.now();
        self.agree("the time", now, self.model.now());
        let shown = self.subject.snapshot();
        self.check(&shown);
        for (subject, model) in shown
            .clone()
            .comparable()
            .runs
            .into_iter()
            .zip(self.model.snapshot().comparable().runs)
        {
            self.agree("a run", subject, model);
        }
        self.agree(
            "all that is shown",
            shown.clone().comparable(),
            self.model.snapshot().comparable(),
        );
        let due = |stage: &Stage<'_>| stage.next_due().map(|due| due.max(now));
        self.agree("what is due", due(self.subject), due(&self.model));
        for cell in CELLS {
            self.agree("the application's cell", self.subject.cell(cell), self.model.cell(cell));
        }
        self.shown = shown;
    }
}

/// Without what a store may choose: inbox sequences, and the order of equals.
fn told(mut claimed: Vec<Claimed>, worker: WorkerId) -> Vec<String> {
    claimed.sort_by_key(|claimed| claimed.lease.run);
    for claimed in &mut claimed {
        assert!(claimed.run.worker == Some(worker), "a claimed run names its worker");
        claimed
            .events
            .iter_mut()
            .zip(1..)
            .for_each(|(event, place)| event.seq = place);
    }
    claimed.iter().map(|claimed| format!("{claimed:?}")).collect()
}
