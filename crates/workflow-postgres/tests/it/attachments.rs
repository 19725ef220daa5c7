//! The application's writes, and what their failures do.

use std::sync::Arc;

use lumina_workflow::Payload;
use lumina_workflow::store::{Attachment, Change, Delivery, Member, MemberResult, Outcome, Refusal, Store, StoreError};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::{PostgresStore, Script, attach};

use crate::opened::*;

const INVOICES: Script = Script {
    name: "0001_invoice",
    sql: "CREATE TABLE invoice (number bigint PRIMARY KEY, paid bigint NOT NULL CHECK (paid >= 0));
          INSERT INTO invoice VALUES (1, 0)",
};

async fn opened() -> (Database, PostgresStore) {
    let database = Database::fresh();
    let store = open(database.options()).await;
    store.migrate("app", &[INVOICES]).await.unwrap();
    (database, store)
}

async fn paid(store: &PostgresStore) -> Vec<i64> {
    let rows = store.read("SELECT paid FROM lumina.invoice ORDER BY number", &[]).await;
    rows.unwrap().iter().map(|row| row.get(0)).collect()
}

fn refusal(answer: &MemberResult) -> String {
    match answer {
        Err(Refusal::Attachment(error)) => error.message.clone(),
        other => panic!("{other:?}"),
    }
}

/// An attachment that executes these statements.
fn executing(sql: &'static str) -> Attachment {
    attach(move |tx| {
        Box::pin(async move {
            tx.client().batch_execute(sql).await?;
            Ok(Payload::null())
        })
    })
}

fn with(change: Change, writes: Attachment) -> Member {
    Member {
        change,
        attach: Some(writes),
    }
}

/// Whatever goes wrong in one attachment costs its own member: what it wrote is taken back,
/// its neighbours are applied, and the store goes on.
#[tokio::test]
async fn a_failing_attachment_costs_its_own_member() {
    let (_database, store) = opened().await;
    let panicking = attach(|tx| {
        Box::pin(async move {
            tx.execute("UPDATE lumina.invoice SET paid = 99", &[]).await?;
            panic!("on purpose");
        })
    });
    let swallowing = attach(|tx| {
        Box::pin(async move {
            let _ = tx.execute("UPDATE lumina.invoice SET paid = -1", &[]).await;
            Ok(Payload::null())
        })
    });
    let cases = [
        (
            "violates check constraint",
            executing("UPDATE lumina.invoice SET paid = 99; UPDATE lumina.invoice SET paid = -1"),
        ),
        (
            "relation \"lumina.bills\" does not exist",
            executing("UPDATE lumina.invoice SET paid = 99; DELETE FROM lumina.bills"),
        ),
        ("panicked", panicking),
        ("failed, and it went on", swallowing),
    ];
    for (number, (message, attachment)) in (10..).step_by(10).zip(cases) {
        let members: [Member; 3] = [
            Change::Start(new_run(number)).into(),
            with(Change::Start(new_run(number + 1)), attachment),
            with(nothing(number), executing("UPDATE lumina.invoice SET paid = paid + 1")),
        ];
        let answers = store.commit(members.into()).await.unwrap();
        assert_eq!(answers[0], Ok(Outcome::Started));
        assert!(refusal(&answers[1]).contains(message), "{answers:?}");
        let payload = Some(Payload::null());
        assert_eq!(answers[2], Ok(Outcome::Done { payload }));
    }
    assert_eq!(paid(&store).await, [4]);
    assert_eq!(runs(&store).await, [40, 30, 20, 10].map(run_id));
}

/// What an attachment starts and emits is there when its change is.
#[tokio::test]
async fn an_attachment_starts_and_emits() {
    let (_database, store) = opened().await;
    let writes = attach(|tx| {
        Box::pin(async move {
            assert_eq!(tx.start(&new_run(2)).await?, Outcome::Started);
            assert_eq!(tx.emit(&event("paid", run_id(2))).await?, Delivery::Routed(run_id(2)));
            assert_eq!(tx.emit(&event("paid", run_id(2))).await?, Delivery::Duplicate);
            Ok(Payload::from_stored(tx.now().as_second().to_string()))
        })
    });
    let answer = apply(&store, with(nothing(1), writes)).await.unwrap();
    let Outcome::Done { payload: Some(payload) } = answer else {
        panic!("{answer:?}")
    };
    assert!(payload.decode::<i64>().unwrap() >= moment().as_second());
    let claimed = claimed(&store).await;
    assert_eq!(claimed[0].lease.run, run_id(2));
    assert_eq!(claimed[0].events[0].id, "paid");
}

/// An attachment that ends the transaction breaks the rules of its change; the store goes on.
#[tokio::test]
async fn a_transaction_is_not_the_attachments_to_end() {
    let (_database, store) = opened().await;
    // What such a one commits is there: the change is another one each time.
    for (number, sql) in (1..).zip(["ROLLBACK", "COMMIT", "COMMIT; BEGIN"]) {
        let member = with(nothing(number), executing(sql));
        let error = store.commit(Arc::new([member])).await.unwrap_err();
        assert!(matches!(error, StoreError::Broken(_)), "{error}");
        assert!(error.to_string().contains("ended the transaction"), "{error}");
    }
    start(&store, 1).await;
}

/// Two that come with the same id at once are one: the second waits for the first, and has its answer.
#[tokio::test]
async fn a_change_of_nothing_happens_once_though_it_comes_twice_at_once() {
    let (_database, store) = opened().await;
    let member = || with(nothing(7), executing("UPDATE lumina.invoice SET paid = paid + 1"));
    let both = (0..8).map(|_| apply(&store, member()));
    for answer in futures_util::future::join_all(both).await {
        let payload = Some(Payload::null());
        assert_eq!(answer, Ok(Outcome::Done { payload }));
    }
    assert_eq!(paid(&store).await, [1]);
}
