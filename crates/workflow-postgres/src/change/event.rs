//! Events: stored once per id and target, put into an inbox when somebody is there.

use std::collections::BTreeMap;

use lumina_workflow::store::{Attachment, Delivery, EVENT_BUFFER_LIMIT, MemberResult, Outcome, Refusal};
use lumina_workflow::{NewEvent, RunId, Target};
use uuid::Uuid;

use crate::attachment;
use crate::column::{RUN_SCOPE, from_int, int, later, run_id, scope, to_int};
use crate::fault::Fault;
use crate::group::{Group, Receiver};
use crate::param::{Param, params};

pub(super) async fn apply(group: &Group, event: &NewEvent, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    if attach.is_some() {
        let to = receiver(group, event).await?;
        if is_known(group, event).await? {
            return Ok(Ok(Outcome::Emitted(Delivery::Duplicate)));
        }
        if let Some(refusal) = find_no_room(group, event, to.as_ref()).await? {
            return Ok(Err(refusal));
        }
        if let Err(refusal) = attachment::run(group, attach).await? {
            return Ok(Err(refusal));
        }
    }
    Ok(emit(group, event).await?.map(Outcome::Emitted))
}

/// Stores the event and puts it where it belongs, if there is room.
pub(crate) async fn emit(group: &Group, event: &NewEvent) -> Result<Result<Delivery, Refusal>, Fault> {
    let receiver = receiver(group, event).await?;
    if !remember(group, event, receiver.as_ref()).await? {
        return Ok(Ok(Delivery::Duplicate));
    }
    if let Some(refusal) = find_no_room(group, event, receiver.as_ref()).await? {
        forget(group, event).await?;
        return Ok(Err(refusal));
    }
    deliver(group, event, receiver).await.map(Ok)
}

/// The same for what a run sends in its own transaction: no inbox is too full for that.
pub(super) async fn send(group: &Group, event: &NewEvent) -> Result<(), Fault> {
    let receiver = receiver(group, event).await?;
    if remember(group, event, receiver.as_ref()).await? {
        deliver(group, event, receiver).await?;
    }
    Ok(())
}

/// Who takes the event: a run that is locked until this transaction is over; or nobody, and until then nobody can
/// come to be it.
async fn receiver(group: &Group, event: &NewEvent) -> Result<Option<Receiver>, Fault> {
    loop {
        let found = match &event.target {
            Target::Run(run) => group.receiver(*run).await?,
            Target::Key(key) => group.holder(key).await?,
        };
        if let Some(found) = found {
            return Ok(Some(found).filter(|found| !found.status.is_end()));
        }
        let reserved = match &event.target {
            Target::Run(run) => group.reserve_run(*run).await?,
            Target::Key(key) => group.reserve_key(key).await?,
        };
        if reserved {
            return Ok(None);
        }
    }
}

/// Why the target takes no more events, if so.
async fn find_no_room(group: &Group, event: &NewEvent, to: Option<&Receiver>) -> Result<Option<Refusal>, Fault> {
    const FULL: &str = "SELECT 1 FROM lumina.workflow_unrouted WHERE scope = $1 AND scope_key = $2 LIMIT 1 OFFSET $3";
    let (full, holder) = match to {
        Some(to) => (
            from_int(to.buffered) >= EVENT_BUFFER_LIMIT,
            format!("the inbox of run {}", to.run),
        ),
        None => {
            let (scope, key) = scope(&event.target);
            let last = to_int(EVENT_BUFFER_LIMIT - 1);
            let full = group.db.find(FULL, params![&scope, &*key, last]).await?.is_some();
            (full, format!("what waits for {}", event.target))
        }
    };
    Ok(full.then_some(Refusal::InboxFull { holder }))
}

async fn deliver(group: &Group, event: &NewEvent, receiver: Option<Receiver>) -> Result<Delivery, Fault> {
    match receiver {
        Some(receiver) => {
            put_in(group, &receiver, event).await?;
            Ok(Delivery::Routed(receiver.run))
        }
        None => {
            set_aside(group, event).await?;
            Ok(Delivery::Unrouted)
        }
    }
}

