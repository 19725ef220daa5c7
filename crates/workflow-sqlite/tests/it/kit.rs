//! The engine's test kit over a file: for workflows whose attachments are made for this store.

use lumina_workflow::testing::{CrashPoint, TestEngine};
use lumina_workflow::{Failure, Payload, Run, Step, StepError, Workflow};
use lumina_workflow_sqlite::{Mode, Script, SqliteStore, attach};

use crate::opened::Folder;

const COUNT: Step = Step::action("count");
const SAID: Step = Step::wait("wait-for-word", "said").timeout("1d");

struct Counter;

impl Workflow for Counter {
    const NAME: &'static str = "counter";
    const STEPS: &'static [Step] = &[COUNT, SAID];
    type Input = ();
    type Output = i64;

    async fn run(&self, run: &Run, (): ()) -> Result<i64, Failure> {
        run.wait::<()>(SAID).await?;
        let count = attach(|tx| {
            let sql = "UPDATE counter SET value = value + 1 RETURNING value";
            let value: i64 = tx.connection().query_row(sql, [], |row| row.get(0))?;
            Ok(Payload::from_stored(value.to_string()))
        });
        run.step_in_tx(COUNT, count).await
    }
}

fn kit(folder: &Folder) -> (TestEngine, SqliteStore) {
    let mut opened = None;
    let kit = TestEngine::over(|clock| {
        let options = folder.options().mode(Mode::Inline).clock(clock);
        let store = SqliteStore::open(options).expect("the file can be opened");
        opened.insert(store).clone()
    });
    let store = opened.expect("it was just opened");
    let script = Script {
        name: "0001_counter",
        sql: "CREATE TABLE counter (value INTEGER NOT NULL) STRICT; INSERT INTO counter VALUES (0)",
    };
    kit.block_on(store.migrate("app", &[script]))
        .expect("the script is sound");
    (kit.register(Counter), store)
}

fn value(kit: &TestEngine, store: &SqliteStore) -> i64 {
    let read = store.read(|conn| conn.query_row("SELECT value FROM counter", [], |row| row.get(0)));
    kit.block_on(read)
        .expect("the file can be read")
        .expect("there is one row")
}

/// A day passes, the process dies at each moment of the transaction, and it happens once.
#[test]
fn a_transaction_happens_once_wherever_the_process_dies() {
    for point in [
        CrashPoint::BeforeCode,
        CrashPoint::BeforeRecord,
        CrashPoint::AfterRecord,
    ] {
        let folder = Folder::new();
        let (kit, store) = kit(&folder);
        kit.crash_at(point, COUNT);
        let run = kit.start::<Counter>(&());
        kit.run_until_wait(run, SAID);
        kit.advance("23h");
        kit.emit(run, "said", &());
        assert_eq!(kit.end::<Counter>(run), Ok(1), "{point:?}");
        assert_eq!((value(&kit, &store), kit.crashes()), (1, 1), "{point:?}");
    }
}

/// A failure that is played in a transaction's place leaves nothing in the application's tables.
#[test]
fn a_played_failure_writes_nothing() {
    let folder = Folder::new();
    let (kit, store) = kit(&folder);
    kit.fail(COUNT, 1, StepError::fail("on purpose"));
    let run = kit.start::<Counter>(&());
    kit.emit(run, "said", &());
    assert_eq!(kit.end::<Counter>(run).unwrap_err().message, "on purpose");
    assert_eq!(value(&kit, &store), 0);
}
