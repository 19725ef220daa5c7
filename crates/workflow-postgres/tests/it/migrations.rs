//! Schema changes go forward only, and only in databases of ours.

use std::time::Duration;

use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::{MigrateError, OpenError, PostgresStore, Script};

use crate::gate::Gate;
use crate::opened::open;

const FIRST: Script = Script {
    name: "0001_first",
    sql: "CREATE TABLE first (n bigint)",
};
const SECOND: Script = Script {
    name: "0002_second",
    sql: "CREATE TABLE second (n bigint)",
};

async fn tables(store: &PostgresStore) -> Vec<String> {
    let sql = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'lumina' AND tablename NOT LIKE 'workflow%' ORDER BY 1";
    let rows = store.read(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn scripts_are_applied_once_and_in_order() {
    let database = Database::fresh();
    let store = open(database.options()).await;
    assert_eq!(store.migrate("app", &[FIRST]).await.unwrap(), ["0001_first"]);
    assert_eq!(store.migrate("app", &[FIRST, SECOND]).await.unwrap(), ["0002_second"]);
    let store = open(database.options()).await;
    assert!(store.migrate("app", &[FIRST, SECOND]).await.unwrap().is_empty());
    assert_eq!(tables(&store).await, ["first", "second"]);
    // Another owner's scripts are another list.
    let other = Script {
        name: "0001_other",
        sql: "CREATE TABLE other (n bigint)",
    };
    assert_eq!(store.migrate("guest", &[other]).await.unwrap(), ["0001_other"]);
}

/// However many processes start at once, one makes the tables and the others find them.
#[tokio::test]
async fn many_open_a_new_database_at_once() {
    let database = Database::fresh();
    let opened = (0..6).map(|_| async {
        let store = open(database.options()).await;
        store.migrate("app", &[FIRST, SECOND]).await.unwrap().len()
    });
    let made: usize = futures_util::future::join_all(opened).await.into_iter().sum();
    assert_eq!(made, 2);
}

#[tokio::test]
async fn what_does_not_fit_is_refused() {
    let database = Database::fresh();
    let store = open(database.options()).await;
    store.migrate("app", &[FIRST, SECOND]).await.unwrap();
    let edited = Script {
        sql: "CREATE TABLE first (n text)",
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
        assert!(error.contains(message) && error.contains("lumina_test"), "{error}");
    }
    assert!(store.migrate("app", &[FIRST, SECOND]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_failing_script_leaves_nothing() {
    let database = Database::fresh();
    let store = open(database.options()).await;
    let wrong = Script {
        name: "0003_wrong",
        sql: "CREATE TABLE third (n bigint); CREATE TABL fourth",
    };
    let error = store.migrate("app", &[FIRST, wrong]).await.unwrap_err();
    assert!(
        matches!(&error, MigrateError::Failed { what, .. } if what.contains("app/0003_wrong")),
        "{error}"
    );
    assert!(tables(&store).await.is_empty());
    assert_eq!(store.migrate("app", &[FIRST]).await.unwrap(), ["0001_first"]);
}

/// Somebody else's schema is named, and not touched.
#[tokio::test]
async fn a_foreign_schema_is_left_alone() {
    let database = Database::fresh();
    database.execute("CREATE SCHEMA lumina; CREATE TABLE lumina.album (title text)");
    let error = PostgresStore::open(database.options()).await.unwrap_err();
    assert!(
        matches!(&error, OpenError::Migrate(MigrateError::Foreign { table, .. }) if table == "album"),
        "{error}"
    );
    database.execute("INSERT INTO lumina.album VALUES ('still here')");
}

/// An empty schema that somebody has made for us is ours, and other schemas are none of our business.
#[tokio::test]
async fn an_empty_schema_is_taken() {
    let database = Database::fresh();
    database.execute("CREATE SCHEMA lumina; DROP TABLE IF EXISTS public.album; CREATE TABLE public.album (title text)");
    let store = open(database.options()).await;
    assert_eq!(store.migrate("app", &[FIRST]).await.unwrap(), ["0001_first"]);
}

/// A database that a newer engine has changed is refused at opening.
#[tokio::test]
async fn a_newer_engine_is_recognised() {
    let database = Database::fresh();
    open(database.options()).await;
    database.execute("INSERT INTO lumina.workflow_migration VALUES ('workflow', 1000, '1000_later', '', 0)");
    let error = PostgresStore::open(database.options()).await.unwrap_err().to_string();
    assert!(
        error.contains("newer version of this program (`workflow/1000_later`)"),
        "{error}"
    );
}

/// Whoever stands still while it looks at the tables keeps others from starting only for seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_still_while_it_starts_keeps_nobody_from_starting() {
    let (database, gate) = (Database::empty("engine"), Gate::default());
    open(database.options()).await;
    gate.arm_at("SELECT to_regclass");
    let still = tokio::spawn(PostgresStore::open(database.options().hook(gate.hook())));
    assert!(gate.is_reached().await, "it has begun to look");
    let other = PostgresStore::open(database.options());
    let other = tokio::time::timeout(Duration::from_secs(25), other).await;
    other.expect("the server has ended what was left alone").unwrap();
    gate.open();
    let error = still.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("looking at its tables"), "{error}");
}
