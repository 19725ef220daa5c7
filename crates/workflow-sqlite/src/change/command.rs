//! What somebody wants of a run.

use lumina_workflow::store::control::{self, Effect, Standing};
use lumina_workflow::store::{Attachment, Command, CommandKind, MemberResult, Outcome, Refusal};
use lumina_workflow::{Epoch, Record, RunId, Seq, Target, superseded};
use rusqlite::params;

use super::{event, key, record};
use crate::attachment;
use crate::column::{from_int, phase, status, timestamp, to_int};
use crate::fault::Fault;
use crate::flow;
use crate::group::Group;

struct Subject {
    standing: Standing,
    epoch: Epoch,
    keys: Option<String>,
}

pub(super) fn apply(group: &Group<'_>, command: &Command, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    let Some(subject) = load(group, command)? else {
        return Ok(Err(Refusal::UnknownRun(command.run)));
    };
    let effect = match control::judge(command, &subject.standing) {
        Ok(effect) => effect,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if effect == Effect::Rewind
        && let Some(refusal) = find_taken_key(group, command, &subject)?
    {
        return Ok(Err(refusal));
    }
    let effective = effect != Effect::Nothing;
    if effective {
        if let Err(refusal) = attachment::run(group, attach)? {
            return Ok(Err(refusal));
        }
        obey(group, command, effect, &subject)?;
    }
    Ok(Ok(Outcome::Commanded { effective }))
}

