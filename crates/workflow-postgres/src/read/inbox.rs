//! Events that nobody has consumed.

use std::collections::BTreeMap;

use lumina_workflow::store::{Inbox, InboxQuery};
use lumina_workflow::{RunId, StoredEvent};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{event_columns, limit, number, optional_int, optional_string, run_id, stored_event, to_int};
use crate::fault::Fault;
use crate::param::params;
use crate::payloads::Payloads;
use crate::session::Session;

/// An inbox's columns; the counter and the run behind them.
macro_rules! inbox_of {
    ($runs:literal, $after:literal, $count:literal) => {
        concat!(
            "SELECT e.seq, e.id, e.scope, e.scope_key, e.name, e.key, e.payload, e.received_at, e.sent_by, \
             r.inbox, CASE WHEN r.status = 'cancelled' OR (r.phase = 'main' AND r.finished_at IS NULL) \
             THEN r.cancel_by END, r.pause_by, r.id FROM ",
            $runs,
            " LEFT JOIN LATERAL (SELECT * FROM lumina.workflow_inbox AS one WHERE one.run = r.id",
            $after,
            " ORDER BY one.seq LIMIT ",
            $count,
            ") AS e ON true"
        )
    };
}

/// A run's inbox with its counter, in one statement, so that both are of one moment; or what is unrouted.
pub(crate) async fn read(db: &Session, payloads: &Payloads, query: &InboxQuery) -> Result<Inbox, Fault> {
    const SQL: &str = concat!(
        inbox_of!("lumina.workflow_run AS r", " AND one.seq > $2", "$3"),
        " WHERE r.id = $1 ORDER BY e.seq"
    );
    let mut inbox = EMPTY;
    let Some(run) = query.run else {
        inbox.events = unrouted(db, payloads, query).await?;
        return Ok(inbox);
    };
    let params = params![run, to_int(query.after), limit(query.limit)];
    for row in db.query(SQL, params).await? {
        add(&mut inbox, &row, payloads)?;
    }
    Ok(inbox)
}

/// The inboxes of many runs, each with its first events.
pub(crate) async fn read_many(
    db: &Session,
    payloads: &Payloads,
    runs: Vec<Uuid>,
    count: usize,
) -> Result<BTreeMap<RunId, Inbox>, Fault> {
    const SQL: &str = concat!(
        inbox_of!(
            "unnest($1::uuid[]) AS w(wanted) JOIN lumina.workflow_run AS r ON r.id = w.wanted",
            "",
            "$2"
        ),
        " ORDER BY r.id, e.seq"
    );
    const RUN: usize = 12;
    let mut found = BTreeMap::new();
    for row in db.query(SQL, params![runs, limit(count)]).await? {
        let inbox = found.entry(run_id(&row, RUN)?).or_insert(EMPTY);
        add(inbox, &row, payloads)?;
    }
    Ok(found)
}

const EMPTY: Inbox = Inbox {
    counter: 0,
    cancel_by: None,
    pause_by: None,
    events: Vec::new(),
};

fn add(inbox: &mut Inbox, row: &Row, payloads: &Payloads) -> Result<(), Fault> {
    const COUNTER: usize = 9;
    inbox.counter = number(row, COUNTER)?;
    inbox.cancel_by = optional_string(row, COUNTER + 1)?;
    inbox.pause_by = optional_string(row, COUNTER + 2)?;
    if optional_int(row, 0)?.is_some() {
        inbox.events.push(stored_event(row, payloads)?);
    }
    Ok(())
}

/// The first events of many inboxes.
pub(crate) async fn of_runs(
    db: &Session,
    payloads: &Payloads,
    runs: Vec<Uuid>,
    count: usize,
) -> Result<BTreeMap<RunId, Vec<StoredEvent>>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        event_columns!(),
        ", run FROM unnest($1::uuid[]) AS w(wanted) CROSS JOIN LATERAL (SELECT * FROM lumina.workflow_inbox AS one \
         WHERE one.run = w.wanted ORDER BY one.seq LIMIT $2) AS r ORDER BY run, seq"
    );
    const RUN: usize = 9;
    let mut found: BTreeMap<RunId, Vec<StoredEvent>> = BTreeMap::new();
    for row in db.query(SQL, params![runs, limit(count)]).await? {
        let event = stored_event(&row, payloads)?;
        found.entry(run_id(&row, RUN)?).or_default().push(event);
    }
    Ok(found)
}

async fn unrouted(db: &Session, payloads: &Payloads, query: &InboxQuery) -> Result<Vec<StoredEvent>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        event_columns!(),
        " FROM lumina.workflow_unrouted WHERE seq > $1 ORDER BY seq LIMIT $2"
    );
    let rows = db.query(SQL, params![to_int(query.after), limit(query.limit)]).await?;
    rows.iter().map(|row| stored_event(row, payloads)).collect()
}
