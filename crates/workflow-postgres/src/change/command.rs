//! What somebody wants of a run.

use lumina_workflow::store::control::{self, Effect, Standing};
use lumina_workflow::store::{Attachment, Command, CommandKind, MemberResult, Outcome, Refusal};
use lumina_workflow::{Epoch, Record, RunId, Seq, Target, superseded};

use super::{event, key, record};
use crate::attachment;
use crate::column::{flag, number, optional_int, optional_string, phase, status, timestamp, to_int};
use crate::fault::Fault;
use crate::flow;
use crate::group::Group;
use crate::param::params;

struct Subject {
    standing: Standing,
    epoch: Epoch,
    keys: Option<String>,
}

pub(super) async fn apply(
    group: &Group,
    command: &Command,
    attach: Option<&Attachment>,
) -> Result<MemberResult, Fault> {
    let Some(subject) = load(group, command).await? else {
        return Ok(Err(Refusal::UnknownRun(command.run)));
    };
    let effect = match control::judge(command, &subject.standing) {
        Ok(effect) => effect,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if effect == Effect::Rewind
        && let Some(refusal) = find_taken_key(group, command, &subject).await?
    {
        return Ok(Err(refusal));
    }
    let effective = effect != Effect::Nothing;
    if effective {
        if let Err(refusal) = attachment::run(group, attach).await? {
            return Ok(Err(refusal));
        }
        obey(group, command, effect, &subject).await?;
    }
    Ok(Ok(Outcome::Commanded { effective }))
}

async fn load(group: &Group, command: &Command) -> Result<Option<Subject>, Fault> {
    const SQL: &str = "SELECT status, phase, cancel_by IS NOT NULL, pause_by IS NOT NULL, seq, epoch, keys \
         FROM lumina.workflow_run WHERE id = $1 FOR UPDATE";
    let Some(row) = group.db.find(SQL, params![command.run]).await? else {
        return Ok(None);
    };
    let standing = Standing {
        status: status(&row, 0)?,
        phase: phase(&row, 1)?,
        cancel_asked: flag(&row, 2)?,
        pause_asked: flag(&row, 3)?,
        seq: Seq(number(&row, 4)?),
    };
    Ok(Some(Subject {
        standing,
        epoch: Epoch(number(&row, 5)?),
        keys: optional_string(&row, 6)?,
    }))
}

/// The keys that the run held when it ended are still its own, so nobody else may have them.
async fn find_taken_key(group: &Group, command: &Command, subject: &Subject) -> Result<Option<Refusal>, Fault> {
    let keys = key::pairs(subject.keys.as_deref())?;
    Ok(key::free(group, command.run, &keys).await?.err())
}

async fn obey(group: &Group, command: &Command, effect: Effect, subject: &Subject) -> Result<(), Fault> {
    if matches!(effect, Effect::Wake | Effect::Hold | Effect::Rewind) {
        // Whatever limit held it, this goes before it; the run keeps its place.
        flow::let_go(group, command.run).await?;
    }
    note_wish(group, command).await?;
    note_in_history(group, command, effect, subject).await?;
    match effect {
        Effect::Nothing => Ok(()),
        Effect::Tell => {
            group.note_inbox(command.run);
            Ok(())
        }
        Effect::Wake => wake(group, command).await,
        Effect::Unblock => unblock(group, command).await,
        Effect::Hold => hold(group, command).await,
        Effect::Release => release(group, command).await,
        Effect::Rewind => rewind(group, command, subject).await,
    }
}

async fn note_wish(group: &Group, command: &Command) -> Result<(), Fault> {
    const CANCEL: &str = "UPDATE lumina.workflow_run SET cancel_by = $2, pause_by = NULL, inbox = inbox + 1, updated_at = $3 \
         WHERE id = $1";
    const PAUSE: &str =
        "UPDATE lumina.workflow_run SET pause_by = $2, inbox = inbox + 1, updated_at = $3 WHERE id = $1";
    const GO_ON: &str =
        "UPDATE lumina.workflow_run SET pause_by = NULL, inbox = inbox + 1, updated_at = $2 WHERE id = $1";
    let run = command.run;
    match command.what {
        CommandKind::Cancel => group.execute(CANCEL, params![run, &command.by, group.now]).await?,
        CommandKind::Pause => group.execute(PAUSE, params![run, &command.by, group.now]).await?,
        CommandKind::Resume | CommandKind::Rewind { .. } => group.execute(GO_ON, params![run, group.now]).await?,
    };
    Ok(())
}

/// What changes the run at once is part of its history, under an epoch of its own.
async fn note_in_history(group: &Group, command: &Command, effect: Effect, subject: &Subject) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_run SET epoch = $2, seq = $3 WHERE id = $1";
    let Standing { phase, seq, .. } = subject.standing;
    let (epoch, seq) = (Epoch(subject.epoch.0 + 1), seq.plus(1));
    let Some(noted) = control::record(command, effect, phase, epoch, timestamp(group.now)?) else {
        return Ok(());
    };
    record::insert_all(group, command.run, seq, std::slice::from_ref(&noted), None).await?;
    group
        .execute(SQL, params![command.run, to_int(epoch.0), to_int(seq.0)])
        .await?;
    Ok(())
}

