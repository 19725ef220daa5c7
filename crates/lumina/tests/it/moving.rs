//! An embedded installation becomes one on a server, whatever happens on the way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use lumina::moving::{MoveError, Moved, Stage, find_new_place, move_to};
use lumina::records::{LeadQuery, Records};
use lumina_workflow::store::{FlowQuery, InboxQuery, RunQuery, ScheduleQuery, Store};
use lumina_workflow::{Runtime, Seq};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::{Options, PostgresStore};
use lumina_workflow_sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{Form, NOW, TestApp, TestRuntime, person};

/// What a stranger could have put into any text, and where an event can be addressed to.
const ODDITIES: &str = "
    INSERT INTO workflow_unrouted (id, scope, scope_key, name, payload, received_at, expires_at) VALUES
        (CAST(x'6100620a5c4e' AS TEXT), 'a namespace', char(9) || 'key' || char(13), 'an.event', '\"\\\\x\"', 1, 9),
        ('to a run', x'01900000000070008000000000000001', '', 'an.event', 'null', 2, 9);
    INSERT INTO workflow_event_id (scope, scope_key, id) VALUES
        ('a namespace', char(9) || 'key' || char(13), CAST(x'6100620a5c4e' AS TEXT)),
        (x'01900000000070008000000000000001', '', 'to a run'),
        ('k', '\\N', '\\.');
    INSERT INTO rejected_delivery (route, code, bytes, received_at) VALUES ('enrichment', 'invalid_signature', 12, 3);
    INSERT INTO delivery (id, route, body, received_at) VALUES
        (x'01900000000070008000000000000002', 'subscribe', x'00ff5c780a', 4), (x'01900000000070008000000000000003', '', x'', 5);
    INSERT INTO pause (reason, message, since, looked_at) VALUES ('refused', 'it''s' || char(0) || 'so', 6, 6);";

/// An installation with people who were found, others who are out, and a batch that has not begun.
struct Installation {
    _folder: TempDir,
    file: PathBuf,
}

impl Installation {
    async fn new() -> Self {
        let mut test = TestApp::new().await;
        let found = [
            ("ada@gmail.com", Some(person("Ada", "Engineer"))),
            ("bob@gmail.com", None),
        ];
        test.find_people(&found.into()).await;
        let people = Form::new().file("people.csv", "email\ncleo@gmail.com\ndan@gmail.com\n");
        test.send(people.text("enrich", "yes").call().authorized()).await.ok();
        test.provider.next_batch().await;
        test.stop_worker().await;
        let people = Form::new().file("people.csv", "email,name\neve@gmail.com,\"E\tve\"\n");
        test.send(people.text("enrich", "yes").call().authorized()).await.ok();
        let (folder, file) = test.leave().await;
        Connection::open(&file).unwrap().execute_batch(ODDITIES).unwrap();
        Self { _folder: folder, file }
    }

    async fn move_to(&self, server: &Database, stop: Option<Stage<'_>>) -> Result<Moved, MoveError> {
        move_file(&self.file, server, stop).await
    }
}

/// Moves until a stage, as a process that dies there.
async fn move_file(file: &Path, server: &Database, stop: Option<Stage<'_>>) -> Result<Moved, MoveError> {
    let options = Options::new(&server.address()).unwrap();
    let now: Timestamp = NOW.parse().unwrap();
    move_to(file, options, TestRuntime::new().new_id(), now, |stage| {
        match Some(stage) == stop {
            true => Err(MoveError::Stopped("by the test")),
            false => Ok(()),
        }
    })
    .await
}

/// Everything that a store and the records say of an installation.
async fn tell(store: &dyn Store, records: &Records) -> Vec<String> {
    let mut said = Vec::new();
    let inbox = |run| InboxQuery {
        run,
        after: 0,
        limit: 1_000,
    };
    let query = RunQuery {
        limit: 1_000,
        ..RunQuery::default()
    };
    for run in store.runs(query).await.unwrap().items {
        said.push(format!("{run:?}"));
        said.push(format!("{:?}", store.history(run.id, Seq(0), 1_000).await.unwrap()));
        said.push(format!("{:?}", store.inbox(inbox(Some(run.id))).await.unwrap()));
    }
    said.push(format!("{:?}", store.inbox(inbox(None)).await.unwrap().events));
    said.push(format!(
        "{:?}",
        store.schedules(ScheduleQuery::default()).await.unwrap()
    ));
    said.push(format!("{:?}", store.flows(FlowQuery::default()).await.unwrap()));
    let leads = LeadQuery {
        limit: 100,
        ..LeadQuery::default()
    };
    said.push(format!("{:?}", records.leads(leads).await.unwrap()));
    said.push(format!("{:?}", records.jobs(None, 100).await.unwrap()));
    said.push(format!("{:?}", records.census().await.unwrap()));
    said
}

async fn tell_of_file(file: &Path) -> Vec<String> {
    let store = Arc::new(SqliteStore::open(lumina_workflow_sqlite::Options::new(file)).unwrap());
    tell(&*store, &Records::new(store.clone())).await
}

