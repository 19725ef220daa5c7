//! Flow control: limits at the first claim, what is held and released, pauses of workflows.

use std::time::Duration;

use super::samples::{
    HASH, HOUR, LEASE, OTHER_HASH, SECOND, WORKFLOW, bare, block, cancel, claim, claim_under, claim_with, event,
    failure, json, resume,
};
use super::stage::{holds, same};
use super::{Act, Stage};
use crate::flow::Flow;
use crate::id::RunId;
use crate::store::{
    Advance, Claim, Claimed, Ending, FlowRow, Lease, Limit, NewRun, Next, RunQuery, RunStatus, Throttled,
};

const MICRO: Duration = Duration::from_micros(1);

impl Stage<'_> {
    /// Starts so many runs, one after the other.
    pub(super) fn start_many(&self, count: usize, key: Option<&str>) -> Vec<RunId> {
        let new = || NewRun {
            flow_key: key.map(str::to_owned),
            ..self.new_run()
        };
        (0..count).map(|_| self.start(new())).collect()
    }

    pub(super) fn finish(&self, lease: Lease) {
        self.advanced(Advance {
            next: Next::Finish(Ending::Completed(json(1))),
            ..bare(lease, 0)
        });
    }

    pub(super) fn throttled_by(&self, run: RunId) -> Option<Limit> {
        self.row(run).throttled.map(|throttled| throttled.limit)
    }

    pub(super) fn whole(&self) -> FlowRow {
        self.flows(None).pop().expect("the workflow has a counter")
    }
}

pub(super) fn runs(claimed: &[Claimed]) -> Vec<RunId> {
    claimed.iter().map(|claimed| claimed.lease.run).collect()
}

/// A run that finds no place is held, which shows, by which limit and since when; a run that
/// ends gives its place to the one that waits longest.
pub fn a_limit_holds_what_it_has_no_place_for(stage: &Stage<'_>) {
    let all = stage.start_many(4, None);
    stage.pass(SECOND);
    let limited = || claim_under(Flow::none().in_flight(2));
    let claimed = stage.claim_as(limited());
    same("as many as have a place are claimed", runs(&claimed), all[..2].to_vec());
    let since = stage.now();
    let held = Some(Throttled {
        limit: Limit::InFlight,
        since,
    });
    same("what has none is throttled", stage.row(all[2]).throttled, held);
    same("it stays what it was", stage.row(all[2]).status, RunStatus::Pending);
    let query = RunQuery {
        throttled: true,
        ..RunQuery::default()
    };
    let throttled: Vec<_> = stage.all_runs(query, 1).into_iter().map(|run| run.id).collect();
    same("what is throttled is listed", throttled, vec![all[3], all[2]]);
    same(
        "counters are shown",
        (stage.whole().in_flight, stage.whole().throttled),
        (2, 2),
    );
    stage.pass(SECOND);
    same(
        "nothing is due while nothing changes",
        stage.claim_ids(limited()),
        vec![],
    );
    same("only leases are", stage.next_due(), Some(since + LEASE));
    stage.finish(claimed[0].lease);
    same(
        "a place is worth a look",
        stage.next_due().map(|due| due.max(stage.now())),
        Some(stage.now()),
    );
    same("and is taken", stage.claim_ids(limited()), vec![all[2]]);
    same("by one", stage.claim_ids(limited()), vec![]);
}

/// A limit per key holds the runs of that key, and nobody else's.
pub fn a_limit_per_key_holds_its_key(stage: &Stage<'_>) {
    let first = stage.start_many(3, Some("a"));
    let second = stage.start_many(2, Some("b"));
    let keyless = stage.start_many(2, None);
    let limited = || claim_under(Flow::none().in_flight_per_key(1));
    let mut claimed = stage.claim_ids(limited());
    claimed.sort();
    let promised = [&first[..1], &second[..1], &keyless].concat();
    same("one of each key, and all without", claimed, promised);
    same(
        "the others say why",
        stage.throttled_by(first[1]),
        Some(Limit::InFlightPerKey),
    );
    let of_key: Vec<_> = stage
        .flows(Some(WORKFLOW))
        .into_iter()
        .filter(|row| row.key.is_some())
        .collect();
    let told: Vec<_> = of_key
        .iter()
        .map(|row| (row.key.as_deref(), row.in_flight, row.throttled))
        .collect();
    same(
        "each key has a counter",
        told,
        vec![(Some("a"), 1, 2), (Some("b"), 1, 1)],
    );
    same(
        "the workflow's shows them all",
        (stage.whole().in_flight, stage.whole().throttled),
        (4, 3),
    );
}

