//! Walks with limits: the order of every claim is looked at, and what holds of all counters.

use std::time::Duration;

use super::plan::Limited;
use super::{Walk, told, walk_with};
use crate::conformance::Stage;
use crate::conformance::snapshot::Snapshot;
use crate::conformance::stage::{holds, same};
use crate::flow::{FlowLimits, Rate};
use crate::store::{Claim, Lease};

/// A random walk with limits that differ from claimer to claimer, and come and go.
///
/// # Panics
/// As [`walk`](super::walk).
pub fn walk_flow(stage: &Stage<'_>, seed: u64, steps: usize) {
    walk_with(stage, seed, steps, Limited::Variously);
}

/// A random walk with the same limits all along: they are never exceeded.
///
/// # Panics
/// As [`walk`](super::walk).
pub fn walk_flow_fixed(stage: &Stage<'_>, seed: u64, steps: usize) {
    walk_with(stage, seed, steps, Limited::Equally);
}

const FIXED: FlowLimits = FlowLimits {
    in_flight: Some(4),
    in_flight_per_key: Some(2),
    rate: rate(3, 20),
    rate_per_key: rate(2, 31),
};

const fn rate(runs: u32, seconds: u64) -> Option<Rate> {
    let period = Duration::from_micros(seconds * 1_000_000 + 7);
    Some(Rate { runs, period })
}

impl Walk<'_> {
    fn limits(&mut self) -> FlowLimits {
        if self.planner.limited == Limited::Equally {
            return FIXED;
        }
        let kinds = [
            FlowLimits::default(),
            FIXED,
            FlowLimits {
                in_flight: Some(1),
                ..FlowLimits::default()
            },
            FlowLimits {
                in_flight_per_key: Some(1),
                rate: rate(1, 11),
                ..FlowLimits::default()
            },
            FlowLimits {
                in_flight: Some(6),
                rate_per_key: rate(1, 15),
                ..FlowLimits::default()
            },
        ];
        kinds[self.planner.random.below(kinds.len())]
    }

    /// As many as it happens to be: who became ready first is known of all.
    pub(super) fn claim_limited(&mut self) {
        let mut claim = self.planner.claim();
        let flows: Vec<_> = ["order", "mail"]
            .map(|workflow| (workflow.to_owned(), self.limits()))
            .into_iter()
            .filter(|(_, limits)| !limits.is_none())
            .collect();
        claim.flows = flows.into();
        // Leases that are taken over come in any order.
        let limits = if claim.takeover { [1_000; 4] } else { [1, 2, 3, 1_000] };
        claim.limit = limits[self.planner.random.below(4)];
        self.place = format!("{} of {} under {:?}", self.place, claim.limit, claim.flows);
        let (subject, model) = (self.subject.claim_as(claim.clone()), self.model.claim_as(claim.clone()));
        let order = |claimed: &[crate::store::Claimed]| claimed.iter().map(|one| one.lease.run).collect::<Vec<_>>();
        self.agree("the order of a claim", order(&subject), order(&model));
        let leases: Vec<Lease> = model.iter().map(|claimed| claimed.lease).collect();
        self.agree("a claim", told(subject, claim.worker), told(model, claim.worker));
        self.check_liveness(&claim);
        leases.into_iter().for_each(|lease| self.renew_both(&[lease]));
    }

    /// Nothing that the claimer could have is held while there are places for it.
    fn check_liveness(&self, claim: &Claim) {
        if claim.limit == 1_000 {
            let promise = format!("{}: nothing is held while there is a place for it", self.place);
            same(&promise, self.backend.model().held_in_vain(claim), Vec::new());
        }
    }

    pub(super) fn check_flow(&self, shown: &Snapshot) {
        let holds = |promise: &str, claim| holds(&format!("{}: {promise}", self.place), claim);
        let wrong = self.backend.model().miscounted();
        same(&format!("{}: counters count", self.place), wrong, Vec::new());
        if self.planner.limited != Limited::Equally {
            return;
        }
        for row in &shown.flows {
            let (runs, rate) = match row.key {
                None => (FIXED.in_flight, FIXED.rate),
                Some(_) => (FIXED.in_flight_per_key, FIXED.rate_per_key),
            };
            holds(
                "a limit is never exceeded",
                row.in_flight <= u64::from(runs.unwrap_or(0)),
            );
            let most = rate.map_or(0, |rate| u64::from(rate.runs));
            holds(
                "a rate is never exceeded",
                row.window.is_none_or(|window| window.count <= most),
            );
        }
        let in_flight = shown
            .runs
            .iter()
            .filter(|run| run.row.begun_at.is_some() && !run.row.status.is_end());
        let in_flight = in_flight.filter(|run| run.row.flow_key.as_deref() == Some("a") && run.row.workflow == "order");
        let counted = shown
            .flows
            .iter()
            .find(|row| row.key.as_deref() == Some("a") && row.workflow == "order");
        holds(
            "no more runs are counted than have begun",
            counted.map_or(0, |row| row.in_flight) <= in_flight.count() as u64,
        );
    }
}
