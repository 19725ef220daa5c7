//! The application's writes, and what their failures do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lumina_workflow::Payload;
use lumina_workflow::store::{Change, Delivery, Member, MemberResult, Outcome, Refusal, Store};
use lumina_workflow_sqlite::{AttachError, Mode, Script, SqliteStore, attach};

use crate::opened::*;

const INVOICES: Script = Script {
    name: "0001_invoice",
    sql: "CREATE TABLE invoice (number INTEGER PRIMARY KEY, paid INTEGER NOT NULL CHECK (paid >= 0)) STRICT;
          INSERT INTO invoice VALUES (1, 0)",
};

async fn opened(mode: Mode) -> (Folder, SqliteStore) {
    let folder = Folder::new();
    let store = folder.executor(mode);
    store.migrate("app", &[INVOICES]).await.unwrap();
    (folder, store)
}

async fn paid(store: &SqliteStore) -> Vec<i64> {
    let sql = "SELECT paid FROM invoice ORDER BY number";
    let read = store.read(move |conn| {
        conn.prepare(sql)?
            .query_map([], |row| row.get(0))?
            .collect::<Result<Vec<i64>, _>>()
    });
    read.await.unwrap().unwrap()
}

fn refusal(answer: &MemberResult) -> String {
    match answer {
        Err(Refusal::Attachment(error)) => error.message.clone(),
        other => panic!("{other:?}"),
    }
}

/// Whatever goes wrong in one attachment costs its own member: what it wrote is taken back,
/// its neighbours are applied, and the store goes on.
#[tokio::test]
async fn a_failing_attachment_costs_its_own_member() {
    for mode in MODES {
        let (_folder, store) = opened(mode).await;
        let panicking = attach(|tx| {
            tx.connection().execute("UPDATE invoice SET paid = 99", [])?;
            panic!("on purpose");
        });
        let cases = [
            (
                "CHECK constraint failed",
                executing("UPDATE invoice SET paid = 99; UPDATE invoice SET paid = -1"),
            ),
            (
                "no such table: bills",
                executing("UPDATE invoice SET paid = 99; DELETE FROM bills"),
            ),
            ("panicked", panicking),
        ];
        for (number, (message, attachment)) in (10..).step_by(10).zip(cases) {
            let members: [Member; 3] = [
                Change::Start(new_run(number)).into(),
                with(Change::Start(new_run(number + 1)), attachment),
                with(nothing(number), executing("UPDATE invoice SET paid = paid + 1")),
            ];
            let answers = store.commit(members.into()).await.unwrap();
            assert_eq!(answers[0], Ok(Outcome::Started));
            assert!(refusal(&answers[1]).contains(message), "{answers:?}");
            assert_eq!(
                answers[2],
                Ok(Outcome::Done {
                    payload: Some(Payload::null())
                })
            );
        }
        assert_eq!(paid(&store).await, [3]);
        assert_eq!(
            runs(&store).await.iter().map(|run| run.id).collect::<Vec<_>>(),
            [30, 20, 10].map(run_id)
        );
    }
}

/// An attachment that says no before it has written costs its group nothing. One that says it afterwards has the group
/// done again, so that what it wrote can be taken back alone.
#[tokio::test]
async fn only_a_refusal_after_writes_begins_the_group_anew() {
    for (writes_first, times) in [(false, 1), (true, 2)] {
        for mode in MODES {
            let (_folder, store) = opened(mode).await;
            let ran = Arc::new(AtomicUsize::new(0));
            let counter = ran.clone();
            let counting = attach(move |tx| {
                counter.fetch_add(1, Ordering::SeqCst);
                tx.connection().execute("UPDATE invoice SET paid = paid + 1", [])?;
                Ok(Payload::null())
            });
            let refusing = attach(move |tx| {
                if writes_first {
                    tx.connection().execute("UPDATE invoice SET paid = 99", [])?;
                }
                Err(lumina_workflow::StepError::retry("not yet").into())
            });
            let members: [Member; 3] = [
                with(nothing(1), counting),
                with(nothing(2), refusing),
                Change::Start(new_run(1)).into(),
            ];
            let answers = store.commit(members.into()).await.unwrap();
            assert_eq!(refusal(&answers[1]), "not yet");
            assert!(answers[0].is_ok() && answers[2] == Ok(Outcome::Started), "{answers:?}");
            assert_eq!((paid(&store).await, ran.load(Ordering::SeqCst)), (vec![1], times));
        }
    }
}

/// What an attachment starts and emits is there when the group is, and wakes whoever it concerns.
#[tokio::test]
async fn an_attachment_starts_and_emits() {
    for mode in MODES {
        let (_folder, store) = opened(mode).await;
        let writes = attach(|tx| {
            assert_eq!(tx.start(&new_run(2))?, Outcome::Started);
            assert_eq!(tx.emit(&event("paid", run_id(2)))?, Delivery::Routed(run_id(2)));
            assert_eq!(tx.emit(&event("paid", run_id(2)))?, Delivery::Duplicate);
            Ok(Payload::from_stored(tx.now().as_second().to_string()))
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
}

/// Names come from strangers: an event that no wait could match is refused, and named.
#[tokio::test]
async fn an_overlong_event_is_refused() {
    let (_folder, store) = opened(Mode::Inline).await;
    let writes = attach(|tx| {
        tx.emit(&event(&"e".repeat(201), run_id(1)))?;
        Ok(Payload::null())
    });
    let answer = apply(&store, with(nothing(1), writes)).await;
    assert!(
        refusal(&answer).contains("id must have 1 to 200 bytes, this has 201"),
        "{answer:?}"
    );
}

/// An attachment that ends the transaction breaks the rules of the whole group; the store goes on.
#[tokio::test]
async fn a_transaction_is_not_the_attachments_to_end() {
    let (_folder, store) = opened(Mode::Threads).await;
    let member = with(nothing(1), executing("ROLLBACK"));
    let error = store.commit(std::sync::Arc::new([member])).await.unwrap_err();
    assert!(error.to_string().contains("ended the transaction"), "{error}");
    start(&store, 1).await;
}

/// The errors that an attachment can meet turn into its own by themselves.
#[test]
fn errors_convert() {
    let refused = AttachError::from(lumina_workflow::StepError::retry("not yet"));
    assert_eq!(refused.to_string(), "not yet");
    let sql = AttachError::from(lumina_workflow_sqlite::rusqlite::Error::QueryReturnedNoRows);
    assert!(matches!(sql, AttachError::Sql(_)));
}
