//! A purge keeps to its limit, whatever the server believes of the tables.

use std::time::Duration;

use lumina_workflow::NewEvent;
use lumina_workflow::store::{Change, Purge, Store};
use lumina_workflow_postgres::testing::Database;

use crate::opened::*;

/// Statistics of a table with one row make a plan that asks for each row anew which are the oldest.
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
            database.execute("VACUUM ANALYZE lumina.workflow_unrouted");
        }
    }
    let purge = Purge {
        before: moment(),
        limit: 2,
        workflow: None,
    };
    assert_eq!(store.purge(purge.clone()).await.unwrap(), 2);
    assert_eq!(inbox_ids(&store, None).await, ["c"]);
    assert_eq!(store.purge(purge).await.unwrap(), 1);
}
