//! Events that nobody has consumed.

use std::collections::BTreeMap;

use lumina_workflow::store::Inbox;
use lumina_workflow::{RunId, StoredEvent};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{event_columns, limit, number, optional_int, optional_string, run_id, stored_event, to_int};
use crate::fault::Fault;
use crate::param::params;
use crate::payloads::Payloads;
use crate::session::Session;

/// Which part of a run's inbox is wanted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub run: RunId,
    /// Only events behind this place.
    pub after: u64,
    /// At most this many.
    pub limit: usize,
}

/// Inboxes with their counters, in one statement, so that both are of one moment. One that cannot be read costs the
/// others nothing.
pub(crate) async fn read(
    db: &Session,
    payloads: &Payloads,
    wanted: &[Wanted],
) -> Result<Vec<Result<Inbox, Fault>>, Fault> {
    const SQL: &str = "SELECT e.seq, e.id, e.scope, e.scope_key, e.name, e.key, e.payload, e.received_at, e.sent_by, \
         r.inbox, CASE WHEN r.status = 'cancelled' OR (r.phase = 'main' AND r.finished_at IS NULL) \
         THEN r.cancel_by END, r.pause_by, w.place \
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w(run, after, count, place) \
         JOIN lumina.workflow_run AS r ON r.id = w.run \
         LEFT JOIN LATERAL (SELECT * FROM lumina.workflow_inbox AS one WHERE one.run = r.id AND one.seq > w.after \
         ORDER BY one.seq LIMIT w.count) AS e ON true ORDER BY w.place, e.seq";
    const PLACE: usize = 12;
    let runs: Vec<Uuid> = wanted.iter().map(|wanted| wanted.run.0).collect();
    let afters: Vec<i64> = wanted.iter().map(|wanted| to_int(wanted.after)).collect();
    let counts: Vec<i64> = wanted.iter().map(|wanted| limit(wanted.limit)).collect();
    let mut found: Vec<_> = wanted.iter().map(|_| Ok(EMPTY)).collect();
    for row in db.query(SQL, params![runs, afters, counts]).await? {
        let place = number(&row, PLACE)?;
        let inbox = usize::try_from(place)
            .ok()
            .and_then(|place| found.get_mut(place.checked_sub(1)?));
        let inbox = inbox.ok_or_else(|| Fault::Broken(format!("nobody has asked for inbox {place}")))?;
        if let Ok(begun) = inbox
            && let Err(fault) = add(begun, &row, payloads)
        {
            *inbox = Err(fault);
        }
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

/// Events that nobody has taken, behind a place.
pub(crate) async fn unrouted(db: &Session, payloads: &Payloads, after: u64, count: usize) -> Result<Inbox, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        event_columns!(),
        " FROM lumina.workflow_unrouted WHERE seq > $1 ORDER BY seq LIMIT $2"
    );
    let rows = db.query(SQL, params![to_int(after), limit(count)]).await?;
    let events = rows
        .iter()
        .map(|row| stored_event(row, payloads))
        .collect::<Result<_, _>>()?;
    Ok(Inbox { events, ..EMPTY })
}
