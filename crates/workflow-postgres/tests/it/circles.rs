//! Two groups that want the same keys or runs, each in an order of its own: neither waits for the other in a circle,
//! which the server would notice after a second, and end one of them.

use lumina_workflow::RunId;
use lumina_workflow::store::{Advance, Change, Lease, Member, MemberResult, Next, Refusal, Store};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::{Options, PostgresStore};
use tokio::task::JoinHandle;

use crate::gate::Gate;
use crate::opened::*;

/// What two processes do.
struct Pair {
    held: Vec<Member>,
    other: Vec<Member>,
    /// Whether they want the same, so that one of them is refused.
    rivals: bool,
    /// What is in the runs' inboxes when both have done it.
    found: Vec<(RunId, Vec<&'static str>)>,
}

/// Plays the pair in a database whose texts are in the order of their bytes, and in one where they are in a language's:
/// whatever sorts keys has to sort them as all others do.
async fn play(prepare: impl AsyncFn(&PostgresStore, u128) -> Pair) {
    let database = Database::empty("engine");
    play_in(&|| database.options(), &prepare).await;
    let address = make_in_a_language(&database).await;
    play_in(&|| Options::new(&address).unwrap(), &prepare).await;
    remove_beside(&database);
}

/// At each moment of the first: it is held there, the other goes as far as it can, and both go on. Each of the two
/// transactions is begun once, so none was ended because they waited for each other.
async fn play_in(options: &impl Fn() -> Options, prepare: &impl AsyncFn(&PostgresStore, u128) -> Pair) {
    let (gate, free) = (Gate::default(), Gate::default());
    let plain = open(options()).await;
    let held = open(options().hook(gate.hook())).await;
    let other = open(options().hook(free.hook())).await;
    for place in 0.. {
        let pair = prepare(&plain, place as u128 * 10 + 1).await;
        free.disarm();
        gate.arm(place);
        let first = commit(&held, pair.held);
        let reached = gate.is_reached().await;
        let second = commit(&other, pair.other);
        as_far_as_it_goes(&second).await;
        gate.open();
        for answers in [first.await.unwrap(), second.await.unwrap()] {
            let is_as_told = |answer: &MemberResult| match answer {
                Err(Refusal::KeyTaken { .. }) => pair.rivals,
                answer => answer.is_ok(),
            };
            assert!(answers.iter().all(is_as_told), "moment {place}: {answers:?}");
        }
        assert_eq!((gate.begun(), free.begun()), (1, 1), "moment {place}");
        for (run, ids) in pair.found {
            assert_eq!(inbox_ids(&plain, Some(run)).await, ids, "moment {place}");
        }
        claimed(&plain).await;
        if !reached {
            assert!(place > 8, "only {place} moments");
            return;
        }
    }
}

fn commit(store: &PostgresStore, members: Vec<Member>) -> JoinHandle<Vec<MemberResult>> {
    let store = store.clone();
    tokio::spawn(async move { store.commit(members.into()).await.unwrap() })
}

/// The name of the database beside this one.
fn beside(database: &Database) -> (String, String) {
    let address = database.address();
    let name = address
        .split(' ')
        .find_map(|part| part.strip_prefix("dbname="))
        .unwrap();
    let other = format!("{name}_beside");
    let address = address.replace(&format!("dbname={name}"), &format!("dbname={other}"));
    (other, address)
}

/// A new database beside this one, where capitals do not come before all small letters. Answers its address.
async fn make_in_a_language(database: &Database) -> String {
    let (name, address) = beside(database);
    remove_beside(database);
    let rows = ask(&database.address(), "SELECT current_setting('server_version_num')::int").await;
    let order = match rows[0].get::<_, i32>(0) {
        150_000.. => "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'",
        // Before them only the system has languages.
        _ => "LC_COLLATE 'en_US.utf8' LC_CTYPE 'en_US.utf8'",
    };
    database.execute(&format!("CREATE DATABASE {name} {order} TEMPLATE template0"));
    let rows = ask(&address, "SELECT 'a' < 'B'").await;
    assert!(rows[0].get::<_, bool>(0), "its texts are in the order of their bytes");
    address
}

fn remove_beside(database: &Database) {
    let (name, _) = beside(database);
    database.execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
}

async fn ask(address: &str, sql: &str) -> Vec<tokio_postgres::Row> {
    let (client, line) = tokio_postgres::connect(address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(line);
    client.query(sql, &[]).await.unwrap()
}

/// Two keys that nobody holds, in their order.
fn names(number: u128) -> [String; 2] {
    [format!("B-{number}"), format!("a-{number}")]
}

async fn two_running(store: &PostgresStore, number: u128) -> [Lease; 2] {
    [running(store, number).await, running(store, number + 1).await]
}

fn registers(leases: [Lease; 2], names: &[String; 2]) -> Vec<Member> {
    let steps = leases.into_iter().zip(names);
    steps.map(|(lease, name)| registering(lease, name).into()).collect()
}

fn sends(names: &[String; 2]) -> Vec<Member> {
    let events = names.iter().map(|name| Change::Emit(event("e", key(name))));
    events.map(Member::from).collect()
}

fn backwards(mut members: Vec<Member>) -> Vec<Member> {
    members.reverse();
    members
}

#[tokio::test]
async fn events_held_while_their_keys_are_registered() {
    play(async |store, number| {
        let (leases, names) = (two_running(store, number).await, names(number));
        Pair {
            held: backwards(sends(&names)),
            other: registers(leases, &names),
            rivals: false,
            found: leases.map(|lease| (lease.run, vec!["e"])).into(),
        }
    })
    .await;
}

/// Steps that begin runs as well are applied one by one.
#[tokio::test]
async fn registrations_held_while_events_for_their_keys_come() {
    play(async |store, number| {
        let (leases, names) = (two_running(store, number).await, names(number));
        let step = |nth: usize| Advance {
            keys: vec![key(&names[nth])],
            starts: vec![new_run(number + 5 + nth as u128)],
            ..bare(leases[nth], 0, Next::Running)
        };
        Pair {
            held: [1, 0].map(|nth| Change::Advance(step(nth)).into()).into(),
            other: sends(&names),
            rivals: false,
            found: leases.map(|lease| (lease.run, vec!["e"])).into(),
        }
    })
    .await;
}

#[tokio::test]
async fn a_step_that_registers_two_keys_held_while_events_for_them_come() {
    play(async |store, number| {
        let (lease, names) = (running(store, number).await, names(number));
        let step = Advance {
            keys: names.iter().rev().map(|name| key(name)).collect(),
            ..bare(lease, 0, Next::Running)
        };
        Pair {
            held: vec![Change::Advance(step).into()],
            other: sends(&names),
            rivals: false,
            found: vec![(lease.run, vec!["e", "e"])],
        }
    })
    .await;
}

/// One takes them one by one, the others in one statement. Whoever comes second is refused.
#[tokio::test]
async fn a_step_that_registers_two_keys_held_while_others_register_them() {
    play(async |store, number| {
        let (leases, names) = (two_running(store, number).await, names(number));
        let step = Advance {
            keys: names.iter().rev().map(|name| key(name)).collect(),
            ..bare(running(store, number + 2).await, 0, Next::Running)
        };
        Pair {
            held: vec![Change::Advance(step).into()],
            other: registers(leases, &names),
            rivals: true,
            found: vec![],
        }
    })
    .await;
}

#[tokio::test]
async fn a_step_that_sends_to_two_keys_held_while_they_are_registered() {
    play(async |store, number| {
        let (leases, names) = (two_running(store, number).await, names(number));
        let sender = running(store, number + 2).await;
        let step = Advance {
            emits: names.iter().rev().map(|name| event("e", key(name))).collect(),
            ..bare(sender, 0, Next::Running)
        };
        Pair {
            held: vec![Change::Advance(step).into()],
            other: registers(leases, &names),
            rivals: false,
            found: leases.map(|lease| (lease.run, vec!["e"])).into(),
        }
    })
    .await;
}

/// Runs as well are locked in one order, whichever of them a step is about.
#[tokio::test]
async fn a_step_that_sends_to_a_run_held_while_both_are_sent_to() {
    play(async |store, number| {
        let [receiver, sender] = two_running(store, number).await;
        let step = Advance {
            emits: vec![event("e", receiver.run)],
            ..bare(sender, 0, Next::Running)
        };
        let events = [receiver, sender].map(|lease| Change::Emit(event("f", lease.run)).into());
        Pair {
            held: vec![Change::Advance(step).into()],
            other: events.into(),
            rivals: false,
            found: vec![(sender.run, vec!["f"])],
        }
    })
    .await;
}

/// A group finds that a key which it sends to was registered while it looked, by a run that somebody else has, who wants
/// what the group has. It lets go of everything and begins anew, and all of it is done once.
#[tokio::test]
async fn a_group_that_was_overtaken_lets_go_of_what_it_has() {
    let (gate, between) = (Gate::default(), Gate::default());
    let (database, plain, held) = two(gate.hook()).await;
    let other = open(database.options().hook(between.hook())).await;
    let [owner, second] = two_running(&plain, 1).await;
    gate.arm_at("SELECT k.namespace");
    let sends = [
        Change::Emit(event("by key", key("k"))),
        Change::Emit(event("e", second.run)),
    ];
    let group = commit(&held, sends.map(Member::from).into());
    assert!(
        gate.is_reached().await,
        "it has the second run, and has yet to see who holds the key"
    );
    assert!(apply(&plain, registering(owner, "k")).await.is_ok());
    between.disarm();
    let events = [owner, second].map(|lease| Change::Emit(event("f", lease.run)).into());
    let both = commit(&other, events.into());
    waits_for_a_lock(&database).await;
    gate.open();
    for answers in [group.await.unwrap(), both.await.unwrap()] {
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
    let passed = gate.passed();
    let overtaken = passed.iter().position(|said| said.contains("SKIP LOCKED")).unwrap();
    assert!(passed[overtaken + 1].starts_with("BEGIN"), "{passed:?}");
    assert_eq!((gate.begun(), between.begun()), (2, 1), "{passed:?}");
    assert_eq!(sorted_inbox(&plain, owner.run).await, ["by key", "f"]);
    assert_eq!(sorted_inbox(&plain, second.run).await, ["e", "f"]);
    assert!(inbox_ids(&plain, None).await.is_empty());
}

async fn sorted_inbox(store: &PostgresStore, run: RunId) -> Vec<String> {
    let mut ids = inbox_ids(store, Some(run)).await;
    ids.sort();
    ids
}

/// Waits until a transaction in this database waits for another one.
async fn waits_for_a_lock(database: &Database) {
    const SQL: &str = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() \
         AND wait_event_type = 'Lock') LOOP PERFORM pg_sleep(0.005), pg_stat_clear_snapshot(); END LOOP; END $$";
    let waited = tokio::time::timeout(PATIENCE, ask(&database.address(), SQL)).await;
    waited.unwrap();
}