/// Exactly so many runs begin in each window, which begins with the first of them.
pub fn a_rate_counts_in_windows(stage: &Stage<'_>) {
    let all = stage.start_many(7, None);
    let limited = || claim_under(Flow::none().rate(3, "3s"));
    let began = stage.now();
    for window in 0..2 {
        same(
            "so many begin",
            stage.claim_ids(limited()),
            all[3 * window..3 * window + 3].to_vec(),
        );
        same(
            "the next is told why",
            stage.throttled_by(all[3 * window + 3]),
            Some(Limit::Rate),
        );
        stage.pass(3 * SECOND - MICRO);
        same("none in the same window", stage.claim_ids(limited()), vec![]);
        stage.pass(MICRO);
        holds(
            "the next window is worth a look",
            stage.next_due().is_some_and(|due| due <= stage.now()),
        );
    }
    same(
        "a window shows",
        stage.whole().window.map(|window| window.started),
        Some(began + 3 * SECOND),
    );
    same("nothing is lost", stage.claim_ids(limited()), vec![all[6]]);
}

/// A rate per key likewise; ending a run gives no place back.
pub fn a_rate_per_key_counts_its_key(stage: &Stage<'_>) {
    let first = stage.start_many(2, Some("a"));
    let second = stage.start_many(1, Some("b"));
    let limited = || claim_under(Flow::none().rate_per_key(1, "1m"));
    let claimed = stage.claim_as(limited());
    same("one of each", runs(&claimed), vec![first[0], second[0]]);
    same(
        "the other is told why",
        stage.throttled_by(first[1]),
        Some(Limit::RatePerKey),
    );
    claimed.iter().for_each(|claimed| stage.finish(claimed.lease));
    same("an end is no beginning", stage.claim_ids(limited()), vec![]);
    stage.pass(60 * SECOND);
    same("a minute later", stage.claim_ids(limited()), vec![first[1]]);
}

/// A run has one place, from its first claim to its end, whatever happens in between, and
/// gives it back once.
pub fn a_place_is_kept_until_the_end(stage: &Stage<'_>) {
    let all = stage.start_many(2, Some("a"));
    let limited = || claim_under(Flow::none().in_flight(1).rate_per_key(1, "1s"));
    let mut lease = stage.claim_as(limited()).remove(0).lease;
    let hashes = [(WORKFLOW, HASH), (WORKFLOW, OTHER_HASH)];
    let steps: [&dyn Fn(Lease); 5] = [
        &|_| stage.pass(LEASE),
        &|lease| {
            stage.advanced(Advance {
                next: Next::Release,
                ..bare(lease, 0)
            });
        },
        &|lease| {
            stage.advanced(Advance {
                next: Next::Park { wake_at: None },
                ..bare(lease, 0)
            });
            stage.emit(event("e", lease.run));
        },
        &|lease| {
            let wake_at = Some(stage.now() + SECOND);
            stage.advanced(Advance {
                next: Next::Park { wake_at },
                ..bare(lease, 0)
            });
            stage.pass(SECOND);
        },
        &|lease| {
            stage.advanced(block(lease, 0, HASH));
            stage.pass(LEASE);
            same("a blocked run is in flight", stage.claim_ids(limited()), vec![]);
        },
    ];
    for step in steps {
        step(lease);
        let code = Claim {
            flows: limited().flows,
            ..claim_with(&hashes, 0)
        };
        let claimed = stage.claim_as(code);
        same("it goes on, and the other does not begin", runs(&claimed), vec![all[0]]);
        lease = claimed[0].lease;
        same("it is counted once", stage.whole().in_flight, 1);
    }
    let end = Advance {
        records: vec![super::samples::done(lease, 1)],
        next: Next::Finish(Ending::Failed(failure("last"))),
        ..bare(lease, 0)
    };
    for _ in 0..3 {
        stage.advanced(end.clone());
        same("its place is free", stage.whole().in_flight, 0);
    }
    same("for the other", stage.claim_ids(limited()), vec![all[1]]);
    let later = stage.start_many(1, Some("b"));
    same("and for nobody else", stage.claim_ids(limited()), vec![]);
    same("who waits", stage.throttled_by(later[0]), Some(Limit::InFlight));
}

