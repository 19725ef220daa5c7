//! Correlation keys: who holds one, taking them, letting them go.

use lumina_workflow::store::Refusal;
use lumina_workflow::{CorrelationKey, RunId};
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use crate::fault::Fault;
use crate::group::Group;

/// The live run that holds the key.
fn holder(group: &Group<'_>, key: &CorrelationKey) -> Result<Option<RunId>, Fault> {
    const SQL: &str = "SELECT run FROM workflow_key WHERE namespace = ?1 AND key = ?2";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let run = statement
        .query_row([&key.namespace, &key.key], |row| row.get::<_, Uuid>(0))
        .optional()?;
    Ok(run.map(RunId))
}

/// The keys that nobody holds yet; refused when another run has one.
pub(super) fn free(
    group: &Group<'_>,
    run: RunId,
    keys: &[CorrelationKey],
) -> Result<Result<Vec<CorrelationKey>, Refusal>, Fault> {
    let mut free = Vec::new();
    for key in keys {
        match holder(group, key)? {
            None => free.push(key.clone()),
            Some(by) if by == run => {}
            Some(by) => return Ok(Err(Refusal::KeyTaken { key: key.clone(), by })),
        }
    }
    Ok(Ok(free))
}

const TAKE: &str = "INSERT INTO workflow_key (namespace, key, run) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";

/// Gives the run these keys, and answers the new text of its `keys` column.
pub(super) fn take(
    group: &Group<'_>,
    run: RunId,
    held: Option<&str>,
    keys: &[CorrelationKey],
) -> Result<Option<String>, Fault> {
    if keys.is_empty() {
        return Ok(None);
    }
    let mut all = read(held)?;
    for key in keys {
        group.execute(TAKE, params![key.namespace, key.key, run.0])?;
        all.push((key.namespace.clone(), key.key.clone()));
    }
    all.sort();
    all.dedup();
    Ok(Some(
        serde_json::to_string(&all).expect("pairs of texts have a JSON form"),
    ))
}

/// Frees the run's keys.
pub(super) fn release(group: &Group<'_>, held: Option<&str>) -> Result<(), Fault> {
    for key in read(held)? {
        const SQL: &str = "DELETE FROM workflow_key WHERE namespace = ?1 AND key = ?2";
        group.execute(SQL, [key.0, key.1])?;
    }
    Ok(())
}

/// Gives a run that goes back its keys again, which are free or its own.
pub(super) fn hold_again(group: &Group<'_>, run: RunId, keys: &[CorrelationKey]) -> Result<(), Fault> {
    for key in keys {
        group.execute(TAKE, params![key.namespace, key.key, run.0])?;
    }
    Ok(())
}

/// The keys in a `keys` column.
pub(super) fn pairs(held: Option<&str>) -> Result<Vec<CorrelationKey>, Fault> {
    let pairs = read(held)?.into_iter();
    Ok(pairs
        .map(|(namespace, key)| CorrelationKey::new(namespace, key))
        .collect())
}

/// The pairs in a `keys` column.
pub(crate) fn read(held: Option<&str>) -> Result<Vec<(String, String)>, Fault> {
    let Some(text) = held else { return Ok(Vec::new()) };
    serde_json::from_str(text).map_err(|e| Fault::Broken(format!("a run's keys: {e}")))
}
