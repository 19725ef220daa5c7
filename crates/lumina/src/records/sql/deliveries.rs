//! The log of deliveries: what was accepted with its body, what was refused without, and counters.

use std::collections::BTreeMap;

use lumina_workflow::store::Attachment;
use lumina_workflow_sqlite::Tx;
use rusqlite::params;
use uuid::Uuid;

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

    /// Deletes raw deliveries and the provider's raw answers that are older, at most `limit` of
    /// each. An answer that nobody has applied stays, and what was told before the end for as long as that may come.
    /// The result is how many.
    #[must_use]
    pub fn purge_deliveries(older_than: std::time::Duration, limit: usize) -> Attachment {
        writes(move |tx| {
            let before = micros(tx.now()).saturating_sub(span(older_than));
            let first_kept = first_id_of(before);
            let deliveries = tx
                .connection()
                .prepare_cached(
                    "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE id < ? ORDER BY id LIMIT ?)",
                )?
                .execute(params![first_kept, limit])?;
            let answers = tx
                .connection()
                .prepare_cached(
                    "DELETE FROM enrichment_answer WHERE id IN (SELECT a.id FROM enrichment_answer a
                     LEFT JOIN enrichment e ON e.id = a.enrichment AND e.ended_at IS NULL
                     WHERE a.id < ? AND (a.applied_at IS NOT NULL OR (NOT a.is_final AND e.id IS NULL))
                     ORDER BY a.id LIMIT ?)",
                )?
                .execute(params![first_kept, limit])?;
            Ok(deliveries + answers)
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

/// The lowest id that can have been made at a time: ids begin with it, so a range of ids is a
/// range of times.
fn first_id_of(micros: i64) -> Uuid {
    let millis = u64::try_from(micros / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
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
