//! Histories as SQL shows them.

use lumina_workflow::deterministic::DeterministicRuntime;
use lumina_workflow::store::{Advance, Change, Command, CommandKind, Next, Store};
use lumina_workflow::{Failure, Payload, Phase, Record, Runtime, Seq, StepError, StepKey, StepKind, StepRef, What};
use lumina_workflow::{TakenEvent, WorkerId, superseded};
use lumina_workflow_sqlite::{Mode, SqliteStore};
use uuid::Uuid;

use crate::opened::{Folder, apply, claim, moment, new_run, run_id};

fn step(ordinal: u32, name: &str, kind: StepKind) -> Option<StepRef> {
    Some(StepRef {
        ordinal,
        name: name.to_owned(),
        key: StepKey::Occurrence(1),
        kind,
    })
}

fn record(step: Option<StepRef>, what: What, epoch: u64) -> Record {
    let started_at = moment();
    Record {
        phase: Phase::Main,
        step,
        what,
        started_at,
        ended_at: started_at + std::time::Duration::from_micros(2_500),
        worker: WorkerId(Uuid::from_u128(0xabc)),
        epoch: lumina_workflow::Epoch(epoch),
    }
}

async fn write(store: &SqliteStore, records: Vec<Record>, next: Next) {
    let claimed = store.claim(claim()).await.unwrap().remove(0);
    let advance = Advance {
        lease: claimed.lease,
        seq: claimed.run.seq,
        records,
        consumed: vec![],
        keys: vec![],
        starts: vec![],
        emits: vec![],
        guard: None,
        next,
    };
    apply(store, Change::Advance(advance)).await.unwrap();
}

async fn rows(store: &SqliteStore, columns: &str) -> Vec<Vec<String>> {
    let sql = format!("SELECT {columns} FROM workflow_history ORDER BY run, seq");
    let count = columns.split(',').count();
    let read = move |conn: &rusqlite::Connection| {
        let mut statement = conn.prepare(&sql).unwrap();
        let cell = |row: &rusqlite::Row<'_>, place| match row.get::<_, rusqlite::types::Value>(place).unwrap() {
            rusqlite::types::Value::Null => "-".to_owned(),
            rusqlite::types::Value::Integer(number) => number.to_string(),
            rusqlite::types::Value::Real(number) => number.to_string(),
            rusqlite::types::Value::Text(text) => text,
            rusqlite::types::Value::Blob(_) => "a blob".to_owned(),
        };
        let rows = statement.query_map([], |row| {
            Ok((0..count).map(|place| cell(row, place)).collect::<Vec<_>>())
        });
        rows.unwrap().collect::<Result<Vec<_>, _>>().unwrap()
    };
    store.read(read).await.unwrap()
}