/// A run that was asked to end is neither held nor counted.
pub fn a_cancelled_run_is_never_held(stage: &Stage<'_>) {
    let all = stage.start_many(3, Some("a"));
    let limited = || claim_under(Flow::none().in_flight(1).in_flight_per_key(1));
    let first = stage.claim_as(limited()).remove(0);
    same("it is held", stage.throttled_by(all[1]), Some(Limit::InFlightPerKey));
    holds("a held run is cancelled", stage.apply(cancel(all[1])).is_ok());
    same("it is held no more", stage.row(all[1]).throttled, None);
    let claimed = stage.claim_as(limited());
    same("it is claimed at once", runs(&claimed), vec![all[1]]);
    same(
        "and not counted",
        (stage.whole().in_flight, stage.whole().throttled),
        (1, 1),
    );
    stage.advanced(Advance {
        next: Next::Finish(Ending::Cancelled(failure("asked"))),
        ..bare(claimed[0].lease, 0)
    });
    same("its end gives nothing back", stage.claim_ids(limited()), vec![]);
    stage.finish(first.lease);
    same("the other's does", stage.claim_ids(limited()), vec![all[2]]);
}

/// Limits go by the claimer: nothing stays held that its limits have a place for.
pub fn limits_may_change(stage: &Stage<'_>) {
    let all = stage.start_many(9, Some("a"));
    let under = |flow: Flow| stage.claim_ids(claim_under(flow));
    same("one", under(Flow::none().in_flight(1)), all[..1].to_vec());
    same("raised", under(Flow::none().in_flight(3)), all[1..3].to_vec());
    same("lowered", under(Flow::none().in_flight(2)), vec![]);
    same(
        "of another kind",
        under(Flow::none().in_flight_per_key(4)),
        all[3..4].to_vec(),
    );
    same("and in time", under(Flow::none().rate(1, "1h")), all[4..5].to_vec());
    same("a shorter one", under(Flow::none().rate(1, "1h").in_flight(9)), vec![]);
    stage.pass(SECOND);
    same(
        "counts from the same start",
        under(Flow::none().rate(1, "1s")),
        all[5..6].to_vec(),
    );
    same(
        "both",
        under(Flow::none().in_flight_per_key(7).in_flight(7)),
        all[6..7].to_vec(),
    );
    same("none", stage.claim_ids(claim()), all[7..].to_vec());
    same("nothing is held any more", stage.whole().throttled, 0);
}

/// Runs that began without limits are not stopped by such as come later, but counted.
pub fn limits_may_be_introduced(stage: &Stage<'_>) {
    let all = stage.start_many(3, Some("a"));
    let leases: Vec<_> = stage
        .claim_as(claim())
        .into_iter()
        .map(|claimed| claimed.lease)
        .collect();
    for lease in leases {
        stage.advanced(Advance {
            next: Next::Release,
            ..bare(lease, 0)
        });
    }
    let limited = || claim_under(Flow::none().in_flight(1));
    let later = stage.start_many(1, Some("a"));
    let claimed = stage.claim_as(limited());
    let mut found = runs(&claimed);
    found.sort();
    same("what is in flight goes on", found, all);
    same(
        "it is counted",
        (stage.whole().in_flight, stage.whole().throttled),
        (3, 1),
    );
    claimed.iter().for_each(|claimed| stage.finish(claimed.lease));
    same("until it ends", stage.claim_ids(limited()), later);
}

/// Keys take turns: a thousand runs of one do not hold up ten of another that come later, be
/// they ready, or held at the workflow's limit; nor timers that are due.
pub fn keys_take_turns(stage: &Stage<'_>) {
    for (held, limit) in [(false, 1_000_000), (true, 1)] {
        let limited = || Claim {
            limit: 1,
            ..claim_under(Flow::none().in_flight(limit))
        };
        let front = stage.start_many(1_000, Some(&format!("a{held}")));
        // With a limit of one, the other 999 are held.
        let first = stage.claim_as(Claim { limit: 2, ..limited() });
        first.iter().for_each(|claimed| stage.finish(claimed.lease));
        stage.pass(SECOND);
        let behind = stage.start_many(10, Some(&format!("b{held}")));
        let next = (0..20).flat_map(|_| {
            let claimed = stage.claim_as(limited());
            claimed.iter().for_each(|claimed| stage.finish(claimed.lease));
            runs(&claimed)
        });
        let next: Vec<_> = next.collect();
        let among = |these: &[RunId]| next.iter().filter(|run| these.contains(run)).count();
        same("keys take turns", (among(&behind), among(&front)), (10, 10));
        let all = claim_under(Flow::none().in_flight(1_000_000));
        stage
            .claim_as(all)
            .iter()
            .for_each(|claimed| stage.finish(claimed.lease));
    }
}

/// Runs of one key come in their order, and those without a key in theirs; a key that is new
/// goes before the second of all others.
pub fn a_turn_is_fixed_when_it_becomes_ready(stage: &Stage<'_>) {
    let a = stage.start_many(3, Some("a"));
    stage.pass(SECOND);
    let without = stage.start_many(2, None);
    stage.pass(SECOND);
    let b = stage.start_many(4, Some("b"));
    let c = stage.start_many(1, Some("c"));
    let promised = vec![a[0], b[0], c[0], a[1], b[1], a[2], b[2], without[0], b[3], without[1]];
    same("keys take turns", stage.claim_ids(claim()), promised);
}

