//! Events for keys that nobody has registered: they wait for whoever will.

use std::collections::BTreeSet;

use lumina_workflow::store::EVENT_BUFFER_LIMIT;

use super::emits::{Letter, texts, what_they_say};
use crate::column::{string, to_int};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::Param;

/// Leaves those out for whose key no more may wait.
pub(super) async fn with_room<'m>(group: &Group, letters: Vec<Letter<'m>>) -> Result<Vec<Letter<'m>>, Fault> {
    const FULL: &str = "SELECT t.scope, t.scope_key FROM unnest($1::text[], $2::text[]) AS t(scope, scope_key) \
         WHERE EXISTS (SELECT 1 FROM lumina.workflow_unrouted AS u WHERE u.scope = t.scope AND u.scope_key = t.scope_key \
         OFFSET $3 LIMIT 1)";
    let (mut kept, nobody): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| !letter.is_for_nobody());
    if nobody.is_empty() {
        return Ok(kept);
    }
    let params = [
        texts(&nobody, |letter| Some(&letter.scope.0)),
        texts(&nobody, |letter| Some(&letter.scope.1)),
        Param::from(to_int(EVENT_BUFFER_LIMIT - 1)),
    ];
    let mut full = BTreeSet::new();
    for row in group.db.query(FULL, &params).await? {
        full.insert((string(&row, 0)?, string(&row, 1)?));
    }
    kept.extend(nobody.into_iter().filter(|letter| !full.contains(&letter.scope)));
    kept.sort_by_key(|letter| letter.place);
    Ok(kept)
}

pub(super) async fn set_aside(group: &Group, letters: &[Letter<'_>]) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_unrouted (seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) SELECT nextval('lumina.workflow_event_seq'), t.id, t.scope, t.scope_key, t.name, t.key, \
         t.payload, $1, t.expires_at, t.sent_by FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
         $7::text[], $8::bigint[], $9::text[]) AS t(id, scope, scope_key, name, key, payload, expires_at, sent_by)";
    if letters.is_empty() {
        return Ok(());
    }
    group.execute(SQL, &what_they_say(group, letters)?).await?;
    Ok(())
}