/// Each attempt with its times, its worker, its class and code, the chosen delay, and why.
#[tokio::test]
async fn the_view_tells_every_attempt() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Inline);
    apply(&store, Change::Start(new_run(1))).await.unwrap();
    let again = |decision: StepError| What::AttemptFailed {
        attempt: 1,
        error: decision.with_code(503),
        delay: std::time::Duration::from_millis(1_500),
        next_at: moment(),
        reason: "Exponential backoff".to_owned(),
    };
    let gone = What::Failed {
        failure: Failure::new("it is gone"),
        reason: "the error is final".to_owned(),
    };
    let taken = |by: Option<&str>| TakenEvent {
        id: "e".to_owned(),
        by: by.map(str::to_owned),
    };
    let records = vec![
        record(
            step(1, "charge", StepKind::Effect),
            What::AttemptStarted { attempt: 1 },
            1,
        ),
        record(step(1, "charge", StepKind::Effect), again(StepError::retry("busy")), 1),
        record(
            step(1, "charge", StepKind::Effect),
            again(StepError::defer(std::time::Duration::from_secs(1), "no slot")),
            1,
        ),
        record(step(1, "charge", StepKind::Effect), gone, 1),
        record(step(2, "wait", StepKind::Wait), What::Opened { deadline: moment() }, 1),
        record(
            step(2, "wait", StepKind::Wait),
            What::Received {
                events: vec![taken(None), taken(Some("ada"))],
                payload: Payload::from_stored("{\"n\":1}"),
            },
            1,
        ),
        record(
            None,
            What::Failing {
                failure: Failure::new("it is gone"),
            },
            1,
        ),
    ];
    write(&store, records, Next::Park { wake_at: None }).await;
    let cancel = Command {
        run: run_id(1),
        what: CommandKind::Pause,
        by: "ada".to_owned(),
    };
    apply(&store, Change::Command(cancel)).await.unwrap();

    let columns = "run, workflow, seq, phase, step, key, kind, what, attempt, epoch, superseded";
    let run = run_id(1).to_string();
    let fixed = |seq: &str, rest: [&str; 6]| {
        let [step, key, kind, what, attempt, epoch] = rest.map(str::to_owned);
        let (phase, superseded) = ("main".to_owned(), "0".to_owned());
        let workflow = "order".to_owned();
        vec![
            run.clone(),
            workflow,
            seq.to_owned(),
            phase,
            step,
            key,
            kind,
            what,
            attempt,
            epoch,
            superseded,
        ]
    };
    let charge = |seq, what, attempt| fixed(seq, ["charge", "1", "effect", what, attempt, "1"]);
    let wait = |seq, what| fixed(seq, ["wait", "1", "wait", what, "-", "1"]);
    assert_eq!(
        rows(&store, columns).await,
        [
            charge("1", "attempt_started", "1"),
            charge("2", "attempt_failed", "1"),
            charge("3", "attempt_failed", "1"),
            charge("4", "failed", "-"),
            wait("5", "opened"),
            wait("6", "received"),
            fixed("7", ["-", "-", "-", "failing", "-", "1"]),
            fixed("8", ["-", "-", "-", "paused", "-", "2"]),
        ]
    );
    let columns = "seq, class, code, message, delay_ms, next_at, reason, deadline, asked_by, payload, took_ms, worker";
    let found = rows(&store, columns).await;
    let worker = "00000000-0000-0000-0000-000000000abc";
    let at = moment().to_string();
    let charge = |seq, class, message| {
        [
            seq,
            class,
            "503",
            message,
            "1500",
            &at,
            "Exponential backoff",
            "-",
            "-",
            "-",
            "2.5",
            worker,
        ]
        .map(str::to_owned)
        .to_vec()
    };
    assert_eq!(found[1], charge("2", "retry", "busy"));
    assert_eq!(found[2], charge("3", "defer", "no slot"));
    let told = |place: usize, range: std::ops::Range<usize>| found[place][range].join(" | ");
    assert_eq!(told(3, 1..7), "failed | - | it is gone | - | - | the error is final");
    assert_eq!(told(4, 7..8), at);
    assert_eq!(told(5, 9..10), "{\"n\":1}");
    assert_eq!(told(6, 1..4), "failed | - | it is gone");
    assert_eq!((told(7, 8..9), told(7, 11..12)), ("ada".to_owned(), "-".to_owned()));
    let times = rows(&store, "started_at, ended_at").await;
    assert_eq!(times[0], ["2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.002500Z"]);
}

/// What is superseded is the same in SQL as by the engine's own reading, however often a run was sent back.
#[tokio::test]
async fn the_view_tells_what_is_superseded() {
    for seed in 0..60 {
        let folder = Folder::light();
        let store = folder.executor(Mode::Inline);
        apply(&store, Change::Start(new_run(1))).await.unwrap();
        let dice = DeterministicRuntime::new(seed);
        for _ in 0..4 {
            let records = (0..4).map(|_| draw(&dice)).collect();
            write(&store, records, Next::Park { wake_at: None }).await;
            let seq = store.history(run_id(1), Seq(0), 1_000).await.unwrap().len() as u64;
            let rewind = Command {
                run: run_id(1),
                what: CommandKind::Rewind {
                    step: 1 + (dice.random() % 4) as u32,
                    at: Seq(1 + dice.random() % seq),
                    seq: Seq(seq),
                },
                by: "ada".to_owned(),
            };
            apply(&store, Change::Command(rewind)).await.unwrap();
        }
        let history = store.history(run_id(1), Seq(0), 1_000).await.unwrap();
        let records: Vec<Record> = history.into_iter().map(|stored| stored.record).collect();
        let known: Vec<Vec<String>> = (1..=records.len() as u64)
            .map(|place| vec![u64::from(superseded(&records).contains(&Seq(place))).to_string()])
            .collect();
        assert_eq!(rows(&store, "superseded").await, known, "seed {seed}: {records:#?}");
    }
}

fn draw(dice: &DeterministicRuntime) -> Record {
    let ordinal = 1 + (dice.random() % 4) as u32;
    let what = match dice.random() % 7 {
        0 => What::AttemptStarted { attempt: 1 },
        1 => What::Abandoned,
        2 => What::Failed {
            failure: Failure::new("gone"),
            reason: "final".to_owned(),
        },
        3 => What::TimedOut,
        4 => What::Patched { name: "new".to_owned() },
        5 => What::CancelRequested { by: "bob".to_owned() },
        _ => What::Completed {
            attempt: 1,
            payload: Some(Payload::null()),
        },
    };
    let whole = matches!(what, What::Patched { .. } | What::CancelRequested { .. });
    let mut record = record(
        (!whole).then(|| step(ordinal, "a", StepKind::Action)).flatten(),
        what,
        1,
    );
    if dice.random().is_multiple_of(6) {
        record.phase = Phase::OnFailure;
    }
    record
}
