//! What somebody wants of a whole workflow.

use lumina_workflow::store::{Attachment, FlowCommand, FlowCommandKind, MemberResult, Outcome};

use super::book;
use crate::attachment;
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

pub(crate) async fn apply(
    group: &Group,
    command: &FlowCommand,
    attach: Option<&Attachment>,
) -> Result<MemberResult, Fault> {
    const MAKE: &str = "INSERT INTO lumina.workflow_flow (workflow, key) VALUES ($1, '') ON CONFLICT DO NOTHING";
    let pause = command.what == FlowCommandKind::Pause;
    if pause {
        // So that of two who pause it at once the second finds that it is paused.
        group.execute(MAKE, params![&command.workflow]).await?;
    }
    let effective = book::is_paused(group, &command.workflow).await? != pause;
    if effective {
        if let Err(refusal) = attachment::run(group, attach).await? {
            return Ok(Err(refusal));
        }
        steer(group, command).await?;
    }
    Ok(Ok(Outcome::Commanded { effective }))
}

async fn steer(group: &Group, command: &FlowCommand) -> Result<(), Fault> {
    const PAUSE: &str = "INSERT INTO lumina.workflow_flow (workflow, key, paused_by, paused_at) VALUES ($1, '', $2, $3) \
         ON CONFLICT (workflow, key) DO UPDATE SET paused_by = $2, paused_at = $3, release_at = NULL";
    const RESUME: &str = "UPDATE lumina.workflow_flow SET paused_by = NULL, paused_at = NULL, resumed_by = $2, resumed_at = $3, \
         release_at = CASE WHEN held + paused > 0 THEN least(release_at, $3) ELSE release_at END \
         WHERE workflow = $1 AND key = ''";
    let sql = match command.what {
        FlowCommandKind::Pause => PAUSE,
        FlowCommandKind::Resume => RESUME,
    };
    group
        .execute(sql, params![&command.workflow, &command.by, group.now])
        .await?;
    if command.what == FlowCommandKind::Resume {
        group.note_ready();
    }
    Ok(())
}