/// A timer of a run with a key that is due waits for its turn like everybody.
pub fn due_timers_take_turns(stage: &Stage<'_>) {
    let late = |key: &str| NewRun {
        delay: SECOND,
        flow_key: Some(key.to_owned()),
        ..stage.new_run()
    };
    let a: Vec<_> = (0..3).map(|_| stage.start(late("a"))).collect();
    let b = stage.start(late("b"));
    same("a timer is told", stage.next_due(), Some(stage.now() + SECOND));
    stage.pass(SECOND);
    same("timers take turns", stage.claim_ids(claim()), vec![a[0], b, a[1], a[2]]);
}

/// Of each key no more runs wait for the whole workflow's limit than the key has places for:
/// the others stay where they are.
pub fn what_is_held_stays_with_its_key(stage: &Stage<'_>) {
    let first = stage.start_many(1, None);
    let limited = || claim_under(Flow::none().in_flight(1).in_flight_per_key(2));
    let lease = stage.claim_as(limited()).remove(0).lease;
    same("the only place is taken", lease.run, first[0]);
    let all = stage.start_many(5, Some("a"));
    same("nobody else begins", stage.claim_ids(limited()), vec![]);
    let told: Vec<_> = all.iter().map(|run| stage.throttled_by(*run)).collect();
    let (whole, key) = (Some(Limit::InFlight), Some(Limit::InFlightPerKey));
    same(
        "two wait for the workflow, three for their key",
        told,
        vec![whole, whole, key, key, key],
    );
    holds("one is cancelled", stage.apply(cancel(all[0])).is_ok());
    same("it is claimed", stage.claim_ids(limited()), vec![all[0]]);
    same(
        "and the next takes its place in the queue",
        stage.throttled_by(all[2]),
        whole,
    );
    stage.finish(lease);
    same("the first begins", stage.claim_ids(limited()), vec![all[1]]);
}

/// What comes in for a held run, and whoever would hasten it, does not get it past its limit.
pub fn a_held_run_is_not_hurried(stage: &Stage<'_>) {
    let all = stage.start_many(2, None);
    let limited = || claim_under(Flow::none().in_flight(1));
    let lease = stage.claim_as(limited()).remove(0).lease;
    stage.emit(event("e", all[1]));
    let hasten = stage.attach([Act::MakeDue(all[1])]);
    holds(
        "it is asked",
        stage.apply_with(super::samples::nothing(1), hasten).is_ok(),
    );
    same("it stays held", stage.throttled_by(all[1]), Some(Limit::InFlight));
    same("and is not claimed", stage.claim_ids(limited()), vec![]);
    stage.finish(lease);
    same("before its turn", runs(&stage.claim_as(limited())), vec![all[1]]);
}

/// Counters of keys that count nothing are forgotten; others are kept.
pub fn idle_counters_are_forgotten(stage: &Stage<'_>) {
    let (first, second) = (stage.start_many(1, Some("a")), stage.start_many(1, Some("b")));
    let claimed = stage.claim_as(claim_under(Flow::none().in_flight(9).rate_per_key(5, "1h")));
    same("both are in flight", runs(&claimed), [first, second].concat());
    stage.finish(claimed[0].lease);
    let keys = || {
        let rows = stage.flows(Some(WORKFLOW)).into_iter();
        rows.filter_map(|row| row.key).collect::<Vec<_>>()
    };
    stage.pass(HOUR - SECOND);
    stage.purge(stage.now(), 100);
    same("a window is not over", keys(), vec!["a".to_owned(), "b".to_owned()]);
    stage.pass(SECOND);
    stage.purge(stage.now() - 2 * HOUR, 100);
    same("it was used since", keys(), vec!["a".to_owned(), "b".to_owned()]);
    stage.purge(stage.now(), 100);
    same("what counts nothing is gone", keys(), vec!["b".to_owned()]);
}

/// A blocked run that is let go is no beginning, whatever its limits.
pub fn a_retried_run_has_its_place(stage: &Stage<'_>) {
    let limited = || claim_under(Flow::none().in_flight(1).rate(1, "1h"));
    let all = stage.start_many(2, None);
    let lease = stage.claim_as(limited()).remove(0).lease;
    stage.advanced(block(lease, 0, HASH));
    same("the other waits", stage.claim_ids(limited()), vec![]);
    holds("it is let go", stage.apply(resume(lease.run)).is_ok());
    same("it goes on", stage.claim_ids(limited()), vec![all[0]]);
}