/// Ready at once, be it delayed, waiting or paused: it waits for nothing that matters any more.
async fn wake(group: &Group, command: &Command) -> Result<(), Fault> {
    leave_pause(group, command).await?;
    make_ready(group, command).await
}

async fn make_ready(group: &Group, command: &Command) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_run SET ready_rank = $2, wake_at = NULL WHERE id = $1";
    let receiver = group.receiver(command.run).await?.ok_or_else(|| vanished(command))?;
    let rank = group.rank_of(&receiver).await?;
    group.execute(SQL, params![command.run, rank]).await?;
    Ok(())
}

/// The time of `on_failure` stood still meanwhile.
async fn leave_pause(group: &Group, command: &Command) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_run SET status = CASE WHEN begun_at IS NULL THEN 'pending' ELSE 'waiting' END, \
         failing_since = failing_since + ($2 - paused_at), paused_at = NULL, resume_at = NULL \
         WHERE id = $1 AND paused_at IS NOT NULL";
    group.execute(SQL, params![command.run, group.now]).await?;
    Ok(())
}

/// Ready for every worker that has the workflow; what was tried before counts no more.
async fn unblock(group: &Group, command: &Command) -> Result<(), Fault> {
    const SQL: &str =
        "UPDATE lumina.workflow_run SET status = 'waiting', blocked = NULL, any_hash = true WHERE id = $1";
    group.execute(SQL, params![command.run]).await?;
    group
        .execute("DELETE FROM lumina.workflow_tried WHERE run = $1", params![command.run])
        .await?;
    make_ready(group, command).await
}

async fn hold(group: &Group, command: &Command) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_run SET resume_at = CASE status WHEN 'pending' THEN wake_at END, \
         status = 'paused', paused_at = $2, ready_rank = NULL, wake_at = NULL WHERE id = $1";
    group.execute(SQL, params![command.run, group.now]).await?;
    Ok(())
}

/// A delayed start keeps its time.
async fn release(group: &Group, command: &Command) -> Result<(), Fault> {
    const RESUME_AT: &str = "SELECT resume_at FROM lumina.workflow_run WHERE id = $1";
    const DELAY: &str = "UPDATE lumina.workflow_run SET wake_at = $2 WHERE id = $1";
    let run = command.run;
    let resume_at = optional_int(&group.db.one(RESUME_AT, params![run]).await?, 0)?;
    leave_pause(group, command).await?;
    match resume_at {
        Some(time) if time > group.now => {
            group.note_timer(time);
            group.execute(DELAY, params![run, time]).await?;
            Ok(())
        }
        _ => make_ready(group, command).await,
    }
}

async fn rewind(group: &Group, command: &Command, subject: &Subject) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_run SET phase = 'main', output = NULL, failure = NULL, failing_since = NULL, \
         finished_at = NULL, cancel_by = NULL, paused_at = NULL, resume_at = NULL, begun_at = NULL WHERE id = $1";
    group.execute(SQL, params![command.run]).await?;
    // Behind all that was ready before, wherever the run was.
    group
        .execute(
            "UPDATE lumina.workflow_run SET ready_rank = NULL, wake_at = NULL WHERE id = $1",
            params![command.run],
        )
        .await?;
    unblock(group, command).await?;
    supersede(group, command.run).await?;
    let keys = key::pairs(subject.keys.as_deref())?;
    key::hold_again(group, command.run, &keys).await?;
    let mut targets = vec![Target::Run(command.run)];
    targets.extend(keys.into_iter().map(Target::Key));
    event::deliver_unrouted(group, command.run, &targets).await?;
    Ok(())
}

/// For those who read histories in SQL; the engine itself goes by the records alone, and says which these are.
async fn supersede(group: &Group, run: RunId) -> Result<(), Fault> {
    const SQL: &str =
        "UPDATE lumina.workflow_record SET superseded = true WHERE run = $1 AND seq = ANY($2) AND NOT superseded";
    let stored = record::read(&group.db, group.payloads(), run, Seq(0), usize::MAX).await?;
    let records: Vec<Record> = stored.into_iter().map(|stored| stored.record).collect();
    let gone: Vec<i64> = superseded(&records).into_iter().map(|seq| to_int(seq.0)).collect();
    group.execute(SQL, params![run, gone]).await?;
    Ok(())
}

fn vanished(command: &Command) -> Fault {
    Fault::Broken(format!("run {} vanished inside a transaction", command.run))
}
