//! Calls of the provider, counted for all processes that make them. The minutes are the database's.

use std::time::Duration;

use lumina_workflow::store::Attachment;

use super::{micros, span};
use crate::records::Records;
use crate::records::db::{Got, Tx, sql, values};
use crate::records::handle::writes;

const MINUTE: i64 = 60_000_000;

impl Records {
    /// Takes a call of this minute, unless so many are taken. The result is how long to wait for the next try, and
    /// nothing when the call may be made.
    #[must_use]
    pub fn take_call(most: u32) -> Attachment {
        writes!(|tx, most| take(tx, *most))
    }

    /// Nobody calls for so long, or until the next minute. What is held for longer stays so.
    #[must_use]
    pub fn hold_calls(pause: Option<Duration>) -> Attachment {
        writes!(|tx, pause| hold(tx, *pause))
    }
}

/// Whoever waits for the row may do so beyond the end of the minute that it began in; then the row is a minute ahead,
/// and the call counts there. Any other minute is over, or of a clock that was set back.
async fn take(tx: &impl Tx, most: u32) -> Got<Option<Duration>> {
    let now = micros(tx.now());
    make_row(tx).await?;
    let taken = tx
        .execute(
            sql!(
                "UPDATE provider_calls SET
                 used = CASE WHEN minute BETWEEN ?1 AND ?1 + 1 THEN used + 1 ELSE 1 END,
                 minute = CASE WHEN minute BETWEEN ?1 AND ?1 + 1 THEN minute ELSE ?1 END
                 WHERE (used < ?2 OR NOT minute BETWEEN ?1 AND ?1 + 1) AND NOT held_until BETWEEN ?3 AND ?4"
            ),
            &values![now.div_euclid(MINUTE), most, now + 1, longest_hold(now)],
        )
        .await?;
    match taken {
        0 => Ok(Some(read_wait(tx, now).await?)),
        _ => Ok(None),
    }
}

async fn make_row(tx: &impl Tx) -> Got<()> {
    let make = sql!(
        "INSERT INTO provider_calls (name, minute, used, held_until) VALUES ('calls', 0, 0, 0) ON CONFLICT DO NOTHING"
    );
    tx.execute(make, &[]).await?;
    Ok(())
}

/// A hold that is longer is of a clock that was set back.
fn longest_hold(now: i64) -> i64 {
    now.saturating_add(span(lumina_fullenrich::MAX_RETRY_AFTER))
}

async fn read_wait(tx: &impl Tx, now: i64) -> Got<Duration> {
    let find = sql!("SELECT minute, held_until FROM provider_calls");
    let found: Option<(i64, i64)> = tx.find(find, &[], |row| Ok((row.get(0)?, row.get(1)?))).await?;
    let (minute, held_until) = found.unwrap_or_default();
    let present = now.div_euclid(MINUTE);
    let minute = if minute == present + 1 { minute } else { present };
    let until = match (now + 1..=longest_hold(now)).contains(&held_until) {
        true => held_until,
        false => (minute + 1) * MINUTE,
    };
    Ok(Duration::from_micros(u64::try_from(until - now).unwrap_or(0)))
}

async fn hold(tx: &impl Tx, pause: Option<Duration>) -> Got<()> {
    let now = micros(tx.now());
    let until = match pause {
        Some(pause) => now.saturating_add(span(pause)).min(longest_hold(now)),
        None => (now.div_euclid(MINUTE) + 1) * MINUTE,
    };
    make_row(tx).await?;
    tx.execute(
        sql!("UPDATE provider_calls SET held_until = ?1 WHERE NOT held_until BETWEEN ?1 AND ?2"),
        &values![until, longest_hold(now)],
    )
    .await?;
    Ok(())
}