async fn is_known(group: &Group, event: &NewEvent) -> Result<bool, Fault> {
    const SQL: &str = "SELECT 1 FROM lumina.workflow_event_id WHERE scope = $1 AND scope_key = $2 AND id = $3";
    let (scope, key) = scope(&event.target);
    Ok(group.db.find(SQL, params![&scope, &*key, &event.id]).await?.is_some())
}

/// Notes the event's id, and where an event for a key went, for the purge; false when it was known.
async fn remember(group: &Group, event: &NewEvent, to: Option<&Receiver>) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_event_id (scope, scope_key, id, run) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING";
    let (scope, key) = scope(&event.target);
    let keyed = matches!(event.target, Target::Key(_));
    let run = to.filter(|_| keyed).map(|to| to.run.0);
    Ok(group.execute(SQL, params![&scope, &*key, &event.id, run]).await? == 1)
}

async fn forget(group: &Group, event: &NewEvent) -> Result<(), Fault> {
    const SQL: &str = "DELETE FROM lumina.workflow_event_id WHERE scope = $1 AND scope_key = $2 AND id = $3";
    let (scope, key) = scope(&event.target);
    group.execute(SQL, params![&scope, &*key, &event.id]).await?;
    Ok(())
}

async fn put_in(group: &Group, to: &Receiver, event: &NewEvent) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) VALUES ($1, nextval('lumina.workflow_event_seq'), $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let (scope, key) = scope(&event.target);
    let params = params![
        to.run,
        &event.id,
        &scope,
        &*key,
        &event.name,
        &event.key,
        group.payloads().write(&event.payload)?,
        group.now,
        later(group.now, event.kept_for),
        &event.by,
    ];
    group.execute(SQL, params).await?;
    group.arrive(to, 1).await
}

async fn set_aside(group: &Group, event: &NewEvent) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_unrouted (seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) VALUES (nextval('lumina.workflow_event_seq'), $1, $2, $3, $4, $5, $6, $7, $8, $9)";
    let (scope, key) = scope(&event.target);
    let params = params![
        &event.id,
        &scope,
        &*key,
        &event.name,
        &event.key,
        group.payloads().write(&event.payload)?,
        group.now,
        later(group.now, event.kept_for),
        &event.by,
    ];
    group.execute(SQL, params).await?;
    Ok(())
}

/// Moves what waits for these targets into the run's inbox, each at its place by when it was
/// stored; answers how many they were. The run's row is the caller's to write.
pub(super) async fn move_unrouted(group: &Group, run: RunId, targets: &[Target]) -> Result<i64, Fault> {
    const MOVE: &str = "WITH gone AS (DELETE FROM lumina.workflow_unrouted WHERE scope = $2 AND scope_key = $3 RETURNING *), \
         put AS (INSERT INTO lumina.workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) SELECT $1, seq, id, scope, scope_key, name, key, payload, received_at, expires_at, sent_by \
         FROM gone), \
         own AS (UPDATE lumina.workflow_event_id AS e SET run = $1 FROM gone AS g WHERE e.scope = g.scope \
         AND e.scope_key = g.scope_key AND e.id = g.id AND g.scope <> $4) \
         SELECT count(*) FROM gone";
    let mut count = 0;
    for target in targets {
        let (scope, key) = scope(target);
        count += int(&group.db.one(MOVE, params![run, &scope, &*key, RUN_SCOPE]).await?, 0)?;
    }
    Ok(count)
}

