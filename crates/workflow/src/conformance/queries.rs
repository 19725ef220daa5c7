//! Questions: histories, runs, what is due.

use super::endings::completing;
use super::samples::{HASH, HOUR, LEASE, SECOND, bare, block, claim, done, key};
use super::stage::{holds, same};
use super::{Stage, block_on};
use crate::history::Record;
use crate::id::{RunId, Seq};
use crate::store::{Advance, Claim, NewRun, Next, RunQuery, RunStatus};

/// A history is paged by sequence: at most `limit` records after a place, oldest first.
pub fn a_history_is_paged(stage: &Stage<'_>) {
    let lease = stage.running();
    let records: Vec<Record> = (1..=10).map(|place| done(lease, place)).collect();
    stage.advanced(Advance {
        records,
        ..bare(lease, 0)
    });
    let page = |after, limit| -> Vec<u64> {
        let page = block_on(stage.store().history(lease.run, Seq(after), limit)).expect("a page");
        page.into_iter().map(|stored| stored.seq.0).collect()
    };
    let cases: [(u64, usize, Vec<u64>); 6] = [
        (0, 4, vec![1, 2, 3, 4]),
        (4, 4, vec![5, 6, 7, 8]),
        (8, 4, vec![9, 10]),
        (10, 4, vec![]),
        (99, 4, vec![]),
        (0, 0, vec![]),
    ];
    for (after, limit, promised) in cases {
        same(
            &format!("at most {limit} records after {after}, oldest first"),
            page(after, limit),
            promised,
        );
    }
    let unknown = block_on(stage.store().history(stage.run_id(), Seq(0), 10)).expect("a page");
    same("a run that nobody knows has no history", unknown, vec![]);
}

/// Runs come newest first, page by page; the end is told, also when it falls on a page's end.
pub fn runs_are_paged_newest_first(stage: &Stage<'_>) {
    let mut runs: Vec<RunId> = (0..7).map(|_| stage.start(stage.new_run())).collect();
    runs.reverse();
    for limit in [1, 2, 3, 6, 7, 8, 100] {
        let all: Vec<RunId> = stage
            .all_runs(RunQuery::default(), limit)
            .into_iter()
            .map(|row| row.id)
            .collect();
        same(
            &format!("pages of {limit} are all runs, newest first"),
            all,
            runs.clone(),
        );
    }
    let page = |limit, before| {
        let page = block_on(stage.store().runs(RunQuery {
            limit,
            before,
            ..RunQuery::default()
        }))
        .expect("a page");
        (page.items.len(), page.next)
    };
    same("a page that has all tells the end", page(7, None), (7, None));
    same("a page tells where to go on", page(3, None), (3, Some(runs[2])));
    same("the last page tells the end", page(3, Some(runs[3])), (3, None));
    same("after the last there is none", page(3, Some(runs[6])), (0, None));
}

