//! What somebody wants of an event that nobody has claimed.

use lumina_workflow::RunId;
use lumina_workflow::store::{Attachment, EVENT_BUFFER_LIMIT, MemberResult, Outcome, Refusal, UnroutedCommand};

use super::event;
use crate::attachment;
use crate::column::{from_int, to_int};
use crate::fault::Fault;
use crate::group::{Group, Receiver};
use crate::param::params;

pub(super) async fn apply(
    group: &Group,
    command: &UnroutedCommand,
    attach: Option<&Attachment>,
) -> Result<MemberResult, Fault> {
    let seq = to_int(command.seq);
    // Runs are locked before their events, as everywhere; what is told first is whether there is the event.
    let to = find(group, command.to).await?;
    if !exists(group, seq).await? {
        return Ok(Err(Refusal::UnknownEvent(command.seq)));
    }
    if let Err(refusal) = to {
        return Ok(Err(refusal));
    }
    if let Err(refusal) = attachment::run(group, attach).await? {
        return Ok(Err(refusal));
    }
    // The attachment may have sent the run something, so it is looked at again.
    match find(group, command.to).await? {
        Ok(Some(to)) => event::give_by_hand(group, seq, &to, &command.by).await?,
        Ok(None) => event::discard(group, seq).await?,
        Err(refusal) => return Ok(Err(refusal)),
    }
    Ok(Ok(Outcome::Handled))
}

async fn exists(group: &Group, seq: i64) -> Result<bool, Fault> {
    const SQL: &str = "SELECT 1 FROM lumina.workflow_unrouted WHERE seq = $1 FOR UPDATE";
    Ok(group.db.find(SQL, params![seq]).await?.is_some())
}

async fn find(group: &Group, run: Option<RunId>) -> Result<Result<Option<Receiver>, Refusal>, Fault> {
    let Some(run) = run else { return Ok(Ok(None)) };
    let Some(to) = group.receiver(run).await? else {
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
    Ok(Ok(Some(to)))
}
