//! Payloads in the file are encrypted, and what is not is as documented.

use std::time::Duration;

use lumina_workflow::store::{
    Change, Declaration, Ending, InboxQuery, Next, Outcome, RunQuery, RunStatus, ScheduleChange, ScheduleQuery, Store,
    StoreError,
};
use lumina_workflow::{CorrelationKey, NewEvent, Overlap, Payload, RunId, ScheduleSpec, Seq, Timing, What};
use lumina_workflow_sqlite::rusqlite::Connection;
use lumina_workflow_sqlite::{Mode, Options, SqliteStore, attach};
use uuid::Uuid;

use crate::opened::*;

/// Where a payload lies: in which table and column.
const COLUMNS: [(&str, &str); 7] = [
    ("workflow_run", "input"),
    ("workflow_run", "output"),
    ("workflow_record", "payload"),
    ("workflow_inbox", "payload"),
    ("workflow_unrouted", "payload"),
    ("workflow_applied", "payload"),
    ("workflow_schedule", "input"),
];

fn secret(place: &str) -> Payload {
    Payload::encode(&format!("nobody-may-see-this-{place}")).unwrap()
}

fn open(options: Options) -> SqliteStore {
    SqliteStore::open(options).unwrap()
}

fn secret_event(id: &str, target: impl Into<lumina_workflow::Target>) -> NewEvent {
    NewEvent::new(id, target, "paid", secret(id))
}

/// Something secret in every column that has payloads, also by way of attachments.
async fn fill(store: &SqliteStore) {
    let mut new = new_run(1);
    new.input = secret("input");
    apply(store, Change::Start(new)).await.unwrap();
    let lease = claimed(store).await[0].lease;
    let mut two = step(lease, 0, Next::Running);
    two.records[0].what = completed(Some(secret("result")));
    apply(store, Change::Advance(two)).await.unwrap();
    let mut computed = step(lease, 1, Next::Running);
    computed.records[0].what = completed(None);
    let writes = attach(|tx| {
        let mut child = new_run(2);
        child.input = secret("started");
        assert_eq!(tx.start(&child)?, Outcome::Started);
        tx.emit(&secret_event("emitted", run_id(2)))?;
        Ok(secret("computed"))
    });
    apply(store, with(Change::Advance(computed), writes)).await.unwrap();
    let finish = Next::Finish(Ending::Completed(secret("output")));
    let mut last = step(lease, 2, finish);
    last.records[0].what = What::Received {
        events: vec![lumina_workflow::TakenEvent {
            id: "e".to_owned(),
            by: None,
        }],
        payload: secret("received"),
    };
    apply(store, Change::Advance(last)).await.unwrap();
    let unrouted = secret_event("unrouted", CorrelationKey::new("orders", "7"));
    apply(store, Change::Emit(unrouted)).await.unwrap();
    apply(store, with(nothing(9), attach(|_| Ok(secret("answer")))))
        .await
        .unwrap();
    let declared = ScheduleChange::Declare(Declaration {
        name: "daily".to_owned(),
        workflow: "order".to_owned(),
        spec: daily(),
        input: secret("scheduled"),
        next_at: None,
    });
    apply(store, Change::Schedule(declared)).await.unwrap();
}

fn daily() -> ScheduleSpec {
    let day = std::time::Duration::from_secs(86_400);
    ScheduleSpec {
        timing: Timing::Every { period: day },
        start: None,
        end: None,
        overlap: Overlap::Skip,
        catch_up: day,
        priority: 0,
    }
}

fn completed(payload: Option<Payload>) -> What {
    What::Completed { attempt: 1, payload }
}

/// Everything that [`fill`] wrote, as the store reads it.
async fn found(store: &SqliteStore) -> Vec<Payload> {
    let mut found = Vec::new();
    for run in runs(store).await {
        found.push(run.input);
        found.extend(run.output);
        let history = store.history(run.id, Seq(0), 10).await.unwrap();
        found.extend(
            history
                .iter()
                .filter_map(|stored| stored.record.what.payload().cloned()),
        );
    }
    for run in [None, Some(run_id(2))] {
        found.extend(inbox(store, run).await.unwrap());
    }
    let answer = apply(store, with(nothing(9), attach(|_| panic!("it is known")))).await;
    match answer {
        Ok(Outcome::Done { payload }) => found.extend(payload),
        other => panic!("{other:?}"),
    }
    let all = ScheduleQuery {
        name: None,
        after: None,
        limit: 10,
    };
    found.extend(store.schedules(all).await.unwrap().into_iter().map(|row| row.input));
    found
}