fn load(group: &Group<'_>, command: &Command) -> Result<Option<Subject>, Fault> {
    const SQL: &str = "SELECT status, phase, cancel_by IS NOT NULL, pause_by IS NOT NULL, seq, epoch, keys \
         FROM workflow_run WHERE id = ?1";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let mut rows = statement.query([command.run.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let standing = Standing {
        status: status(row, 0)?,
        phase: phase(row, 1)?,
        cancel_asked: row.get(2)?,
        pause_asked: row.get(3)?,
        seq: Seq(from_int(row.get(4)?)),
    };
    Ok(Some(Subject {
        standing,
        epoch: Epoch(from_int(row.get(5)?)),
        keys: row.get(6)?,
    }))
}

/// The keys that the run held when it ended are still its own, so nobody else may have them.
fn find_taken_key(group: &Group<'_>, command: &Command, subject: &Subject) -> Result<Option<Refusal>, Fault> {
    let keys = key::pairs(subject.keys.as_deref())?;
    Ok(key::free(group, command.run, &keys)?.err())
}

fn obey(group: &Group<'_>, command: &Command, effect: Effect, subject: &Subject) -> Result<(), Fault> {
    if matches!(effect, Effect::Wake | Effect::Hold | Effect::Rewind) {
        // Whatever limit held it, this goes before it; the run keeps its place.
        flow::let_go(group, command.run)?;
    }
    note_wish(group, command)?;
    note_in_history(group, command, effect, subject)?;
    match effect {
        Effect::Nothing => Ok(()),
        Effect::Tell => {
            group.note_inbox(command.run);
            Ok(())
        }
        Effect::Wake => wake(group, command),
        Effect::Unblock => unblock(group, command),
        Effect::Hold => hold(group, command),
        Effect::Release => release(group, command),
        Effect::Rewind => rewind(group, command, subject),
    }
}

fn note_wish(group: &Group<'_>, command: &Command) -> Result<(), Fault> {
    const CANCEL: &str = "UPDATE workflow_run SET cancel_by = ?2, pause_by = NULL, inbox = inbox + 1, updated_at = ?3 \
         WHERE id = ?1";
    const PAUSE: &str = "UPDATE workflow_run SET pause_by = ?2, inbox = inbox + 1, updated_at = ?3 WHERE id = ?1";
    const GO_ON: &str = "UPDATE workflow_run SET pause_by = NULL, inbox = inbox + 1, updated_at = ?2 WHERE id = ?1";
    let run = command.run.0;
    match command.what {
        CommandKind::Cancel => group.execute(CANCEL, params![run, command.by, group.now])?,
        CommandKind::Pause => group.execute(PAUSE, params![run, command.by, group.now])?,
        CommandKind::Resume | CommandKind::Rewind { .. } => group.execute(GO_ON, params![run, group.now])?,
    };
    Ok(())
}

/// What changes the run at once is part of its history, under an epoch of its own.
fn note_in_history(group: &Group<'_>, command: &Command, effect: Effect, subject: &Subject) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET epoch = ?2, seq = ?3 WHERE id = ?1";
    let Standing { phase, seq, .. } = subject.standing;
    let (epoch, seq) = (Epoch(subject.epoch.0 + 1), seq.plus(1));
    let Some(noted) = control::record(command, effect, phase, epoch, timestamp(group.now)?) else {
        return Ok(());
    };
    record::insert(group, command.run, seq, &noted, None)?;
    group.execute(SQL, params![command.run.0, to_int(epoch.0), to_int(seq.0)])?;
    Ok(())
}

/// Ready at once, be it delayed, waiting or paused: it waits for nothing that matters any more.
fn wake(group: &Group<'_>, command: &Command) -> Result<(), Fault> {
    leave_pause(group, command)?;
    make_ready(group, command)
}

fn make_ready(group: &Group<'_>, command: &Command) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET ready_rank = ?2, wake_at = NULL WHERE id = ?1";
    let receiver = group.receiver(command.run)?.ok_or_else(|| vanished(command))?;
    group.execute(SQL, params![command.run.0, group.rank_of(&receiver)?])?;
    Ok(())
}

/// The time of `on_failure` stood still meanwhile.
fn leave_pause(group: &Group<'_>, command: &Command) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET status = CASE WHEN begun_at IS NULL THEN 'pending' ELSE 'waiting' END, \
         failing_since = failing_since + (?2 - paused_at), paused_at = NULL, resume_at = NULL \
         WHERE id = ?1 AND paused_at IS NOT NULL";
    group.execute(SQL, params![command.run.0, group.now])?;
    Ok(())
}

/// Ready for every worker that has the workflow; what was tried before counts no more.
fn unblock(group: &Group<'_>, command: &Command) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET status = 'waiting', blocked = NULL, any_hash = 1 WHERE id = ?1";
    group.execute(SQL, [command.run.0])?;
    group.execute("DELETE FROM workflow_tried WHERE run = ?1", [command.run.0])?;
    make_ready(group, command)
}

fn hold(group: &Group<'_>, command: &Command) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET resume_at = CASE status WHEN 'pending' THEN wake_at END, \
         status = 'paused', paused_at = ?2, ready_rank = NULL, wake_at = NULL WHERE id = ?1";
    group.execute(SQL, params![command.run.0, group.now])?;
    Ok(())
}

/// A delayed start keeps its time.
fn release(group: &Group<'_>, command: &Command) -> Result<(), Fault> {
    const RESUME_AT: &str = "SELECT resume_at FROM workflow_run WHERE id = ?1";
    const DELAY: &str = "UPDATE workflow_run SET wake_at = ?2 WHERE id = ?1";
    let run = command.run.0;
    let resume_at: Option<i64> = group
        .conn
        .prepare_cached(RESUME_AT)?
        .query_row([run], |row| row.get(0))?;
    leave_pause(group, command)?;
    match resume_at {
        Some(time) if time > group.now => {
            let receiver = group.receiver(command.run)?.ok_or_else(|| vanished(command))?;
            match receiver.keyed {
                true => group.note_keyed_timer(time),
                false => group.note_timer(time),
            }
            group.execute(DELAY, params![run, time])?;
            Ok(())
        }
        _ => make_ready(group, command),
    }
}

fn rewind(group: &Group<'_>, command: &Command, subject: &Subject) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET phase = 'main', output = NULL, failure = NULL, failing_since = NULL, \
         finished_at = NULL, cancel_by = NULL, paused_at = NULL, resume_at = NULL, begun_at = NULL WHERE id = ?1";
    group.execute(SQL, [command.run.0])?;
    // Behind all that was ready before, wherever the run was.
    group.execute(
        "UPDATE workflow_run SET ready_rank = NULL, wake_at = NULL WHERE id = ?1",
        [command.run.0],
    )?;
    unblock(group, command)?;
    supersede(group, command.run)?;
    let keys = key::pairs(subject.keys.as_deref())?;
    key::hold_again(group, command.run, &keys)?;
    let mut targets = vec![Target::Run(command.run)];
    targets.extend(keys.into_iter().map(Target::Key));
    event::deliver_unrouted(group, command.run, &targets)?;
    Ok(())
}

/// For those who read histories in SQL; the engine itself goes by the records alone, and says which these are.
fn supersede(group: &Group<'_>, run: RunId) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_record SET superseded = 1 WHERE run = ?1 AND seq = ?2 AND superseded = 0";
    let stored = record::read(group.conn, group.payloads, run, Seq(0), usize::MAX)?;
    let records: Vec<Record> = stored.into_iter().map(|stored| stored.record).collect();
    for seq in superseded(&records) {
        group.execute(SQL, params![run.0, to_int(seq.0)])?;
    }
    Ok(())
}

fn vanished(command: &Command) -> Fault {
    Fault::Broken(format!("run {} vanished inside a transaction", command.run))
}
