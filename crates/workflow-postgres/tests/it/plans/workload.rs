//! All that claims and commits do, each alone and all that may share a statement together.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::{Change, Claim, Command, CommandKind, Ending, Lease, Member, NewRun, Next, Purge, Store};
use lumina_workflow::{FlowLimits, Payload};
use lumina_workflow_postgres::PostgresStore;

use crate::opened::*;

/// Changes of every kind, and the claims between them.
pub async fn change(store: &PostgresStore) {
    begin(store).await;
    let claimed = store.claim(limited()).await.unwrap();
    assert!(claimed.len() > 12, "{}", claimed.len());
    let leases: Vec<Lease> = claimed.iter().map(|claimed| claimed.lease).collect();
    store.renew(leases.clone(), Duration::from_secs(60)).await.unwrap();
    for (three, together) in leases.chunks(3).take(4).zip([true, false, true, false]) {
        go_on(store, three, together).await;
        give_back(store, three, together).await;
    }
    block(store, leases[12]).await;
    command(store).await;
    store.claim(limited()).await.unwrap();
    let takeover = Claim {
        takeover: true,
        ..limited()
    };
    store.claim(takeover).await.unwrap();
    purge(store).await;
}

/// What an idle process asks, and a busy one between its claims.
pub async fn ask(store: &PostgresStore) {
    let nobody = Claim {
        definitions: Arc::new([]),
        known_since: Timestamp::UNIX_EPOCH,
        ..claim()
    };
    for _ in 0..2 {
        store.claim(nobody.clone()).await.unwrap();
        store.next_due().await.unwrap();
    }
}

fn limited() -> Claim {
    let limits = FlowLimits {
        in_flight: Some(100),
        in_flight_per_key: Some(1),
        ..FlowLimits::default()
    };
    Claim {
        flows: Arc::new([(WORKFLOW.to_owned(), limits)]),
        ..claim()
    }
}

async fn send(store: &PostgresStore, members: Vec<Member>, together: bool) {
    if together {
        let answers = store.commit(members.into()).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        return;
    }
    for member in members {
        apply(store, member).await.unwrap();
    }
}

/// Runs, some of them with a flow key, one for code that nobody here has, and events for what is not there yet.
async fn begin(store: &PostgresStore) {
    let foreign = NewRun {
        workflow: "other".to_owned(),
        ..new_run(500)
    };
    apply(store, Change::Start(foreign)).await.unwrap();
    for (base, together) in [(1, true), (101, false)] {
        let new = |number: u128| NewRun {
            start_key: Some(format!("start-{}", base + number)),
            flow_key: (number >= 9).then(|| "a".to_owned()),
            ..new_run(base + number)
        };
        let starts = (0..12).map(|number| Change::Start(new(number)).into()).collect();
        send(store, starts, together).await;
        let early = [
            event(&format!("a-{base}"), key("early-0")),
            event(&format!("b-{base}"), run_id(900)),
        ];
        let early = early.into_iter().map(|event| Change::Emit(event).into()).collect();
        send(store, early, together).await;
    }
}

fn name_of(lease: &Lease) -> String {
    format!("key-{}", lease.run)
}

/// Each registers keys, and events come in for the runs and by the keys.
async fn go_on(store: &PostgresStore, leases: &[Lease], together: bool) {
    let mut members: Vec<Member> = Vec::new();
    for lease in leases {
        let mut first = step(*lease, 0, Some(Payload::null()), Next::Running);
        first.keys = vec![key(&name_of(lease))];
        if lease.run == run_id(1) {
            first.keys.push(key("early-0"));
        }
        members.push(Change::Advance(first).into());
        members.push(Change::Emit(event("to-it", lease.run)).into());
        members.push(Change::Emit(event("by-key", key(&name_of(lease)))).into());
    }
    send(store, members, together).await;
}

/// One parks, one is ready again, one ends; more comes in.
async fn give_back(store: &PostgresStore, leases: &[Lease], together: bool) {
    let nexts = [
        Next::Park {
            wake_at: Some(moment()),
        },
        Next::Release,
        Next::Finish(Ending::Completed(Payload::null())),
    ];
    let mut members: Vec<Member> = Vec::new();
    for (lease, next) in leases.iter().zip(nexts) {
        let mut last = step(*lease, 1, Some(Payload::null()), next);
        last.consumed = vec![1];
        members.push(Change::Advance(last).into());
        members.push(Change::Emit(event("more", key(&name_of(lease)))).into());
    }
    send(store, members, together).await;
}

async fn block(store: &PostgresStore, lease: Lease) {
    let block = Next::Block {
        reason: "other steps".to_owned(),
        hash: HASH,
    };
    apply(store, Change::Advance(step(lease, 0, Some(Payload::null()), block)))
        .await
        .unwrap();
}

async fn command(store: &PostgresStore) {
    for what in [CommandKind::Pause, CommandKind::Resume, CommandKind::Cancel] {
        let command = Command {
            run: run_id(112),
            what,
            by: "ada".to_owned(),
        };
        apply(store, Change::Command(command)).await.unwrap();
    }
}

async fn purge(store: &PostgresStore) {
    let purge = Purge {
        before: store.now().await.unwrap() + Duration::from_secs(60),
        workflow: None,
        limit: 10,
    };
    store.purge(purge).await.unwrap();
}