async fn inbox(store: &SqliteStore, run: Option<RunId>) -> Result<Vec<Payload>, StoreError> {
    let query = InboxQuery {
        run,
        after: 0,
        limit: 10,
    };
    let inbox = store.inbox(query).await?;
    Ok(inbox.events.into_iter().map(|event| event.payload).collect())
}

fn everything() -> Vec<Payload> {
    let places = [
        "started",
        "input",
        "output",
        "result",
        "computed",
        "received",
        "unrouted",
        "emitted",
        "answer",
        "scheduled",
    ];
    places.map(secret).into()
}

/// Not in the file, nor in the log before it is written back.
#[tokio::test]
async fn no_plain_payload_is_in_the_file() {
    const MARK: &[u8] = b"nobody-may-see-this";
    let has_mark = |bytes: &[u8]| bytes.windows(MARK.len()).any(|window| window == MARK);
    for encrypted in [true, false] {
        let folder = Folder::new();
        let mut options = folder.options().mode(Mode::Inline);
        if encrypted {
            options = options.codec(folder.codec(&[FIRST_KEY]));
        }
        let store = open(options);
        fill(&store).await;
        assert_eq!(found(&store).await, everything());
        let log = std::fs::read(folder.path("lumina.db-wal")).unwrap();
        assert!(log.len() > 10_000, "the log has what was written");
        assert_eq!(has_mark(&log), !encrypted);
        // Written back on closing; a second connection keeps the log from being deleted.
        let other = Connection::open(folder.path("lumina.db")).unwrap();
        let count: i64 = other
            .query_row("SELECT count(*) FROM workflow_run", [], |row| row.get(0))
            .unwrap();
        assert_eq!(count, 2);
        store.close().await.unwrap();
        let file = std::fs::read(folder.path("lumina.db")).unwrap();
        let log = std::fs::read(folder.path("lumina.db-wal")).unwrap();
        assert_eq!(has_mark(&file), !encrypted);
        assert_eq!(has_mark(&log), !encrypted);
    }
}

/// Every column that has payloads has encrypted ones, which are JSON still.
#[tokio::test]
async fn every_column_is_encrypted() {
    let folder = Folder::new();
    let store = open(folder.options().mode(Mode::Inline).codec(folder.codec(&[FIRST_KEY])));
    fill(&store).await;
    let conn = Connection::open(folder.path("lumina.db")).unwrap();
    for (table, column) in COLUMNS {
        let count = |condition: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table} WHERE {column} IS NOT NULL AND {condition}");
            conn.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert!(count("1") > 0, "{table}.{column} has a payload");
        let encrypted = format!("json_valid({column}) AND {column} ->> '$' LIKE 'encoded:first:%'");
        assert_eq!(count(&encrypted), count("1"), "{table}.{column}");
    }
}

/// A new key is put above the old one: what was plain, what is under the old key and what is
/// under the new one are all read, and the same start is recognised whatever its form.
#[tokio::test]
async fn keys_are_replaced_without_a_migration() {
    let folder = Folder::new();
    let keys: [&[&str]; 3] = [&[], &[FIRST_KEY], &[SECOND_KEY, FIRST_KEY]];
    for (number, lines) in (1..).zip(keys) {
        let mut options = folder.options().mode(Mode::Inline);
        if !lines.is_empty() {
            options = options.codec(folder.codec(lines));
        }
        let store = open(options);
        start(&store, number).await;
        for old in 1..=number {
            let existing = |same_input| {
                Ok(Outcome::Existing {
                    run: run_id(old),
                    same_input,
                })
            };
            assert_eq!(apply(&store, Change::Start(new_run(old))).await, existing(true));
            let mut other = new_run(old);
            other.input = secret("another");
            assert_eq!(apply(&store, Change::Start(other)).await, existing(false));
        }
        let inputs: Vec<_> = runs(&store).await.into_iter().map(|run| run.input).collect();
        let expected: Vec<_> = (1..=number).rev().map(|number| new_run(number).input).collect();
        assert_eq!(inputs, expected);
    }
    let conn = Connection::open(folder.path("lumina.db")).unwrap();
    let sql = "SELECT substr(input, 1, 16) FROM workflow_run ORDER BY id";
    let stored: Vec<String> = conn
        .prepare(sql)
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (stored, start) in stored.iter().zip(["1", "\"encoded:first:", "\"encoded:second:"]) {
        assert!(stored.starts_with(start), "{stored}");
    }
}

