//! Questions to a PostgreSQL server, from outside of Lumina.

use lumina_workflow_postgres::tokio_postgres::{self, NoTls, Row};
use tokio::runtime::Builder;

/// The rows that a query answers.
#[track_caller]
pub fn ask(address: &str, sql: &str) -> Vec<Row> {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (client, line) = tokio_postgres::connect(address, NoTls).await.unwrap();
        tokio::spawn(line);
        client.query(sql, &[]).await.unwrap()
    })
}
