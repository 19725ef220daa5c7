//! The log of deliveries: what was accepted with its body, what was refused without, and counters.

use std::collections::BTreeMap;
use std::time::Duration;

use lumina_workflow::store::Attachment;
use uuid::Uuid;

use super::{micros, span};
use crate::records::db::{Db, Got, Tx, sql, values};
use crate::records::handle::{reads, writes};
use crate::records::{Delivery, REJECTED_KEPT, ReadError, Records};

impl Records {
    /// Notes a delivery that was refused.
    #[must_use]
    pub fn note_rejected(route: String, code: String, bytes: u64) -> Attachment {
        writes!(|tx, route, code, bytes| note(tx, route, code, *bytes))
    }

    /// Deletes raw deliveries and the provider's raw answers that are older, at most `limit` of
    /// each. An answer that nobody has applied stays, and what was told before the end for as long as that may come.
    /// The result is how many.
    #[must_use]
    pub fn purge_deliveries(older_than: Duration, limit: usize) -> Attachment {
        writes!(|tx, older_than, limit| purge(tx, *older_than, *limit))
    }

    /// How often things happened.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn counters(&self) -> Result<BTreeMap<String, u64>, ReadError> {
        reads!(self, |db| read_counters(db))
    }
}

async fn read_counters(db: &impl Db) -> Got<BTreeMap<String, u64>> {
    let read = db.list(sql!("SELECT name, count FROM counter"), &[], |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    Ok(read.await?.into_iter().collect())
}

async fn note(tx: &impl Tx, route: &str, code: &str, bytes: u64) -> Got<()> {
    tx.execute(
        sql!("INSERT INTO rejected_delivery (route, code, bytes, received_at) VALUES (?, ?, ?, ?)"),
        &values![route, code, bytes, micros(tx.now())],
    )
    .await?;
    tx.execute(
        sql!("DELETE FROM rejected_delivery WHERE seq <= (SELECT max(seq) FROM rejected_delivery) - ?"),
        &values![REJECTED_KEPT],
    )
    .await?;
    count(tx, &format!("rejected.{code}")).await
}

async fn purge(tx: &impl Tx, older_than: Duration, limit: usize) -> Got<u64> {
    let before = micros(tx.now()).saturating_sub(span(older_than));
    let first_kept = first_id_of(before);
    let deliveries = tx
        .execute(
            sql!("DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE id < ? ORDER BY id LIMIT ?)"),
            &values![first_kept, limit],
        )
        .await?;
    let answers = tx
        .execute(
            sql!(
                "DELETE FROM enrichment_answer WHERE id IN (SELECT a.id FROM enrichment_answer a
                 LEFT JOIN enrichment e ON e.id = a.enrichment AND e.ended_at IS NULL
                 WHERE a.id < ? AND (a.applied_at IS NOT NULL OR (NOT a.is_final AND e.id IS NULL))
                 ORDER BY a.id LIMIT ? /*+ FOR UPDATE OF a */)"
            ),
            &values![first_kept, limit],
        )
        .await?;
    Ok(deliveries + answers)
}

/// The lowest id that can have been made at a time: ids begin with it, so a range of ids is a
/// range of times.
fn first_id_of(micros: i64) -> Uuid {
    let millis = u64::try_from(micros / 1_000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
}

pub(super) async fn keep(tx: &impl Tx, delivery: &Delivery) -> Got<()> {
    tx.execute(
        sql!("INSERT INTO delivery (id, route, body, received_at) VALUES (?, ?, ?, ?)"),
        &values![delivery.id, &delivery.route, &*delivery.body, micros(tx.now())],
    )
    .await?;
    Ok(())
}

pub(super) async fn count(tx: &impl Tx, name: &str) -> Got<()> {
    tx.execute(
        sql!(
            "INSERT INTO counter (name, count) VALUES (?, 1)
             ON CONFLICT (name) DO UPDATE SET count = counter.count + 1"
        ),
        &values![name],
    )
    .await?;
    Ok(())
}
