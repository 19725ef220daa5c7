//! What is looked at when all is over: does the store have what it has promised?

use std::future::Future;
use std::task::{Context, Poll, Waker};

use lumina_workflow::Seq;
use lumina_workflow::store::{Ending, InboxQuery, RunQuery, RunRow, RunStatus, Store};

use crate::stage::Stage;

/// More than any simulation has.
const ALL: usize = 1_000_000;

/// An inline call is complete when it is first polled.
pub(crate) fn inline<T>(call: impl Future<Output = T>) -> T {
    let call = std::pin::pin!(call);
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("a call of an inline store does not wait"),
    }
}

/// All runs of a store.
pub(crate) fn rows(store: &dyn Store) -> Vec<RunRow> {
    let query = RunQuery {
        limit: ALL,
        ..RunQuery::default()
    };
    inline(store.runs(query)).expect("the store answers").items
}

/// Compares what the store has with what was committed.
pub(crate) fn inspect(stage: &Stage) {
    let store = stage.backend().store();
    let rows = rows(&*store);
    for id in stage.watch.runs() {
        if !rows.iter().any(|row| row.id == id) {
            stage
                .watch
                .blame(format!("{}: was started, and is not there", stage.watch.name(id)));
        }
    }
    rows.iter().for_each(|row| inspect_run(stage, &*store, row));
    inspect_events(stage, &*store, &rows);
}

fn inspect_run(stage: &Stage, store: &dyn Store, row: &RunRow) {
    let watch = &stage.watch;
    let blame = |what: &str| watch.blame(format!("{}: {what}", watch.name(row.id)));
    let stored = inline(store.history(row.id, Seq(0), ALL)).expect("the store answers");
    let history: Vec<_> = stored.iter().map(|stored| stored.record.clone()).collect();
    if history != watch.records(row.id) {
        blame("its history is not what was committed");
    }
    let superseded: Vec<_> = stored.iter().map(|stored| stored.superseded).collect();
    if superseded != watch.superseded(row.id) {
        blame("its history says of another record that it counts no more");
    }
    let counted = stored.iter().zip(1..).all(|(stored, place)| stored.seq == Seq(place));
    if !counted || row.seq.0 != stored.len() as u64 {
        blame("its sequence does not count its records");
    }
    if watch.ending(row.id) != ending(row) {
        blame("its row does not say how it has ended");
    }
    if watch.cancelled_by(row.id).is_some() && row.status.is_end() && row.status != RunStatus::Cancelled {
        blame("its cancel was effective, and it ended otherwise");
    }
    let inbox = InboxQuery {
        run: Some(row.id),
        after: 0,
        limit: ALL,
    };
    let inbox = inline(store.inbox(inbox)).expect("the store answers");
    if row.status.is_end() && !inbox.events.is_empty() {
        blame("it has ended, and its inbox has events");
    }
}

fn ending(row: &RunRow) -> Option<Ending> {
    let failure = row.failure.clone();
    match row.status {
        RunStatus::Completed => row.output.clone().map(Ending::Completed),
        RunStatus::Failed => failure.map(Ending::Failed),
        RunStatus::Cancelled => failure.map(Ending::Cancelled),
        _ => None,
    }
}

/// Each event that was stored is consumed, or still there: in an inbox, or unrouted.
fn inspect_events(stage: &Stage, store: &dyn Store, rows: &[RunRow]) {
    let places = rows.iter().map(|row| Some(row.id)).chain([None]);
    let mut there = std::collections::BTreeSet::new();
    for run in places {
        let query = InboxQuery {
            run,
            after: 0,
            limit: ALL,
        };
        let inbox = inline(store.inbox(query)).expect("the store answers");
        for event in inbox.events {
            let (target, id) = (event.target, event.id);
            if stage.watch.is_consumed(&target, &id) {
                stage
                    .watch
                    .blame(format!("event {id} was consumed, and is still there"));
            }
            there.insert((target, id));
        }
    }
    stage.watch.blame_lost_events(&there);
}
