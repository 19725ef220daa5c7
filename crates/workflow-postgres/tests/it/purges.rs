//! A purge keeps to its limit, whatever the server believes of the tables.

use std::time::Duration;

use lumina_workflow::NewEvent;
use lumina_workflow::store::{Change, Purge, Store};
use lumina_workflow_postgres::PostgresStore;
use lumina_workflow_postgres::testing::Database;

use crate::opened::*;

/// What is deleted beside runs and events: its table, and a row of it whose time is over, with a number for `{n}`.
const KINDS: [(&str, &str); 3] = [
    (
        "workflow_applied",
        "INSERT INTO lumina.workflow_applied (id, at) VALUES (gen_random_uuid(), {n})",
    ),
    (
        "workflow_schedule",
        "INSERT INTO lumina.workflow_schedule (name, workflow, spec, input, revision, removed_at, started, skipped, \
         missed, triggers, created_at, updated_at) VALUES ('{n}', 'order', '{}', 'null', 1, {n}, 0, 0, 0, 0, 0, 0)",
    ),
    (
        "workflow_flow",
        "INSERT INTO lumina.workflow_flow (workflow, key, last_rank) VALUES ('order', '{n}', {n})",
    ),
];

fn purge() -> Purge {
    Purge {
        before: moment(),
        limit: 2,
        workflow: None,
    }
}

/// Statistics of a table with one row make a plan that asks for each row anew which are the oldest.
fn believe_in_one_row(database: &Database, table: &str) {
    database.execute(&format!("VACUUM ANALYZE lumina.{table}"));
}

#[tokio::test]
async fn no_more_events_are_deleted_than_were_asked_for() {
    let database = Database::empty("engine");
    let store = open(database.options()).await;
    for (number, id) in ["a", "b", "c"].iter().enumerate() {
        let brief = NewEvent {
            kept_for: Duration::ZERO,
            ..event(id, key("k"))
        };
        assert!(apply(&store, Change::Emit(brief)).await.is_ok());
        if number == 0 {
            believe_in_one_row(&database, "workflow_unrouted");
        }
    }
    assert_eq!(store.purge(purge()).await.unwrap(), 2);
    assert_eq!(inbox_ids(&store, None).await, ["c"]);
    assert_eq!(store.purge(purge()).await.unwrap(), 1);
}

#[tokio::test]
async fn no_more_of_any_kind_is_deleted_than_was_asked_for() {
    let database = Database::empty("engine");
    let store = open(database.options()).await;
    for (table, row) in KINDS {
        for number in 1..=3 {
            database.execute(&row.replace("{n}", &number.to_string()));
            if number == 1 {
                believe_in_one_row(&database, table);
            }
        }
        assert_eq!(store.purge(purge()).await.unwrap(), 2, "{table}");
        assert_eq!(count(&store, table).await, 1, "{table}");
        assert_eq!(store.purge(purge()).await.unwrap(), 1, "{table}");
    }
}

async fn count(store: &PostgresStore, table: &str) -> i64 {
    let rows = store.read(&format!("SELECT count(*) FROM lumina.{table}"), &[]).await;
    rows.unwrap()[0].get(0)
}
