//! Events that nobody has consumed.

use lumina_workflow::store::{Inbox, InboxQuery};
use lumina_workflow::{RunId, StoredEvent};
use rusqlite::{Connection, OptionalExtension, Params, params};

use crate::column::{event_columns, from_int, limit, stored_event, to_int};
use crate::fault::Fault;
use crate::payloads::Payloads;

/// A run's inbox with its counter, or what is unrouted. To be called inside a transaction, so
/// that counter and events are of one moment.
pub(crate) fn read(conn: &Connection, payloads: &Payloads, query: &InboxQuery) -> Result<Inbox, Fault> {
    let Some(run) = query.run else {
        let events = unrouted(conn, payloads, query)?;
        return Ok(Inbox {
            counter: 0,
            cancel_by: None,
            pause_by: None,
            events,
        });
    };
    const SQL: &str = "SELECT inbox, CASE WHEN status = 'cancelled' OR (phase = 'main' AND finished_at IS NULL) \
         THEN cancel_by END, pause_by FROM workflow_run WHERE id = ?1";
    let row = conn
        .prepare_cached(SQL)?
        .query_row([run.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (counter, cancel_by, pause_by) = row.unwrap_or((0, None, None));
    Ok(Inbox {
        counter: from_int(counter),
        cancel_by,
        pause_by,
        events: of_run(conn, payloads, run, query.after, query.limit)?,
    })
}

/// The first events of a run's inbox.
pub(crate) fn of_run(
    conn: &Connection,
    payloads: &Payloads,
    run: RunId,
    after: u64,
    count: usize,
) -> Result<Vec<StoredEvent>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        event_columns!(),
        " FROM workflow_inbox WHERE run = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3"
    );
    events(conn, payloads, SQL, params![run.0, to_int(after), limit(count)])
}

fn unrouted(conn: &Connection, payloads: &Payloads, query: &InboxQuery) -> Result<Vec<StoredEvent>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        event_columns!(),
        " FROM workflow_unrouted WHERE seq > ?1 ORDER BY seq LIMIT ?2"
    );
    events(conn, payloads, SQL, params![to_int(query.after), limit(query.limit)])
}

fn events(conn: &Connection, payloads: &Payloads, sql: &str, params: impl Params) -> Result<Vec<StoredEvent>, Fault> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(stored_event(row, payloads)?);
    }
    Ok(events)
}
