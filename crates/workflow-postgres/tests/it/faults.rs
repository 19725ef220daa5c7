//! The connection breaks, before any statement of a call and around its commit: nothing is lost, and nothing happens
//! twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lumina_workflow::store::{Change, Ending, InboxQuery, Member, MemberResult, Next, Store, StoreError};
use lumina_workflow::{Payload, StepError};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::tokio_postgres::types::Type;
use lumina_workflow_postgres::{PostgresStore, Script, attach};

use crate::opened::*;
use crate::scissors::Scissors;

const TALLY: Script = Script {
    name: "0001_tally",
    sql: "CREATE TABLE tally (n bigint NOT NULL)",
};

/// As the pipeline does: while nobody knows, it is applied again.
async fn commit(store: &PostgresStore, members: Vec<Member>) -> (Vec<MemberResult>, bool) {
    let members: Arc<[Member]> = members.into();
    let mut unknown = false;
    loop {
        match store.commit(members.clone()).await {
            Ok(answers) => return (answers, unknown),
            Err(StoreError::OutcomeUnknown(_)) => unknown = true,
            Err(error) => panic!("{error}"),
        }
    }
}

/// A group with everything: starts, events, steps with and without an attachment, ends.
async fn mixed_group(store: &PostgresStore, base: u128) -> Vec<Member> {
    let (first, second, third) = (
        running(store, base).await,
        running(store, base + 1).await,
        running(store, base + 2).await,
    );
    let name = format!("key-{base}");
    let mut register = step(first, 0, Some(Payload::from_stored("1")), Next::Park { wake_at: None });
    register.keys = vec![key(&name)];
    register.guard = Some(0);
    let count = attach(|tx| {
        Box::pin(async move {
            tx.execute("INSERT INTO lumina.tally VALUES ($1)", &[(&1_i64, Type::INT8)])
                .await?;
            Ok(Payload::from_stored("9"))
        })
    });
    let end = Next::Finish(Ending::Completed(Payload::from_stored("2")));
    vec![
        Change::Start(new_run(base + 3)).into(),
        Change::Advance(register).into(),
        Change::Emit(event(&format!("for-key-{base}"), key(&name))).into(),
        Change::Emit(event(&format!("early-{base}"), run_id(base + 9))).into(),
        Member {
            change: Change::Advance(step(second, 0, None, Next::Running)),
            attach: Some(count),
        },
        Change::Advance(step(third, 0, Some(Payload::from_stored("3")), end)).into(),
    ]
}

/// An attachment that says no, so that its group is taken back and done again in parts.
fn refused(base: u128) -> Member {
    let refuse = attach(|tx| {
        Box::pin(async move {
            tx.execute("INSERT INTO lumina.tally VALUES ($1)", &[(&2_i64, Type::INT8)])
                .await?;
            Err(StepError::fail("the application says no").into())
        })
    });
    Member {
        change: nothing(base),
        attach: Some(refuse),
    }
}

#[tokio::test]
async fn a_group_is_applied_once_wherever_the_line_breaks() {
    cut_everywhere(false, 1).await;
}

#[tokio::test]
async fn a_group_in_parts_is_applied_once_wherever_the_line_breaks() {
    cut_everywhere(true, 3).await;
}

/// Each moment of a group's commit in turn: whatever was applied, applied again it is there once.
async fn cut_everywhere(refusing: bool, commits: usize) {
    let scissors = Scissors::default();
    let database = Database::fresh();
    let plain = open(database.options()).await;
    plain.migrate("app", &[TALLY]).await.unwrap();
    let store = open(database.options().hook(scissors.hook())).await;
    let mut unknown = 0;
    for place in 0.. {
        let base = 100 * (place as u128 + 1);
        let mut members = mixed_group(&plain, base).await;
        members.extend(refusing.then(|| refused(base)));
        scissors.arm(place);
        let (mut answers, was_unknown) = commit(&store, members).await;
        unknown += usize::from(was_unknown);
        if refusing {
            assert!(answers.pop().unwrap().is_err(), "place {place}");
        }
        assert!(answers.iter().all(Result::is_ok), "place {place}: {answers:?}");
        let tally = plain.read("SELECT count(*) FROM lumina.tally", &[]).await.unwrap();
        assert_eq!(tally[0].get::<_, i64>(0), place as i64 + 1, "place {place}");
        assert_eq!(inbox_ids(&plain, Some(run_id(base))).await, [format!("for-key-{base}")]);
        assert_eq!(row(&plain, run_id(base)).await.inbox, 1, "place {place}");
        let histories = [(base, 1), (base + 1, 1), (base + 2, 1), (base + 3, 0)];
        for (number, records) in histories {
            assert_eq!(
                row(&plain, run_id(number)).await.seq.0,
                records,
                "place {place}, run {number}"
            );
        }
        // Nothing that is ready is left for the next round.
        claimed(&plain).await;
        if scissors.is_armed() {
            let cut = scissors.cut.lock().unwrap().clone();
            assert!(cut.len() > 20, "{cut:?}");
            let after = cut.iter().filter(|at| *at == "AfterCommit").count();
            assert_eq!(after, commits, "so many transactions: {cut:?}");
            // After the commit nobody knows; nor is anything certain once a part is committed.
            assert!(unknown >= commits);
            return;
        }
    }
}