/// Every filter holds by itself and together with the others, and pages hold what fits.
pub fn runs_are_filtered(stage: &Stage<'_>) {
    let pending = stage.start(stage.new_run());
    let mail = stage.start(NewRun {
        workflow: "mail".to_owned(),
        delay: HOUR,
        ..stage.new_run()
    });
    let (running, parked, blocked, ended) = (stage.running(), stage.parked(), stage.running(), stage.running());
    stage.advanced(Advance {
        keys: vec![key("k")],
        ..bare(running, 0)
    });
    stage.advanced(block(blocked, 0, HASH));
    stage.advanced(completing(ended, 0));
    let any = RunQuery::default;
    let statuses = |statuses: &[RunStatus]| RunQuery {
        statuses: statuses.to_vec(),
        ..any()
    };
    let of = |workflow: &str, query| RunQuery {
        workflow: Some(workflow.to_owned()),
        ..query
    };
    let holds_key = |text: &str, query| RunQuery {
        key: Some(key(text)),
        ..query
    };
    let cases: Vec<(&str, RunQuery, Vec<RunId>)> = vec![
        (
            "no filter",
            any(),
            vec![ended.run, blocked.run, parked.run, running.run, mail, pending],
        ),
        (
            "an id",
            RunQuery {
                id: Some(mail),
                ..any()
            },
            vec![mail],
        ),
        (
            "an unknown id",
            RunQuery {
                id: Some(stage.run_id()),
                ..any()
            },
            vec![],
        ),
        ("a workflow", of("mail", any()), vec![mail]),
        ("an unknown workflow", of("fax", any()), vec![]),
        ("a status", statuses(&[RunStatus::Running]), vec![running.run]),
        (
            "two statuses",
            statuses(&[RunStatus::Pending, RunStatus::Completed]),
            vec![ended.run, mail, pending],
        ),
        ("a status of none", statuses(&[RunStatus::Paused]), vec![]),
        ("a key", holds_key("k", any()), vec![running.run]),
        ("a key of nobody", holds_key("l", any()), vec![]),
        (
            "a workflow and a status",
            of("order", statuses(&[RunStatus::Pending])),
            vec![pending],
        ),
        (
            "an id that does not fit the workflow",
            RunQuery {
                id: Some(mail),
                ..of("order", any())
            },
            vec![],
        ),
        (
            "a key and a status that do not fit",
            holds_key("k", statuses(&[RunStatus::Waiting])),
            vec![],
        ),
        (
            "a place that the id is not before",
            RunQuery {
                id: Some(mail),
                before: Some(mail),
                ..any()
            },
            vec![],
        ),
        (
            "a place and a status",
            RunQuery {
                before: Some(mail),
                ..statuses(&[RunStatus::Pending])
            },
            vec![pending],
        ),
    ];
    for (filter, query, promised) in cases {
        for limit in [1, 2, 100] {
            let query = RunQuery { limit, ..query.clone() };
            let first = block_on(stage.store().runs(query.clone())).expect("a page");
            holds("a page has at most its limit", first.items.len() <= limit);
            let found: Vec<RunId> = pages(stage, query, limit);
            same(&format!("{filter}, in pages of {limit}"), found, promised.clone());
        }
    }
}

fn pages(stage: &Stage<'_>, query: RunQuery, limit: usize) -> Vec<RunId> {
    stage.all_runs(query, limit).into_iter().map(|row| row.id).collect()
}

/// What is due next: the earliest timer or lease; at once when something is ready; nothing when
/// all is parked, blocked or ended. What is overdue is due now or earlier.
pub fn what_is_due_next_is_told(stage: &Stage<'_>) {
    same("nothing is due in an empty store", stage.next_due(), None);
    let lease = stage.running();
    let now = stage.now();
    same("a lease is due when it ends", stage.next_due(), Some(now + LEASE));
    let second = stage.running();
    let park = |seconds| Next::Park {
        wake_at: Some(now + SECOND * seconds),
    };
    stage.advanced(Advance {
        next: park(5),
        ..bare(second, 0)
    });
    same(
        "a timer counts too: the earliest is due",
        stage.next_due(),
        Some(now + SECOND * 5),
    );
    stage.advanced(Advance {
        next: park(3),
        ..bare(lease, 0)
    });
    same(
        "a run that gave its lease back is due at its timer",
        stage.next_due(),
        Some(now + SECOND * 3),
    );
    stage.pass(SECOND);
    let ready = stage.start(stage.new_run());
    same("what is ready is due now", stage.next_due(), Some(stage.now()));
    let taken = stage.take(ready);
    stage.advanced(completing(taken, 0));
    stage.pass(SECOND * 10);
    holds(
        "what is overdue is due now or earlier",
        stage.next_due().is_some_and(|due| due <= stage.now()),
    );
    for claimed in stage.claim_as(claim()) {
        stage.advanced(super::samples::park(claimed.lease));
    }
    same("without timers and leases nothing is due", stage.next_due(), None);
}

/// The clock is the store's, and it does not run by itself here.
pub fn the_clock_is_the_stores(stage: &Stage<'_>) {
    let before = stage.now();
    same("the clock stands still when nobody moves it", stage.now(), before);
    stage.pass(HOUR);
    same("and moves as it is moved", stage.now(), before + HOUR);
    same("its times have microseconds", before, crate::truncate(before));
    let run = stage.start(stage.new_run());
    let claimed = stage.claim_as(Claim {
        lease: std::time::Duration::from_nanos(1_999),
        ..claim()
    });
    let due = stage
        .row(run)
        .due_at
        .map(|due| due.duration_since(claimed[0].now).as_micros());
    same("a duration is cut to microseconds", due, Some(1));
}
