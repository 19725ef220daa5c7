//! What somebody wants of an event that nobody has claimed.

use lumina_workflow::RunId;
use lumina_workflow::store::{Attachment, EVENT_BUFFER_LIMIT, MemberResult, Outcome, Refusal, UnroutedCommand};

use super::event;
use crate::attachment;
use crate::column::{from_int, to_int};
use crate::fault::Fault;
use crate::group::{Group, Receiver};

pub(super) fn apply(
    group: &Group<'_>,
    command: &UnroutedCommand,
    attach: Option<&Attachment>,
) -> Result<MemberResult, Fault> {
    let seq = to_int(command.seq);
    if !exists(group, seq)? {
        return Ok(Err(Refusal::UnknownEvent(command.seq)));
    }
    if let Some(Err(refusal)) = command.to.map(|to| find(group, to)).transpose()? {
        return Ok(Err(refusal));
    }
    if let Err(refusal) = attachment::run(group, attach)? {
        return Ok(Err(refusal));
    }
    // The attachment may have sent the run something, so it is looked at again.
    match command.to.map(|to| find(group, to)).transpose()? {
        Some(Ok(to)) => event::give_by_hand(group, seq, &to, &command.by)?,
        Some(Err(refusal)) => return Ok(Err(refusal)),
        None => event::discard(group, seq)?,
    }
    Ok(Ok(Outcome::Handled))
}

fn exists(group: &Group<'_>, seq: i64) -> Result<bool, Fault> {
    const SQL: &str = "SELECT 1 FROM workflow_unrouted WHERE seq = ?1";
    Ok(group.conn.prepare_cached(SQL)?.exists([seq])?)
}

fn find(group: &Group<'_>, run: RunId) -> Result<Result<Receiver, Refusal>, Fault> {
    let Some(to) = group.receiver(run)? else {
        return Ok(Err(Refusal::UnknownRun(run)));
    };
    if to.status.is_end() {
        return Ok(Err(Refusal::WrongStatus {
            run,
            status: to.status,
            problem: "it has ended, so it takes no event",
        }));
    }
    if from_int(to.buffered) >= EVENT_BUFFER_LIMIT {
        let holder = format!("the inbox of run {run}");
        return Ok(Err(Refusal::InboxFull { holder }));
    }
    Ok(Ok(to))
}
