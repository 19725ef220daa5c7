//! The connection breaks before any statement of a renewal, a purge or a schedule's change, and around their commits.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::{
    Change, Declaration, Ending, Lease, MemberResult, Next, Outcome, Purge, Refusal, ScheduleChange, ScheduleQuery,
    ScheduleRow, Store, StoreError, Tick,
};
use lumina_workflow::{Overlap, Payload, ScheduleSpec, Timing};
use lumina_workflow_postgres::PostgresStore;

use crate::opened::*;
use crate::scissors::Scissors;

/// As the engine does: while nobody knows, it is done again.
async fn insist<T>(mut call: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(StoreError::OutcomeUnknown(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn a_lease_is_renewed_wherever_the_line_breaks() {
    let scissors = Scissors::default();
    let (_database, plain, store) = two(scissors.hook()).await;
    for place in 0.. {
        let lease = running(&plain, place as u128 + 1).await;
        let gone = Lease {
            run: run_id(place as u128 + 1_000_000),
            ..lease
        };
        let before = row(&plain, lease.run).await.due_at.unwrap();
        scissors.arm(place);
        let lost = insist(async || store.renew(vec![lease, gone], Duration::from_secs(7_200)).await).await;
        assert_eq!(lost, [gone.run], "place {place}");
        let after = row(&plain, lease.run).await;
        assert_eq!(after.epoch, lease.epoch);
        assert!(
            after.due_at.unwrap() >= before + Duration::from_secs(3_600),
            "place {place}"
        );
        if scissors.is_armed() {
            let cut = scissors.cut.lock().unwrap().clone();
            assert!(cut.len() >= 5 && cut.contains(&"AfterCommit".to_owned()), "{cut:?}");
            return;
        }
    }
}

/// A run with a key that has had an event, and has ended.
async fn ended(store: &PostgresStore, number: u128) {
    let lease = running(store, number).await;
    let name = format!("key-{number}");
    let mut register = step(lease, 0, Some(Payload::null()), Next::Running);
    register.keys = vec![key(&name)];
    apply(store, Change::Advance(register)).await.unwrap();
    for target in [lumina_workflow::Target::Key(key(&name)), lease.run.into()] {
        apply(store, Change::Emit(event(&name, target))).await.unwrap();
    }
    let inbox = store
        .inbox(lumina_workflow::store::InboxQuery {
            run: Some(lease.run),
            after: 0,
            limit: 10,
        })
        .await
        .unwrap();
    let mut end = step(
        lease,
        1,
        Some(Payload::null()),
        Next::Finish(Ending::Completed(Payload::null())),
    );
    end.consumed = inbox.events.iter().map(|event| event.seq).collect();
    apply(store, Change::Advance(end)).await.unwrap();
}

const TABLES: [&str; 7] = [
    "workflow_run",
    "workflow_record",
    "workflow_key",
    "workflow_event_id",
    "workflow_inbox",
    "workflow_unrouted",
    "workflow_tried",
];

async fn rows_left(store: &PostgresStore) -> Vec<(&'static str, i64)> {
    let mut left = Vec::new();
    for table in TABLES {
        let counted = store.read(&format!("SELECT count(*) FROM lumina.{table}"), &[]).await;
        left.push((table, counted.unwrap()[0].get(0)));
    }
    left.retain(|(_, count)| *count > 0);
    left
}

#[tokio::test]
async fn what_is_over_is_purged_whole_wherever_the_line_breaks() {
    let scissors = Scissors::default();
    let (_database, plain, store) = two(scissors.hook()).await;
    for place in 0.. {
        ended(&plain, place as u128 + 1).await;
        let purge = Purge {
            before: plain.now().await.unwrap() + Duration::from_secs(60),
            workflow: None,
            limit: 100,
        };
        scissors.arm(place);
        insist(async || store.purge(purge.clone()).await).await;
        // Until the server notices that a line is gone, what was done on it keeps a run from the purge.
        while !rows_left(&plain).await.is_empty() {
            insist(async || plain.purge(purge.clone()).await).await;
        }
        if scissors.is_armed() {
            let cut = scissors.cut.lock().unwrap().clone();
            assert!(cut.len() > 10 && cut.contains(&"AfterCommit".to_owned()), "{cut:?}");
            return;
        }
    }
}

async fn schedule(store: &PostgresStore, name: &str) -> ScheduleRow {
    let query = ScheduleQuery {
        name: Some(name.to_owned()),
        after: None,
        limit: 1,
    };
    store.schedules(query).await.unwrap().remove(0)
}

fn at(second: i64) -> Timestamp {
    moment() + jiff::SignedDuration::from_secs(second)
}

pub fn declared(name: &str) -> Declaration {
    Declaration {
        name: name.to_owned(),
        workflow: WORKFLOW.to_owned(),
        spec: ScheduleSpec {
            timing: Timing::Every {
                period: Duration::from_secs(60),
            },
            start: None,
            end: None,
            overlap: Overlap::Allow,
            priority: 0,
            catch_up: Duration::from_secs(60),
        },
        input: Payload::null(),
        next_at: Some(at(60)),
    }
}

/// All that can happen to a schedule, in order.
async fn change_all(plain: &PostgresStore, store: &PostgresStore, name: &str, base: u128) -> Vec<MemberResult> {
    let by = || "ada".to_owned();
    let mut answers = Vec::new();
    for number in 0..6 {
        let name = name.to_owned();
        let change = match number {
            0 => ScheduleChange::Declare(declared(&name)),
            1 => ScheduleChange::Tick(Tick {
                revision: schedule(plain, &name).await.revision,
                starts: vec![(at(60), new_run(base)), (at(120), new_run(base + 1))],
                skipped: 1,
                missed: 2,
                next_at: Some(at(180)),
                name,
            }),
            2 => ScheduleChange::Pause { name, by: by() },
            3 => ScheduleChange::Resume {
                by: by(),
                revision: schedule(plain, &name).await.revision,
                next_at: Some(at(240)),
                name,
            },
            4 => ScheduleChange::Trigger {
                name,
                by: by(),
                run: new_run(base + 2),
            },
            _ => ScheduleChange::Remove { name },
        };
        let members: Arc<[_]> = [Change::Schedule(change).into()].into();
        answers.extend(insist(async || store.commit(members.clone()).await).await);
    }
    answers
}

#[tokio::test]
async fn a_schedule_changes_once_wherever_the_line_breaks() {
    let scissors = Scissors::default();
    let (_database, plain, store) = two(scissors.hook()).await;
    for place in 0.. {
        let (name, base) = (format!("bell-{place}"), place as u128 * 10 + 1);
        scissors.arm(place);
        let answers = change_all(&plain, &store, &name, base).await;
        for (number, answer) in answers.iter().enumerate() {
            // A tick that is applied again is too late: the row tells what became of it.
            let late = number == 1 && *answer == Err(Refusal::ScheduleChanged(name.clone()));
            let known = matches!(answer, Ok(Outcome::Scheduled { .. }));
            assert!(late || known, "place {place}, change {number}: {answer:?}");
        }
        let row = schedule(&plain, &name).await;
        let counted = (row.revision, row.started, row.skipped, row.missed, row.triggers);
        assert_eq!(counted, (6, 2, 1, 2, 1), "place {place}");
        assert!(row.removed_at.is_some() && row.paused.is_none());
        assert_eq!(row.last_run, Some(run_id(base + 2)));
        assert_eq!(runs(&plain).await.len(), (place + 1) * 3, "place {place}");
        if scissors.is_armed() {
            let cut = scissors.cut.lock().unwrap().clone();
            let after = cut.iter().filter(|at| *at == "AfterCommit").count();
            assert_eq!(after, 6, "six transactions: {cut:?}");
            return;
        }
    }
}