/// The same for keys that many runs have registered, each by its scope; answers how many came to each run.
pub(super) async fn move_to_owners(
    group: &Group,
    owners: &BTreeMap<(String, String), RunId>,
) -> Result<BTreeMap<RunId, i64>, Fault> {
    const MOVE: &str = "WITH gone AS (DELETE FROM lumina.workflow_unrouted AS u \
         USING unnest($1::text[], $2::text[], $3::uuid[]) AS w(scope, scope_key, run) \
         WHERE u.scope = w.scope AND u.scope_key = w.scope_key RETURNING u.*, w.run), \
         put AS (INSERT INTO lumina.workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) SELECT run, seq, id, scope, scope_key, name, key, payload, received_at, expires_at, sent_by \
         FROM gone), \
         own AS (UPDATE lumina.workflow_event_id AS e SET run = g.run FROM gone AS g WHERE e.scope = g.scope \
         AND e.scope_key = g.scope_key AND e.id = g.id) \
         SELECT run, count(*) FROM gone GROUP BY run";
    let texts = |of: fn(&(String, String)) -> &str| Param::from(owners.keys().map(of).collect::<Vec<&str>>());
    let runs: Vec<Uuid> = owners.values().map(|run| run.0).collect();
    let params = [texts(|owner| &owner.0), texts(|owner| &owner.1), Param::from(runs)];
    let rows = group.db.query(MOVE, &params).await?;
    rows.iter().map(|row| Ok((run_id(row, 0)?, int(row, 1)?))).collect()
}

/// The same, and the run goes on because of them.
pub(crate) async fn deliver_unrouted(group: &Group, run: RunId, targets: &[Target]) -> Result<i64, Fault> {
    let count = move_unrouted(group, run, targets).await?;
    if count > 0 {
        let to = group.receiver(run).await?.ok_or_else(|| vanished(run))?;
        group.arrive(&to, count).await?;
    }
    Ok(count)
}

fn vanished(run: RunId) -> Fault {
    Fault::Broken(format!("run {run} vanished inside a transaction"))
}

/// Gives an unrouted event, which is locked, to a run that it was not addressed to.
pub(super) async fn give_by_hand(group: &Group, seq: i64, to: &Receiver, by: &str) -> Result<(), Fault> {
    const MOVE: &str = "WITH gone AS (DELETE FROM lumina.workflow_unrouted WHERE seq = $2 RETURNING *), \
         put AS (INSERT INTO lumina.workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) SELECT $1, seq, id, scope, scope_key, name, key, payload, received_at, expires_at, $3 \
         FROM gone) \
         UPDATE lumina.workflow_event_id AS e SET run = $1, by_hand = true FROM gone AS g WHERE e.scope = g.scope \
         AND e.scope_key = g.scope_key AND e.id = g.id";
    group.execute(MOVE, params![to.run, seq, by]).await?;
    group.arrive(to, 1).await
}

/// Deletes an unrouted event, and with it that it was ever seen.
pub(super) async fn discard(group: &Group, seq: i64) -> Result<(), Fault> {
    const SQL: &str = "WITH gone AS (DELETE FROM lumina.workflow_unrouted WHERE seq = $1 RETURNING scope, scope_key, id) \
         DELETE FROM lumina.workflow_event_id AS e USING gone AS g WHERE e.scope = g.scope \
         AND e.scope_key = g.scope_key AND e.id = g.id";
    group.execute(SQL, params![seq]).await?;
    Ok(())
}

/// Consumed events leave the inbox; their ids stay known. Answers how many there were.
pub(super) async fn consume(group: &Group, run: RunId, seqs: &[u64]) -> Result<i64, Fault> {
    const SQL: &str = "DELETE FROM lumina.workflow_inbox WHERE run = $1 AND seq = ANY($2)";
    if seqs.is_empty() {
        return Ok(0);
    }
    let seqs: Vec<i64> = seqs.iter().map(|seq| to_int(*seq)).collect();
    Ok(to_int(group.execute(SQL, params![run, seqs]).await?))
}

/// What ended runs leave in their inboxes belongs to nobody again.
pub(super) async fn leave_behind(group: &Group, runs: Vec<Uuid>) -> Result<(), Fault> {
    const SQL: &str = "WITH gone AS (DELETE FROM lumina.workflow_inbox WHERE run = ANY($1) RETURNING *), \
         put AS (INSERT INTO lumina.workflow_unrouted (seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) SELECT seq, id, scope, scope_key, name, key, payload, received_at, expires_at, sent_by \
         FROM gone) \
         UPDATE lumina.workflow_event_id AS e SET run = NULL, by_hand = false FROM gone AS g WHERE e.scope = g.scope \
         AND e.scope_key = g.scope_key AND e.id = g.id";
    group.execute(SQL, params![runs]).await?;
    Ok(())
}
