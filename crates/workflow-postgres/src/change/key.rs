//! Correlation keys: who holds one, taking them, letting them go.

use lumina_workflow::store::Refusal;
use lumina_workflow::{CorrelationKey, RunId};

use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

/// The keys that nobody holds, and that nobody but this transaction can take; refused when another run has one.
pub(super) async fn free(
    group: &Group,
    run: RunId,
    keys: &[CorrelationKey],
) -> Result<Result<Vec<CorrelationKey>, Refusal>, Fault> {
    // In one order for all, so that two runs that want the same keys do not wait for each other.
    let mut sorted: Vec<&CorrelationKey> = keys.iter().collect();
    sorted.sort();
    sorted.dedup();
    let mut taken = Vec::new();
    let mut own = Vec::new();
    for key in sorted {
        match reserve(group, key).await? {
            None => {}
            Some(by) if by == run => own.push(key),
            Some(by) => taken.push((key, by)),
        }
    }
    let first = keys
        .iter()
        .find_map(|key| taken.iter().find(|(other, _)| *other == key));
    if let Some((key, by)) = first {
        return Ok(Err(Refusal::KeyTaken {
            key: (*key).clone(),
            by: *by,
        }));
    }
    Ok(Ok(keys.iter().filter(|key| !own.contains(key)).cloned().collect()))
}

/// Keeps the key for this transaction, or says who has it.
async fn reserve(group: &Group, key: &CorrelationKey) -> Result<Option<RunId>, Fault> {
    loop {
        if let Some(by) = group.who_holds(key).await? {
            return Ok(Some(by));
        }
        if group.reserve_key(key).await? {
            return Ok(None);
        }
    }
}

const TAKE: &str = "INSERT INTO lumina.workflow_key (namespace, key, run) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// Gives the run these keys, and answers the new text of its `keys` column.
pub(super) async fn take(
    group: &Group,
    run: RunId,
    held: Option<&str>,
    keys: &[CorrelationKey],
) -> Result<Option<String>, Fault> {
    if keys.is_empty() {
        return Ok(None);
    }
    for key in keys {
        group.execute(TAKE, params![&key.namespace, &key.key, run]).await?;
    }
    with(held, keys).map(Some)
}

/// The text of a `keys` column with these keys in it as well.
pub(super) fn with(held: Option<&str>, keys: &[CorrelationKey]) -> Result<String, Fault> {
    let mut all = read(held)?;
    all.extend(keys.iter().map(|key| (key.namespace.clone(), key.key.clone())));
    all.sort();
    all.dedup();
    Ok(serde_json::to_string(&all).expect("pairs of texts have a JSON form"))
}

/// Frees the run's keys.
pub(super) async fn release(group: &Group, held: Option<&str>) -> Result<(), Fault> {
    const SQL: &str = "DELETE FROM lumina.workflow_key WHERE namespace = $1 AND key = $2";
    for (namespace, key) in read(held)? {
        group.execute(SQL, params![&namespace, &key]).await?;
    }
    Ok(())
}

/// Gives a run that goes back its keys again, which are free or its own.
pub(super) async fn hold_again(group: &Group, run: RunId, keys: &[CorrelationKey]) -> Result<(), Fault> {
    for key in keys {
        group.execute(TAKE, params![&key.namespace, &key.key, run]).await?;
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
