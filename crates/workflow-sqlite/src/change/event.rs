//! Events: stored once per id and target, put into an inbox when somebody is there.

use lumina_workflow::store::{Attachment, Delivery, MemberResult, Outcome};
use lumina_workflow::{NewEvent, RunId, Target};
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::attachment;
use crate::column::{later, scope};
use crate::fault::Fault;
use crate::group::{Group, Receiver};

pub(super) fn apply(group: &Group<'_>, event: &NewEvent, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    if attach.is_some() {
        if is_known(group, event)? {
            return Ok(Ok(Outcome::Emitted(Delivery::Duplicate)));
        }
        if let Err(refusal) = attachment::run(group, attach)? {
            return Ok(Err(refusal));
        }
    }
    emit(group, event).map(|delivery| Ok(Outcome::Emitted(delivery)))
}

/// Stores the event and puts it where it belongs.
pub(crate) fn emit(group: &Group<'_>, event: &NewEvent) -> Result<Delivery, Fault> {
    let receiver = match &event.target {
        Target::Run(run) => group.receiver(*run)?.filter(|receiver| !receiver.status.is_end()),
        Target::Key(key) => group.holder(key)?,
    };
    if !remember(group, event, receiver.as_ref())? {
        return Ok(Delivery::Duplicate);
    }
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

fn put_in(group: &Group<'_>, to: &Receiver, event: &NewEvent) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
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
            expires_at
        ],
    )?;
    group.arrive(to, 1)
}

fn set_aside(group: &Group<'_>, event: &NewEvent) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO workflow_unrouted (seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
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
            later(group.now, event.kept_for)
        ],
    )?;
    Ok(())
}

/// Moves what waits for these targets into the run's inbox, each at its place by when it was
/// stored; answers how many they were.
pub(crate) fn deliver_unrouted(group: &Group<'_>, run: RunId, targets: &[Target]) -> Result<i64, Fault> {
    let mut count = 0;
    for target in targets {
        for seq in waiting_for(group, target)? {
            move_in(group, run, seq)?;
            count += 1;
        }
    }
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

fn move_in(group: &Group<'_>, run: RunId, seq: i64) -> Result<(), Fault> {
    const COPY: &str = "INSERT INTO workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at) SELECT ?1, seq, id, scope, scope_key, name, key, payload, received_at, expires_at \
         FROM workflow_unrouted WHERE seq = ?2";
    const OWN: &str = "UPDATE workflow_event_id SET run = ?1 WHERE (scope, scope_key, id) = \
         (SELECT scope, scope_key, id FROM workflow_unrouted WHERE seq = ?2) AND typeof(scope) = 'text'";
    group.execute(COPY, params![run.0, seq])?;
    group.execute(OWN, params![run.0, seq])?;
    group.execute("DELETE FROM workflow_unrouted WHERE seq = ?1", [seq])?;
    Ok(())
}

/// Consumed events leave the inbox; their ids stay known.
pub(super) fn consume(group: &Group<'_>, run: RunId, seqs: &[u64]) -> Result<(), Fault> {
    for seq in seqs {
        const SQL: &str = "DELETE FROM workflow_inbox WHERE run = ?1 AND seq = ?2";
        group.execute(SQL, params![run.0, crate::column::to_int(*seq)])?;
    }
    Ok(())
}

/// What an ended run leaves in its inbox belongs to nobody again.
pub(super) fn leave_behind(group: &Group<'_>, run: RunId) -> Result<(), Fault> {
    const ANY: &str = "SELECT run FROM workflow_inbox WHERE run = ?1 LIMIT 1";
    const COPY: &str = "INSERT INTO workflow_unrouted (seq, id, scope, scope_key, name, key, payload, \
         received_at, expires_at) SELECT seq, id, scope, scope_key, name, key, payload, received_at, expires_at \
         FROM workflow_inbox WHERE run = ?1";
    const DISOWN: &str = "UPDATE workflow_event_id SET run = NULL WHERE (scope, scope_key, id) IN \
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
