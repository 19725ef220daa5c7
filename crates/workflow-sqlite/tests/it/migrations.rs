//! Schema changes go forward only, and only in databases of ours.

use lumina_workflow_sqlite::rusqlite::Connection;
use lumina_workflow_sqlite::{MigrateError, Mode, OpenError, Options, Script, SqliteStore};

use crate::opened::*;

const FIRST: Script = Script {
    name: "0001_first",
    sql: "CREATE TABLE first (n INTEGER) STRICT",
};
const SECOND: Script = Script {
    name: "0002_second",
    sql: "CREATE TABLE second (n INTEGER) STRICT",
};

async fn tables(store: &SqliteStore) -> Vec<String> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'workflow%' \
               AND name NOT LIKE 'sqlite%' ORDER BY name";
    let read = store.read(move |conn| {
        conn.prepare(sql)?
            .query_map([], |row| row.get(0))?
            .collect::<Result<Vec<String>, _>>()
    });
    read.await.unwrap().unwrap()
}

#[tokio::test]
async fn scripts_are_applied_once_and_in_order() {
    for mode in MODES {
        let folder = Folder::new();
        let store = folder.executor(mode);
        assert_eq!(store.migrate("app", &[FIRST]).await.unwrap(), ["0001_first"]);
        assert_eq!(store.migrate("app", &[FIRST, SECOND]).await.unwrap(), ["0002_second"]);
        drop(store);
        let store = folder.executor(mode);
        assert!(store.migrate("app", &[FIRST, SECOND]).await.unwrap().is_empty());
        assert_eq!(tables(&store).await, ["first", "second"]);
        // Another owner's scripts are another list.
        let other = Script {
            name: "0001_other",
            sql: "CREATE TABLE other (n INTEGER) STRICT",
        };
        assert_eq!(store.migrate("guest", &[other]).await.unwrap(), ["0001_other"]);
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Inline);
    store.migrate("app", &[FIRST, SECOND]).await.unwrap();
    let edited = Script {
        sql: "CREATE TABLE first (n TEXT) STRICT",
        ..FIRST
    };
    let cases: [(&[Script], &str); 4] = [
        (
            &[FIRST],
            "was changed by a newer version of this program (`app/0002_second`)",
        ),
        (&[], "was changed by a newer version of this program (`app/0001_first`)"),
        (&[edited, SECOND], "`app/0001_first` is not what was applied"),
        (&[SECOND, FIRST], "another script was applied in its place"),
    ];
    for (scripts, message) in cases {
        let error = store.migrate("app", scripts).await.unwrap_err().to_string();
        assert!(error.contains(message) && error.contains("lumina.db"), "{error}");
    }
    assert!(store.migrate("app", &[FIRST, SECOND]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failing_script_leaves_nothing() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    let wrong = Script {
        name: "0003_wrong",
        sql: "CREATE TABLE third (n INTEGER) STRICT; CREATE TABL fourth",
    };
    let error = store.migrate("app", &[FIRST, wrong]).await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::Failed { what, .. } if what.contains("app/0003_wrong")),
        "{error}"
    );
    assert!(tables(&store).await.is_empty());
    assert_eq!(store.migrate("app", &[FIRST]).await.unwrap(), ["0001_first"]);
}

/// Somebody else's database is named, and not touched.
#[test]
fn a_foreign_database_is_left_alone() {
    let folder = Folder::new();
    let path = folder.path("other.db");
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE album (title TEXT)")
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    let error = SqliteStore::open(Options::new(&path)).unwrap_err();
    assert!(
        matches!(&error, OpenError::Migrate(MigrateError::Foreign { table, .. }) if table == "album"),
        "{error}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

/// A database that a newer engine has changed is refused at opening.
#[test]
fn a_newer_engine_is_recognised() {
    let folder = Folder::new();
    drop(folder.executor(Mode::Inline));
    let sql = "INSERT INTO workflow_migration VALUES ('workflow', 1000, '1000_later', '', 0)";
    Connection::open(folder.path("lumina.db"))
        .unwrap()
        .execute_batch(sql)
        .unwrap();
    let error = SqliteStore::open(folder.options()).unwrap_err().to_string();
    assert!(
        error.contains("newer version of this program (`workflow/1000_later`)"),
        "{error}"
    );
}