async fn tell_of_server(server: &Database) -> Vec<String> {
    let options = Options::new(&server.address()).unwrap();
    let store = Arc::new(PostgresStore::open(options).await.unwrap());
    tell(&*store, &Records::new(store.clone())).await
}

fn count(file: &Path, sql: &str) -> i64 {
    let connection = Connection::open(file).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_it_is_there_afterwards() {
    let installation = Installation::new().await;
    let before = tell_of_file(&installation.file).await;
    let server = Database::empty("moving");
    let moved = installation.move_to(&server, None).await.unwrap();
    for table in &moved.tables {
        let sql = format!(
            "SELECT count(*) FROM {} {}",
            table.table,
            match table.table.as_str() {
                "stamp" => "WHERE name <> 'moved'",
                _ => "",
            }
        );
        assert_eq!(
            i64::try_from(table.rows).unwrap(),
            count(&installation.file, &sql),
            "{table:?}"
        );
    }
    let with_rows = moved.tables.iter().filter(|table| table.rows > 0).count();
    assert!(with_rows >= 15, "{moved:?}");
    let after = tell_of_server(&server).await;
    assert!(
        before
            .iter()
            .any(|said| said.contains("waiting") || said.contains("Waiting")),
        "a run is in flight"
    );
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());
}

/// A row whose value got lost on the way is found, and nothing has been moved.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_not_the_same_stops_it() {
    let installation = Installation::new().await;
    let server = Database::empty("moving");
    tell_of_server_once(&server).await;
    server.execute(
        "CREATE FUNCTION lumina.spoil() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN IF NEW.email LIKE 'dan%' THEN NEW.source := 'elsewhere'; END IF; RETURN NEW; END $$;
         CREATE TRIGGER spoil BEFORE INSERT ON lumina.subscriber FOR EACH ROW EXECUTE FUNCTION lumina.spoil()",
    );
    let error = installation.move_to(&server, None).await.unwrap_err().to_string();
    assert!(
        error.contains("subscriber: the row (") && error.contains("its source"),
        "{error}"
    );
    server.execute("DROP TRIGGER spoil ON lumina.subscriber");
    assert_eq!(find_new_place(&installation.file), None);
    assert!(!installation.move_to(&server, None).await.unwrap().is_repeated);
}

/// Makes its tables.
async fn tell_of_server_once(server: &Database) {
    let file = tempfile::tempdir().unwrap();
    let empty = file.path().join("lumina.db");
    drop(SqliteStore::open(lumina_workflow_sqlite::Options::new(&empty)).unwrap());
    move_file(&empty, server, Some(Stage::Copied("batch")))
        .await
        .unwrap_err();
}

/// Killed anywhere, it can be made again; and before it has been, at most one of both takes writes.
#[tokio::test(flavor = "multi_thread")]
async fn whenever_it_dies_it_can_be_made_again() {
    let stages = [
        (Stage::Copied("batch"), false),
        (Stage::Compared("workflow_unrouted"), false),
        (Stage::Closed, true),
        (Stage::Committed, true),
    ];
    for (stage, is_closed) in stages {
        let installation = Installation::new().await;
        let before = tell_of_file(&installation.file).await;
        let server = Database::empty("moving");
        installation.move_to(&server, Some(stage)).await.unwrap_err();
        assert_eq!(find_new_place(&installation.file).is_some(), is_closed, "{stage:?}");
        let written = Connection::open(&installation.file)
            .unwrap()
            .execute("UPDATE subscriber SET source = source", []);
        assert_eq!(written.is_err(), is_closed, "{stage:?}: {written:?}");
        let again = installation.move_to(&server, None).await.unwrap();
        assert_eq!(again.is_repeated, stage == Stage::Committed);
        assert_eq!(tell_of_server(&server).await, before);
        assert!(installation.move_to(&server, None).await.unwrap().is_repeated);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_must_not_be_moved_is_refused() {
    let installation = Installation::new().await;
    let (server, other) = (Database::empty("moving"), Database::fresh());
    let executing = SqliteStore::open(lumina_workflow_sqlite::Options::new(&installation.file)).unwrap();
    let refused = |told: Result<Moved, MoveError>, words: &str| {
        let error = told.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(installation.move_to(&server, None).await, "is in use by process");
    drop(executing);
    installation.move_to(&server, Some(Stage::Closed)).await.unwrap_err();
    refused(installation.move_to(&other, None).await, "it was being moved to");
    installation.move_to(&server, None).await.unwrap();
    let second = Installation::new().await;
    refused(second.move_to(&server, None).await, "is not empty");
    refused(
        move_file(Path::new("/nowhere/lumina.db"), &server, None).await,
        "there is no such database",
    );
    let write = Connection::open(&installation.file)
        .unwrap()
        .execute("DELETE FROM lead", []);
    let told = write.unwrap_err().to_string();
    assert!(told.contains("this database was moved to"), "{told}");
}
