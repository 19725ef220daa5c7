//! Subscribers: new ones, and those that come again.

use lumina_enrichment::subscriber::NewSubscriber;
use uuid::Uuid;

use super::{micros, span};
use crate::records::db::{Failure, Got, Tx, sql, values};
use crate::records::{Channel, Intake, IntakeRow};

/// What became of a row.
pub(super) struct Stored {
    pub subscriber: Uuid,
    pub created: bool,
    /// Whether a lookup may be created.
    pub wants_lookup: bool,
}

/// Stores them in their order, so that the first of two that are the same is the new one.
pub(super) async fn store_subscribers(tx: &impl Tx, intake: &Intake) -> Got<Vec<Stored>> {
    let inserted = insert_subscribers(tx, &intake.rows).await?;
    let mut all = Vec::with_capacity(intake.rows.len());
    for (row, created) in intake.rows.iter().zip(&inserted) {
        all.push(Stored {
            subscriber: row.id.0,
            created: *created,
            wants_lookup: row.subscriber.class.is_looked_up(),
        });
    }
    if all.iter().any(|stored| !stored.created) {
        find_known(tx, &intake.rows, &mut all).await?;
        for (row, stored) in intake.rows.iter().zip(&mut all) {
            if !stored.created {
                stored.wants_lookup = take_in_again(tx, intake, &row.subscriber, stored.subscriber).await?;
            }
        }
    }
    Ok(all)
}

async fn insert_subscribers(tx: &impl Tx, rows: &[IntakeRow]) -> Got<Vec<bool>> {
    let now = micros(tx.now());
    let mut each = Vec::with_capacity(rows.len());
    for row in rows {
        let subscriber = &row.subscriber;
        each.push(values![
            row.id.0,
            subscriber.email.as_str(),
            subscriber.dedupe_key.as_str(),
            subscriber.class.as_str(),
            subscriber.is_role,
            &subscriber.source,
            &subscriber.name,
            metadata_of(subscriber),
            now,
            now,
        ]);
    }
    tx.insert_each(
        sql!(
            "INSERT INTO subscriber (id, email, dedupe_key, class, is_role, source, name, metadata, created_at,
             updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (dedupe_key) DO NOTHING
             /*+ RETURNING id */"
        ),
        &each,
    )
    .await
}

fn metadata_of(subscriber: &NewSubscriber) -> Option<&str> {
    (!subscriber.metadata.is_empty()).then(|| subscriber.metadata.as_json())
}

/// The ids of those that were there.
async fn find_known(tx: &impl Tx, rows: &[IntakeRow], all: &mut [Stored]) -> Got<()> {
    let mut keys = Vec::new();
    for (row, _) in rows.iter().zip(&*all).filter(|(_, stored)| !stored.created) {
        keys.push(values![row.subscriber.dedupe_key.as_str()]);
    }
    let find = sql!("SELECT id FROM subscriber WHERE dedupe_key = ?");
    let found = tx.find_each(find, &keys, |row| row.get(0)).await?;
    let known = all.iter_mut().filter(|stored| !stored.created);
    for (stored, id) in known.zip(found) {
        let gone = || Failure::Unreadable("a subscriber that is in the way of a new one is not there".to_owned());
        stored.subscriber = id.ok_or_else(gone)?;
    }
    Ok(())
}

/// One that comes again by webhook tells what is new. Whether it may be looked up.
async fn take_in_again(tx: &impl Tx, intake: &Intake, subscriber: &NewSubscriber, known: Uuid) -> Got<bool> {
    if intake.channel == Channel::File {
        return Ok(false);
    }
    update_subscriber(tx, known, subscriber).await?;
    Ok(subscriber.class.is_looked_up() && is_due_again(tx, known, intake).await?)
}

/// What came anew replaces what was there; what did not come stays.
async fn update_subscriber(tx: &impl Tx, id: Uuid, subscriber: &NewSubscriber) -> Got<()> {
    let (metadata, now) = (metadata_of(subscriber), micros(tx.now()));
    tx.execute(
        sql!(
            "UPDATE subscriber SET source = ?, name = coalesce(?, name), metadata = coalesce(?, metadata),
             updated_at = ? WHERE id = ?"
        ),
        &values![&subscriber.source, &subscriber.name, metadata, now, id],
    )
    .await?;
    Ok(())
}

/// A known subscriber is looked up again only when the last lookup is long enough ago and was
/// answered. One that was never looked up stays so: somebody declined it. A stale lookup may
/// have been paid for.
async fn is_due_again(tx: &impl Tx, subscriber: Uuid, intake: &Intake) -> Got<bool> {
    let last: Option<(bool, Option<i64>)> = tx
        .find(
            sql!(
                "SELECT status IN ('enriched', 'not_found'), finished_at FROM enrichment_job
                 WHERE subscriber = ? ORDER BY id DESC LIMIT 1"
            ),
            &values![subscriber],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .await?;
    let limit = micros(tx.now()).saturating_sub(span(intake.refresh_after));
    Ok(matches!(last, Some((true, Some(finished))) if finished <= limit))
}
