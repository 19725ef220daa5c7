//! A change that is only an attachment.

use lumina_workflow::Payload;
use lumina_workflow::store::{Attachment, MemberResult, Outcome};
use rusqlite::params;
use uuid::Uuid;

use crate::attachment;
use crate::fault::Fault;
use crate::group::Group;

pub(super) fn apply(group: &Group<'_>, id: Uuid, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    if let Some(payload) = answered(group, id)? {
        return Ok(Ok(Outcome::Done { payload }));
    }
    let payload = match attachment::run(group, attach)? {
        Ok(payload) => payload,
        Err(refusal) => return Ok(Err(refusal)),
    };
    const SQL: &str = "INSERT INTO workflow_applied (id, payload, at) VALUES (?1, ?2, ?3)";
    group.execute(
        SQL,
        params![id, group.payloads.write_optional(payload.as_ref())?, group.now],
    )?;
    Ok(Ok(Outcome::Done { payload }))
}

fn answered(group: &Group<'_>, id: Uuid) -> Result<Option<Option<Payload>>, Fault> {
    const SQL: &str = "SELECT payload FROM workflow_applied WHERE id = ?1";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let payload = group.payloads.read_optional(row, 0);
    payload
        .map(Some)
        .map_err(|fault| fault.within(|| format!("the answer of change {id}")))
}
