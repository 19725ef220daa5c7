//! A change that is only an attachment.

use lumina_workflow::Payload;
use lumina_workflow::store::{Attachment, MemberResult, Outcome};
use uuid::Uuid;

use crate::attachment;
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

/// The id goes in first: whoever comes with the same one waits for this one's end.
pub(super) async fn apply(group: &Group, id: Uuid, attach: Option<&Attachment>) -> Result<MemberResult, Fault> {
    const ANSWER: &str = "UPDATE lumina.workflow_applied SET payload = $2 WHERE id = $1";
    while !claim(group, id).await? {
        if let Some(payload) = answered(group, id).await? {
            return Ok(Ok(Outcome::Done { payload }));
        }
    }
    let payload = match attachment::run(group, attach).await? {
        Ok(payload) => payload,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if payload.is_some() {
        let stored = group.payloads().write_optional(payload.as_ref())?;
        group.execute(ANSWER, params![id, stored]).await?;
    }
    Ok(Ok(Outcome::Done { payload }))
}

async fn claim(group: &Group, id: Uuid) -> Result<bool, Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_applied (id, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    Ok(group.execute(SQL, params![id, group.now]).await? == 1)
}

async fn answered(group: &Group, id: Uuid) -> Result<Option<Option<Payload>>, Fault> {
    const SQL: &str = "SELECT payload FROM lumina.workflow_applied WHERE id = $1";
    let Some(row) = group.db.find(SQL, params![id]).await? else {
        return Ok(None);
    };
    let payload = group.payloads().read_optional(&row, 0);
    payload
        .map(Some)
        .map_err(|fault| fault.within(|| format!("the answer of change {id}")))
}
