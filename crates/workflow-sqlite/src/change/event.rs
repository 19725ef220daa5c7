//! Events: stored once per id and target, put into an inbox when somebody is there.

use lumina_workflow::store::{Attachment, Delivery, EVENT_BUFFER_LIMIT, MemberResult, Outcome, Refusal};
use lumina_workflow::{NewEvent, RunId, Target};
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::attachment;
use crate::column::{from_int, later, scope, to_int};
use crate::fault::Fault;
use crate::group::{Group, Receiver};

pub(super) fn apply(group: &Group<'_>, event: &NewEvent, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    if attach.is_some() {
        if is_known(group, event)? {
            return Ok(Ok(Outcome::Emitted(Delivery::Duplicate)));
        }
        if let Some(refusal) = find_no_room(group, event, receiver(group, event)?.as_ref())? {
            return Ok(Err(refusal));
        }
        if let Err(refusal) = attachment::run(group, attach)? {
            return Ok(Err(refusal));
        }
    }
    Ok(emit(group, event)?.map(Outcome::Emitted))
}

/// Stores the event and puts it where it belongs, if there is room.
pub(crate) fn emit(group: &Group<'_>, event: &NewEvent) -> Result<Result<Delivery, Refusal>, Fault> {
    let receiver = receiver(group, event)?;
    if !remember(group, event, receiver.as_ref())? {
        return Ok(Ok(Delivery::Duplicate));
    }
    if let Some(refusal) = find_no_room(group, event, receiver.as_ref())? {
        forget(group, event)?;
        return Ok(Err(refusal));
    }
    deliver(group, event, receiver).map(Ok)
}

/// The same for what a run sends in its own transaction: no inbox is too full for that.
pub(super) fn send(group: &Group<'_>, event: &NewEvent) -> Result<(), Fault> {
    let receiver = receiver(group, event)?;
    if remember(group, event, receiver.as_ref())? {
        deliver(group, event, receiver)?;
    }
    Ok(())
}

fn receiver(group: &Group<'_>, event: &NewEvent) -> Result<Option<Receiver>, Fault> {
    match &event.target {
        Target::Run(run) => Ok(group.receiver(*run)?.filter(|receiver| !receiver.status.is_end())),
        Target::Key(key) => group.holder(key),
    }
}

/// Why the target takes no more events, if so.
fn find_no_room(group: &Group<'_>, event: &NewEvent, to: Option<&Receiver>) -> Result<Option<Refusal>, Fault> {
    const FULL: &str = "SELECT 1 FROM workflow_unrouted INDEXED BY workflow_unrouted_target \
         WHERE scope = ?1 AND scope_key = ?2 LIMIT 1 OFFSET ?3";
    let (scope, key) = scope(&event.target);
    let (full, holder) = match to {
        Some(to) => (
            from_int(to.buffered) >= EVENT_BUFFER_LIMIT,
            format!("the inbox of run {}", to.run),
        ),
        None => {
            let last = to_int(EVENT_BUFFER_LIMIT - 1);
            let full = group.conn.prepare_cached(FULL)?.exists(params![scope, key, last])?;
            (full, format!("what waits for {}", event.target))
        }
    };
    Ok(full.then_some(Refusal::InboxFull { holder }))
}

fn deliver(group: &Group<'_>, event: &NewEvent, receiver: Option<Receiver>) -> Result<Delivery, Fault> {
    match receiver {
        Some(receiver) => {
            put_in(group, &receiver, event)?;
            Ok(Delivery::Routed(receiver.run))
        }
        None => {
            set_aside(group, event)?;
            Ok(Delivery::Unrouted)
        }
    }
}

fn is_known(group: &Group<'_>, event: &NewEvent) -> Result<bool, Fault> {
    const SQL: &str = "SELECT 1 FROM workflow_event_id WHERE scope = ?1 AND scope_key = ?2 AND id = ?3";
    let (scope, key) = scope(&event.target);
    Ok(group.conn.prepare_cached(SQL)?.exists(params![scope, key, event.id])?)
}

/// Notes the event's id, and where an event for a key went, for the purge; false when it was known.
fn remember(group: &Group<'_>, event: &NewEvent, to: Option<&Receiver>) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO workflow_event_id (scope, scope_key, id, run) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT DO NOTHING";
    let (scope, key) = scope(&event.target);
    let keyed = matches!(event.target, Target::Key(_));
    let run = to.filter(|_| keyed).map(|to| to.run.0);
    Ok(group.execute(SQL, params![scope, key, event.id, run])? == 1)
}

fn forget(group: &Group<'_>, event: &NewEvent) -> Result<(), Fault> {
    const SQL: &str = "DELETE FROM workflow_event_id WHERE scope = ?1 AND scope_key = ?2 AND id = ?3";
    let (scope, key) = scope(&event.target);
    group.execute(SQL, params![scope, key, event.id])?;
    Ok(())
}

fn put_in(group: &Group<'_>, to: &Receiver, event: &NewEvent) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    let (scope, key) = scope(&event.target);
    let expires_at = later(group.now, event.kept_for);
    group.execute(
        SQL,
        params![
            to.run.0,
            group.next_event()?,
            event.id,
            scope,
            key,
            event.name,
            event.key,
            group.payloads.write(&event.payload)?,
            group.now,
            expires_at,
            event.by,
        ],
    )?;
    group.arrive(to, 1)
}

