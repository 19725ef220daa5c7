//! The log of deliveries: what was accepted with its body, what was refused without, and counters.

use std::collections::BTreeMap;

use lumina_workflow::store::Attachment;
use lumina_workflow_sqlite::Tx;
use rusqlite::params;

use super::{ReadError, Records, Written, micros, span, writes};
use crate::records::{Delivery, REJECTED_KEPT};

impl Records {
    /// Notes a delivery that was refused.
    #[must_use]
    pub fn note_rejected(route: String, code: String, bytes: u64) -> Attachment {
        writes(move |tx| {
            let connection = tx.connection();
            connection
                .prepare_cached("INSERT INTO rejected_delivery (route, code, bytes, received_at) VALUES (?, ?, ?, ?)")?
                .execute(params![route, code, bytes, micros(tx.now())])?;
            connection
                .prepare_cached(
                    "DELETE FROM rejected_delivery WHERE seq <= (SELECT max(seq) FROM rejected_delivery) - ?",
                )?
                .execute([REJECTED_KEPT])?;
            count(tx, &format!("rejected.{code}"))
        })
    }

    /// Deletes raw deliveries that are older, at most `limit`. The result is how many.
    #[must_use]
    pub fn purge_deliveries(older_than: std::time::Duration, limit: usize) -> Attachment {
        writes(move |tx| {
            let before = micros(tx.now()).saturating_sub(span(older_than));
            let deleted = tx
                .connection()
                .prepare_cached(
                    "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE received_at < ? ORDER BY id LIMIT ?)",
                )?
                .execute(params![before, limit])?;
            Ok(deleted)
        })
    }

    /// How often things happened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn counters(&self) -> Result<BTreeMap<String, u64>, ReadError> {
        self.read(|connection| {
            let mut find = connection.prepare_cached("SELECT name, count FROM counter")?;
            find.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
        })
        .await
    }
}

pub(super) fn keep(tx: &Tx<'_>, delivery: &Delivery) -> Written<()> {
    let mut insert = tx
        .connection()
        .prepare_cached("INSERT INTO delivery (id, route, body, received_at) VALUES (?, ?, ?, ?)")?;
    insert.execute(params![delivery.id, delivery.route, delivery.body, micros(tx.now())])?;
    Ok(())
}

pub(super) fn count(tx: &Tx<'_>, name: &str) -> Written<()> {
    tx.connection()
        .prepare_cached(
            "INSERT INTO counter (name, count) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET count = count + 1",
        )?
        .execute([name])?;
    Ok(())
}
