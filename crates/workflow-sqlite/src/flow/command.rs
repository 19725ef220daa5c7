//! What somebody wants of a whole workflow.

use lumina_workflow::store::{Attachment, FlowCommand, FlowCommandKind, MemberResult, Outcome};
use rusqlite::params;

use super::book;
use crate::attachment;
use crate::fault::Fault;
use crate::group::Group;

pub(crate) fn apply(
    group: &Group<'_>,
    command: &FlowCommand,
    attach: Option<&Attachment>,
) -> Result<MemberResult, Fault> {
    let pause = command.what == FlowCommandKind::Pause;
    let effective = book::is_paused(group, &command.workflow)? != pause;
    if effective {
        if let Err(refusal) = attachment::run(group, attach)? {
            return Ok(Err(refusal));
        }
        steer(group, command)?;
    }
    Ok(Ok(Outcome::Commanded { effective }))
}

fn steer(group: &Group<'_>, command: &FlowCommand) -> Result<(), Fault> {
    const PAUSE: &str = "INSERT INTO workflow_flow (workflow, key, paused_by, paused_at) VALUES (?1, '', ?2, ?3) \
         ON CONFLICT DO UPDATE SET paused_by = ?2, paused_at = ?3, release_at = NULL";
    const RESUME: &str = "UPDATE workflow_flow SET paused_by = NULL, paused_at = NULL, resumed_by = ?2, resumed_at = ?3, \
         release_at = CASE WHEN held + paused > 0 THEN min(coalesce(release_at, ?3), ?3) ELSE release_at END \
         WHERE workflow = ?1 AND key = ''";
    let sql = match command.what {
        FlowCommandKind::Pause => PAUSE,
        FlowCommandKind::Resume => RESUME,
    };
    group.execute(sql, params![command.workflow, command.by, group.now])?;
    group.note_flow();
    if command.what == FlowCommandKind::Resume {
        group.note_ready();
    }
    Ok(())
}
