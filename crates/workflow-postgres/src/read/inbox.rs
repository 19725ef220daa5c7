//! Events that nobody has consumed.

use std::collections::BTreeMap;

use lumina_workflow::store::{Inbox, InboxQuery};
use lumina_workflow::{RunId, StoredEvent};
use uuid::Uuid;

use crate::column::{event_columns, limit, number, optional_int, optional_string, run_id, stored_event, to_int};
use crate::fault::Fault;
use crate::param::params;
use crate::payloads::Payloads;
use crate::session::Session;

/// A run's inbox with its counter, in one statement, so that both are of one moment; or what is unrouted.
pub(crate) async fn read(db: &Session, payloads: &Payloads, query: &InboxQuery) -> Result<Inbox, Fault> {
    const SQL: &str = "SELECT e.seq, e.id, e.scope, e.scope_key, e.name, e.key, e.payload, e.received_at, e.sent_by, \
         r.inbox, CASE WHEN r.status = 'cancelled' OR (r.phase = 'main' AND r.finished_at IS NULL) \
         THEN r.cancel_by END, r.pause_by FROM lumina.workflow_run AS r LEFT JOIN LATERAL (SELECT * \
         FROM lumina.workflow_inbox AS one WHERE one.run = r.id AND one.seq > $2 ORDER BY one.seq LIMIT $3) AS e ON true \
         WHERE r.id = $1 ORDER BY e.seq";
    const RUN: usize = 9;
    let mut inbox = Inbox {
        counter: 0,
        cancel_by: None,
        pause_by: None,
        events: Vec::new(),
    };
    let Some(run) = query.run else {
        inbox.events = unrouted(db, payloads, query).await?;
        return Ok(inbox);
    };
    for row in db
        .query(SQL, params![run, to_int(query.after), limit(query.limit)])
        .await?
    {
        inbox.counter = number(&row, RUN)?;
        inbox.cancel_by = optional_string(&row, RUN + 1)?;
        inbox.pause_by = optional_string(&row, RUN + 2)?;
        if optional_int(&row, 0)?.is_some() {
            inbox.events.push(stored_event(&row, payloads)?);
        }
    }
    Ok(inbox)
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
