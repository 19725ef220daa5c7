//! What somebody wants of a run.

use lumina_workflow::Phase;
use lumina_workflow::store::{Attachment, Command, CommandKind, MemberResult, Outcome, Refusal, RunStatus};
use rusqlite::params;

use crate::attachment;
use crate::column::{phase, status};
use crate::fault::Fault;
use crate::flow;
use crate::group::Group;

struct Subject {
    status: RunStatus,
    phase: Phase,
    asked: bool,
}

pub(super) fn apply(group: &Group<'_>, command: &Command, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    let Some(subject) = load(group, command)? else {
        return Ok(Err(Refusal::UnknownRun(command.run)));
    };
    let effective = match effect(command, &subject) {
        Ok(effective) => effective,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if effective {
        if let Err(refusal) = attachment::run(group, attach)? {
            return Ok(Err(refusal));
        }
        match command.what {
            CommandKind::Cancel => cancel(group, command, &subject)?,
            CommandKind::Retry => unblock(group, command)?,
        }
    }
    Ok(Ok(Outcome::Commanded { effective }))
}

fn load(group: &Group<'_>, command: &Command) -> Result<Option<Subject>, Fault> {
    const SQL: &str = "SELECT status, phase, cancel_by IS NOT NULL FROM workflow_run WHERE id = ?1";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let mut rows = statement.query([command.run.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    Ok(Some(Subject {
        status: status(row, 0)?,
        phase: phase(row, 1)?,
        asked: row.get(2)?,
    }))
}

fn effect(command: &Command, subject: &Subject) -> Result<bool, Refusal> {
    let wrong = |problem| Refusal::WrongStatus {
        run: command.run,
        status: subject.status,
        problem,
    };
    match command.what {
        CommandKind::Cancel if subject.status.is_end() => Err(wrong("it has ended, so it cannot be cancelled")),
        CommandKind::Cancel => Ok(!subject.asked && subject.phase == Phase::Main),
        CommandKind::Retry if subject.status == RunStatus::Blocked => Ok(true),
        CommandKind::Retry => Err(wrong("only a blocked run can be retried")),
    }
}

fn cancel(group: &Group<'_>, command: &Command, subject: &Subject) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET cancel_by = ?2 WHERE id = ?1";
    group.execute(SQL, params![command.run.0, command.by])?;
    match subject.status {
        RunStatus::Blocked => unblock(group, command),
        _ => {
            let receiver = group.receiver(command.run)?.ok_or_else(|| vanished(command))?;
            if receiver.held {
                flow::let_go(group, command.run)?;
                return group.arrive(&receiver, 1);
            }
            match subject.status == RunStatus::Pending && !receiver.ready {
                // A delayed start waits for nothing that matters any more.
                true => group.make_ready(&receiver, 1),
                false => group.arrive(&receiver, 1),
            }
        }
    }
}

/// Ready for every worker that has the workflow; what was tried before counts no more.
fn unblock(group: &Group<'_>, command: &Command) -> Result<(), Fault> {
    const SQL: &str = "UPDATE workflow_run SET status = 'waiting', blocked = NULL, any_hash = 1, \
         inbox = inbox + 1, ready_rank = ?2, updated_at = ?3 WHERE id = ?1";
    group.note_ready();
    let rank = flow::rank(group, command.run)?;
    group.execute(SQL, params![command.run.0, rank, group.now])?;
    group.execute("DELETE FROM workflow_tried WHERE run = ?1", [command.run.0])?;
    Ok(())
}

fn vanished(command: &Command) -> Fault {
    Fault::Broken(format!("run {} vanished inside a transaction", command.run))
}
