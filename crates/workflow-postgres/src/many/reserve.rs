//! Keys that a group takes, or keeps others from taking, in one order for all.

use lumina_workflow::CorrelationKey;
use lumina_workflow::store::{Change, Member};
use lumina_workflow::{NewEvent, Target};
use uuid::Uuid;

use super::Known;
use super::rows::{Row, Wanted};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

/// When a group comes by its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Those that it registers all at once.
    Together,
    /// Part by part.
    InParts,
}

/// Keeps keys that nobody holds for this transaction; false when one was registered meanwhile.
///
/// Two groups that each want what the other has would wait for each other, until the server ends one of them after a
/// second. An event for a key keeps it as soon as it is looked at, whatever its name, and so does each part of a group,
/// and what is applied by itself. Keys that are all registered by one statement need none of it.
pub(super) async fn free_keys(
    group: &Group,
    wanted: &Wanted<'_>,
    known: &Known<'_>,
    order: Order,
) -> Result<bool, Fault> {
    let is_free = |key: &&&CorrelationKey| !known.holders.contains_key(**key) && !group.is_reserved(key);
    let free: Vec<&CorrelationKey> = wanted.keys.iter().filter(is_free).copied().collect();
    let apart = order == Order::InParts || wanted.odd || known.rows.values().any(Row::is_counted);
    if free.iter().any(|key| wanted.sent.contains(*key)) || (apart && free.len() > 1) {
        return reserve(group, free).await;
    }
    Ok(true)
}

/// As [`Group::reserve_key`] does with one.
async fn reserve(group: &Group, keys: Vec<&CorrelationKey>) -> Result<bool, Fault> {
    const PUT: &str = "INSERT INTO lumina.workflow_key (namespace, key, run) SELECT t.namespace, t.key, $3 \
         FROM unnest($1::text[], $2::text[]) AS t(namespace, key) \
         ORDER BY t.namespace COLLATE \"C\", t.key COLLATE \"C\" ON CONFLICT DO NOTHING RETURNING namespace, key";
    const TAKE: &str = "DELETE FROM lumina.workflow_key AS k USING unnest($1::text[], $2::text[]) AS t(namespace, key) \
         WHERE k.namespace = t.namespace AND k.key = t.key AND k.run = $3";
    let (namespaces, names): (Vec<&str>, Vec<&str>) = keys
        .iter()
        .map(|key| (key.namespace.as_str(), key.key.as_str()))
        .unzip();
    let rows = params![namespaces, names, Uuid::nil()];
    let (put, _) = group.db.query_both((PUT, rows), (TAKE, rows)).await?;
    let all = put.len() == keys.len();
    let put = put.iter().map(|row| {
        let (namespace, key) = (crate::column::string(row, 0)?, crate::column::string(row, 1)?);
        Ok(CorrelationKey { namespace, key })
    });
    group.note_reserved(put.collect::<Result<Vec<_>, Fault>>()?);
    Ok(all)
}

/// The keys to which a member sends something.
pub(super) fn sent(member: &Member) -> impl Iterator<Item = &CorrelationKey> {
    let (one, several): (_, &[NewEvent]) = match &member.change {
        Change::Emit(event) => (Some(event), &[]),
        Change::Advance(step) => (None, &step.emits),
        _ => (None, &[]),
    };
    one.into_iter().chain(several).filter_map(|event| match &event.target {
        Target::Key(key) => Some(key),
        Target::Run(_) => None,
    })
}
