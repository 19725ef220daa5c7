//! Looking at a file changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use lumina_workflow::store::Change;
use lumina_workflow::{CorrelationKey, NewEvent, Payload, RunId, Target};
use lumina_workflow_sqlite::{Look, MigrateError, Mode, Script};
use rusqlite::Connection;
use uuid::Uuid;

use crate::opened::*;

const NOTE: Script = Script {
    name: "0001_note",
    sql: "CREATE TABLE note (text TEXT)",
};

/// Every file of a folder with its bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
            )
        })
        .collect()
}

fn count_runs(look: &mut Look) -> u32 {
    let count = look
        .connection()
        .query_row("SELECT count(*) FROM workflow_run", [], |row| row.get(0));
    count.unwrap()
}

#[tokio::test]
async fn a_file_that_nobody_has_open_stays_as_it_is() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    start(&store, 1).await;
    store.close().await.unwrap();
    drop(store);
    let path = folder.options().path;
    let before = files(path.parent().unwrap());
    assert!(!before.keys().any(|name| name.ends_with("-wal")), "{:?}", before.keys());
    let seen = Look::at(&path, |look| (count_runs(look), look.executor())).unwrap();
    assert_eq!(seen, (1, None));
    let write = Look::at(&path, |look| look.connection().execute("DELETE FROM workflow_run", [])).unwrap();
    assert!(write.is_err());
    assert_eq!(files(path.parent().unwrap()), before);
}

#[tokio::test]
async fn beside_an_executor_the_last_commit_is_seen() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    start(&store, 1).await;
    let look = || Look::at(&folder.options().path, |look| (count_runs(look), look.executor())).unwrap();
    assert_eq!(look(), (1, Some(std::process::id())));
    start(&store, 2).await;
    assert_eq!(look().0, 2);
    // And nobody is kept from it afterwards.
    drop(store);
    assert_eq!(look().1, None);
    drop(folder.executor(Mode::Threads));
}

/// Who was killed leaves a lock file with its name, and the log.
#[tokio::test]
async fn who_is_dead_executes_nothing() {
    let folder = Folder::new();
    drop(folder.executor(Mode::Inline));
    let path = folder.options().path;
    let lock = format!("{}.lock", path.display());
    for (name, executor) in [
        ("4194304999\n", None),
        ("99999999\n", None),
        ("", None),
        ("nobody", None),
    ] {
        std::fs::write(&lock, name).unwrap();
        assert_eq!(Look::at(&path, |look| look.executor()).unwrap(), executor, "{name:?}");
    }
    // Somebody else has its number by now.
    std::fs::write(&lock, format!("{}\n", std::process::id())).unwrap();
    assert_eq!(Look::at(&path, |look| look.executor()).unwrap(), None);
}

#[test]
fn a_missing_file_is_not_made() {
    let folder = Folder::new();
    let path = folder.options().path;
    let error = Look::at(&path, |_| ()).unwrap_err().to_string();
    assert!(error.contains("cannot be opened as a SQLite database"), "{error}");
    assert_eq!(files(path.parent().unwrap()), BTreeMap::new());
}

#[tokio::test]
async fn scripts_that_are_missing_are_named_and_not_applied() {
    let folder = Folder::new();
    let path = folder.options().path;
    let missing = |scripts: &[Script]| Look::at(&path, |look| look.missing_scripts("app", scripts)).unwrap();

    Connection::open(&path)
        .unwrap()
        .execute_batch("PRAGMA user_version = 1")
        .unwrap();
    let all = missing(&[NOTE]).unwrap();
    assert_eq!(
        (all.first().unwrap().as_str(), all.last().unwrap().as_str()),
        ("workflow/0001_engine", "app/0001_note")
    );

    let store = folder.executor(Mode::Threads);
    assert_eq!(missing(&[NOTE]).unwrap(), ["app/0001_note"]);
    store.migrate("app", &[NOTE]).await.unwrap();
    assert!(missing(&[NOTE]).unwrap().is_empty());
    assert!(matches!(missing(&[]), Err(MigrateError::Newer { .. })));
}

#[test]
fn a_database_of_another_program_is_told_apart() {
    let folder = Folder::new();
    let path = folder.options().path;
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE recipes (name TEXT)")
        .unwrap();
    let missing = Look::at(&path, |look| look.missing_scripts("app", &[])).unwrap();
    assert!(matches!(missing, Err(MigrateError::Foreign { .. })), "{missing:?}");
}

/// A path is not to be read as anything else.
#[tokio::test]
async fn any_path_can_be_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a b.db", "50%25.db", "what?immutable=0#.db", "größe.db"] {
        let path = folder.path().join(name);
        drop(lumina_workflow_sqlite::SqliteStore::open(lumina_workflow_sqlite::Options::new(&path)).unwrap());
        assert_eq!(Look::at(&path, count_runs).unwrap(), 0, "{name}");
    }
}

#[tokio::test]
async fn damage_is_found_and_a_check_can_be_given_up() {
    let folder = Folder::new();
    let path = folder.options().path;
    let store = folder.executor(Mode::Threads);
    for number in 0..500 {
        start(&store, number).await;
    }
    store.close().await.unwrap();
    drop(store);
    let damage = |give_up: bool| Look::at(&path, |look| look.damage(3, move || give_up)).unwrap();
    assert_eq!(damage(false).unwrap(), Some(Vec::new()));
    assert_eq!(damage(true).unwrap(), None);

    // From the second page on: what is in it is found, not what it is.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[8 * 1024..].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let found = damage(false).unwrap().unwrap();
    assert!((1..=4).contains(&found.len()), "{found:?}");
}

#[tokio::test]
async fn what_nobody_has_claimed_is_counted_by_name() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Threads);
    let parcel = CorrelationKey::new("carrier", "1");
    let run = RunId(Uuid::from_u128(77));
    let rows: [(&str, Target, &str); 3] = [
        ("a", parcel.clone().into(), "scanned"),
        ("b", parcel.into(), "lost"),
        ("c", run.into(), "scanned"),
    ];
    for (id, target, name) in rows {
        let event = NewEvent::new(id, target, name, Payload::null());
        apply(&store, Change::Emit(event)).await.unwrap();
    }
    let counted = Look::at(&folder.options().path, |look| {
        (look.unrouted().unwrap(), look.blocked().unwrap())
    });
    let expected = [("scanned".to_owned(), 2), ("lost".to_owned(), 1)];
    assert_eq!(counted.unwrap(), (expected.into(), 0));
}