fn set_aside(group: &Group<'_>, event: &NewEvent) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO workflow_unrouted (seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    let (scope, key) = scope(&event.target);
    group.execute(
        SQL,
        params![
            group.next_event()?,
            event.id,
            scope,
            key,
            event.name,
            event.key,
            group.payloads.write(&event.payload)?,
            group.now,
            later(group.now, event.kept_for),
            event.by,
        ],
    )?;
    Ok(())
}

/// Moves what waits for these targets into the run's inbox, each at its place by when it was
/// stored; answers how many they were. The run's row is the caller's to write.
pub(super) fn move_unrouted(group: &Group<'_>, run: RunId, targets: &[Target]) -> Result<i64, Fault> {
    let mut count = 0;
    for target in targets {
        for seq in waiting_for(group, target)? {
            move_in(group, run, seq)?;
            count += 1;
        }
    }
    Ok(count)
}

/// The same, and the run goes on because of them.
pub(crate) fn deliver_unrouted(group: &Group<'_>, run: RunId, targets: &[Target]) -> Result<i64, Fault> {
    let count = move_unrouted(group, run, targets)?;
    if count > 0 {
        let to = group.receiver(run)?.ok_or_else(|| vanished(run))?;
        group.arrive(&to, count)?;
    }
    Ok(count)
}

fn vanished(run: RunId) -> Fault {
    Fault::Broken(format!("run {run} vanished inside a transaction"))
}

fn waiting_for(group: &Group<'_>, target: &Target) -> Result<Vec<i64>, Fault> {
    const SQL: &str = "SELECT seq FROM workflow_unrouted INDEXED BY workflow_unrouted_target \
         WHERE scope = ?1 AND scope_key = ?2";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let found = statement
        .query_map(scope(target), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(found)
}

/// Gives an unrouted event to a run that it was not addressed to.
pub(super) fn give_by_hand(group: &Group<'_>, seq: i64, to: &Receiver, by: &str) -> Result<(), Fault> {
    const SIGN: &str = "UPDATE workflow_unrouted SET sent_by = ?2 WHERE seq = ?1";
    const OWN: &str = "UPDATE workflow_event_id SET run = ?1, by_hand = 1 WHERE (scope, scope_key, id) = \
         (SELECT scope, scope_key, id FROM workflow_unrouted WHERE seq = ?2)";
    group.execute(SIGN, params![seq, by])?;
    group.execute(OWN, params![to.run.0, seq])?;
    move_in(group, to.run, seq)?;
    group.arrive(to, 1)
}

/// Deletes an unrouted event, and with it that it was ever seen.
pub(super) fn discard(group: &Group<'_>, seq: i64) -> Result<(), Fault> {
    const ID: &str = "DELETE FROM workflow_event_id WHERE (scope, scope_key, id) = \
         (SELECT scope, scope_key, id FROM workflow_unrouted WHERE seq = ?1)";
    group.execute(ID, [seq])?;
    group.execute("DELETE FROM workflow_unrouted WHERE seq = ?1", [seq])?;
    Ok(())
}

fn move_in(group: &Group<'_>, run: RunId, seq: i64) -> Result<(), Fault> {
    const COPY: &str = "INSERT INTO workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) SELECT ?1, seq, id, scope, scope_key, name, key, payload, received_at, expires_at, sent_by \
         FROM workflow_unrouted WHERE seq = ?2";
    const OWN: &str = "UPDATE workflow_event_id SET run = ?1 WHERE (scope, scope_key, id) = \
         (SELECT scope, scope_key, id FROM workflow_unrouted WHERE seq = ?2) AND typeof(scope) = 'text'";
    group.execute(COPY, params![run.0, seq])?;
    group.execute(OWN, params![run.0, seq])?;
    group.execute("DELETE FROM workflow_unrouted WHERE seq = ?1", [seq])?;
    Ok(())
}

/// Consumed events leave the inbox; their ids stay known. Answers how many there were.
pub(super) fn consume(group: &Group<'_>, run: RunId, seqs: &[u64]) -> Result<i64, Fault> {
    const SQL: &str = "DELETE FROM workflow_inbox WHERE run = ?1 AND seq = ?2";
    let mut gone = 0;
    for seq in seqs {
        gone += group.execute(SQL, params![run.0, to_int(*seq)])?;
    }
    Ok(i64::try_from(gone).unwrap_or(i64::MAX))
}

/// What an ended run leaves in its inbox belongs to nobody again.
pub(super) fn leave_behind(group: &Group<'_>, run: RunId) -> Result<(), Fault> {
    const ANY: &str = "SELECT run FROM workflow_inbox WHERE run = ?1 LIMIT 1";
    const COPY: &str = "INSERT INTO workflow_unrouted (seq, id, scope, scope_key, name, key, payload, \
         received_at, expires_at, sent_by) SELECT seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by \
         FROM workflow_inbox WHERE run = ?1";
    const DISOWN: &str = "UPDATE workflow_event_id SET run = NULL, by_hand = 0 WHERE (scope, scope_key, id) IN \
         (SELECT scope, scope_key, id FROM workflow_inbox WHERE run = ?1)";
    let left = group
        .conn
        .prepare_cached(ANY)?
        .query_row([run.0], |row| row.get::<_, Uuid>(0))
        .optional()?;
    if left.is_none() {
        return Ok(());
    }
    group.execute(COPY, [run.0])?;
    group.execute(DISOWN, [run.0])?;
    group.execute("DELETE FROM workflow_inbox WHERE run = ?1", [run.0])?;
    Ok(())
}