/// A claim whose commit is lost is told as unknown: the runs are somebody's until their lease is over, and no run is
/// given to two.
#[tokio::test]
async fn a_claim_gives_a_run_once_wherever_the_line_breaks() {
    let scissors = Scissors::default();
    let (_database, plain, store) = two(scissors.hook()).await;
    for place in 0.. {
        let run = start(&plain, place as u128 + 1).await;
        scissors.arm(place);
        let mut given = match store.claim(claim()).await {
            Ok(claimed) => claimed.len() as u64,
            // Nobody knows whom it is given to, if it is.
            Err(StoreError::OutcomeUnknown(_)) => row(&plain, run).await.epoch.0,
            Err(error) => panic!("{error}"),
        };
        // Until the server notices that a line is gone, what was done on it keeps others from the run.
        while row(&plain, run).await.epoch.0 == 0 {
            given += claimed(&plain).await.len() as u64;
        }
        given += claimed(&plain).await.len() as u64;
        let epoch = row(&plain, run).await.epoch.0;
        assert_eq!((given, epoch), (1, 1), "place {place}");
        if scissors.is_armed() {
            return;
        }
    }
}

/// Reads are repeated on another line.
#[tokio::test]
async fn a_read_outlives_its_line() {
    let scissors = Scissors::default();
    let (_database, plain, store) = two(scissors.hook()).await;
    start(&plain, 1).await;
    scissors.arm(0);
    assert_eq!(runs(&store).await, [run_id(1)]);
    scissors.arm(0);
    let query = InboxQuery {
        run: Some(run_id(1)),
        after: 0,
        limit: 1,
    };
    assert!(store.inbox(query).await.unwrap().events.is_empty());
    assert!(!scissors.is_armed());
}

/// Two groups that lock in opposite orders, as attachments may: one of them waits, or is repeated. Both are applied.
#[tokio::test]
async fn a_deadlock_is_repeated() {
    let database = Database::fresh();
    let store = open(database.options()).await;
    store.migrate("app", &[TALLY]).await.unwrap();
    database.execute("INSERT INTO lumina.tally VALUES (1), (2)");
    let tries = Arc::new(AtomicUsize::new(0));
    let gate = Arc::new(tokio::sync::Barrier::new(2));
    let crossing = |first: i64, second: i64| {
        let (tries, gate) = (tries.clone(), gate.clone());
        attach(move |tx| {
            let (tries, gate) = (tries.clone(), gate.clone());
            Box::pin(async move {
                const SQL: &str = "UPDATE lumina.tally SET n = n + 10 WHERE n % 10 = $1";
                tx.execute(SQL, &[(&first, Type::INT8)]).await?;
                if tries.fetch_add(1, Ordering::SeqCst) < 2 {
                    gate.wait().await;
                }
                tx.execute(SQL, &[(&second, Type::INT8)]).await?;
                Ok(Payload::null())
            })
        })
    };
    let member = |number, attach| Member {
        change: nothing(number),
        attach: Some(attach),
    };
    let (one, other) = tokio::join!(
        apply(&store, member(1, crossing(1, 2))),
        apply(&store, member(2, crossing(2, 1)))
    );
    assert!(one.is_ok() && other.is_ok());
    assert_eq!(tries.load(Ordering::SeqCst), 3, "one of them was repeated once");
    let rows = store.read("SELECT n FROM lumina.tally ORDER BY n", &[]).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [21, 22]);
}

/// A read-only server refuses for now, and is tried on a new line the next time.
#[tokio::test]
async fn a_server_that_only_reads_is_unavailable() {
    let database = Database::fresh();
    let store = open(database.options()).await;
    // What a standby says after a failover.
    let refusing = attach(|tx| {
        Box::pin(async move {
            tx.client()
                .batch_execute("SET TRANSACTION READ ONLY; CREATE TABLE lumina.x (n bigint)")
                .await?;
            Ok(Payload::null())
        })
    });
    let member = Member {
        change: nothing(1),
        attach: Some(refusing),
    };
    let error = store.commit(Arc::new([member])).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Unavailable(said) if said.contains("it only reads")),
        "{error}"
    );
    start(&store, 1).await;
}