/// Whoever reads without the key is told which one is needed, and is never shown a JSON error.
/// Nothing is changed: with the key all goes on.
#[tokio::test]
async fn without_its_key_a_value_is_not_read() {
    let folder = Folder::new();
    let encrypting = || folder.options().mode(Mode::Inline).codec(folder.codec(&[FIRST_KEY]));
    let store = open(encrypting());
    fill(&store).await;
    drop(store);
    let wrong_bytes = SECOND_KEY.replace("second", "first");
    let cases: [(Option<&[&str]>, &str); 3] = [
        (
            None,
            "is encoded with the key `first`, and the store was opened without a codec: open it with one that has \
             this key (`Options::codec`)",
        ),
        (
            Some(&[SECOND_KEY]),
            "put this key back into the file, behind the first line",
        ),
        (
            Some(&[&wrong_bytes]),
            "key `first` cannot be opened: it is damaged, or the bytes of this key are not those",
        ),
    ];
    for (lines, expected) in cases {
        let mut options = folder.options().mode(Mode::Inline);
        if let Some(lines) = lines {
            options = options.codec(folder.codec(lines));
        }
        let store = open(options);
        let (first, second) = (run_id(1), run_id(2));
        let mut known = new_run(2);
        known.input = secret("started");
        let one = RunQuery {
            limit: 1,
            ..RunQuery::default()
        };
        let answers = [
            (format!("run {second}: input: "), error(store.runs(one).await)),
            (
                format!("the history of run {first}: payload: "),
                error(store.history(first, Seq(0), 10).await),
            ),
            (
                "event emitted: payload: ".to_owned(),
                error(inbox(&store, Some(second)).await),
            ),
            ("event unrouted: payload: ".to_owned(), error(inbox(&store, None).await)),
            (format!("run {second}: input: "), error(store.claim(claim()).await)),
            (
                format!("run {second}: input: "),
                error(store.commit([Change::Start(known).into()].into()).await),
            ),
            (
                format!("the answer of change {}: payload: ", Uuid::from_u128(9)),
                error(store.commit([nothing(9).into()].into()).await),
            ),
        ];
        for (place, error) in answers {
            assert!(error.contains("lumina.db: "), "{error}");
            assert!(
                error.contains(&place) && error.contains(expected),
                "{error}\nhas no\n{place}{expected}"
            );
        }
    }
    let store = open(encrypting());
    assert_eq!(found(&store).await, everything());
    assert_eq!(claimed(&store).await[0].events[0].payload, secret("emitted"));
}

fn error<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> String {
    match answer {
        Err(StoreError::Broken(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

/// What a stranger sends is data, also when it looks like something encrypted.
#[tokio::test]
async fn what_looks_encrypted_is_data() {
    for encrypted in [false, true] {
        let folder = Folder::new();
        let mut options = folder.options().mode(Mode::Inline);
        if encrypted {
            options = options.codec(folder.codec(&[FIRST_KEY]));
        }
        let store = open(options);
        let payload = Payload::from_stored("\"encoded:first:AAAA\"");
        let mut new = new_run(1);
        new.input = payload.clone();
        apply(&store, Change::Start(new.clone())).await.unwrap();
        assert_eq!(runs(&store).await[0].input, payload);
        let again = apply(&store, Change::Start(new)).await;
        assert_eq!(
            again,
            Ok(Outcome::Existing {
                run: run_id(1),
                same_input: true
            })
        );
    }
}

/// A step forward that is applied again is recognised, though its encrypted form would differ.
#[tokio::test]
async fn a_repeated_step_is_recognised() {
    let folder = Folder::new();
    let store = open(folder.options().mode(Mode::Inline).codec(folder.codec(&[FIRST_KEY])));
    let lease = running(&store, 1).await;
    let wake_at = store.now().await.unwrap() + Duration::from_secs(60);
    let advance = || Change::Advance(step(lease, 0, Next::Park { wake_at: Some(wake_at) }));
    let first = apply(&store, advance()).await;
    assert!(first.is_ok(), "{first:?}");
    assert_eq!(apply(&store, advance()).await, first);
    let mut other = step(lease, 0, Next::Park { wake_at: Some(wake_at) });
    other.records[0].what = completed(Some(secret("other")));
    assert!(apply(&store, Change::Advance(other)).await.is_err());
    assert_eq!(runs(&store).await[0].status, RunStatus::Waiting);
}
