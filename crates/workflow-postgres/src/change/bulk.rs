//! Steps forward of many runs, which meet nobody: the same as one by one, in a few statements.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use lumina_workflow::store::{Advance, Next};
use lumina_workflow::{CorrelationKey, RunId, Target};
use uuid::Uuid;

use super::next::{self, Goal};
use super::{event, key, record, turn};
use crate::column::{run_id, scope, string, to_int};
use crate::fault::{self, Fault};
use crate::group::Group;
use crate::param::{Param, params};
use crate::text as stored;

/// A step whose guards hold, and what of its run's row matters for it.
pub(crate) struct Stride<'m> {
    /// Its place in the group.
    pub place: usize,
    pub step: &'m Advance,
    pub inbox: i64,
    /// How many events its inbox holds.
    pub buffered: i64,
    pub keys: Option<&'m str>,
    pub scheduled: bool,
}

impl Stride<'_> {
    fn run(&self) -> RunId {
        self.step.lease.run
    }
}

/// Takes them; answers each one's place, and the run's inbox counter after it. A step that wants a key which somebody
/// has just taken is left out.
pub(crate) async fn take(group: &Group, strides: Vec<Stride<'_>>) -> Result<Vec<(usize, i64)>, Fault> {
    let strides = with_their_keys(group, strides).await?;
    if strides.is_empty() {
        return Ok(Vec::new());
    }
    // None of the three goes by another, nor do the two below.
    let taken = fault::together(consume(group, &strides), move_unrouted(group, &strides));
    let ((consumed, moved), ()) = fault::together(taken, write_records(group, &strides)).await?;
    let columns: Vec<Option<Cow<'_, str>>> = strides.iter().map(keys_after).collect::<Result<_, _>>()?;
    let (mut turns, mut done) = (Vec::new(), Vec::new());
    for (stride, column) in strides.iter().zip(&columns) {
        let count = |counts: &BTreeMap<RunId, i64>| counts.get(&stride.run()).copied().unwrap_or(0);
        let arrived = count(&moved);
        let goal = Goal {
            seq: to_int(stride.step.seq.plus(stride.step.records.len()).0),
            inbox: stride.inbox + arrived,
            keys: column.as_deref().or(stride.keys),
            leaving: count(&consumed) - arrived,
            must_run: arrived > 0,
            scheduled: stride.scheduled,
            counted: false,
            keyed: false,
        };
        done.push((stride.place, goal.inbox));
        turns.push(next::turn(group, stride.step, &goal, rank(group, stride.step, &goal))?);
    }
    fault::together(leave(group, &strides, (&consumed, &moved)), turn::write(group, turns)).await?;
    Ok(done)
}

fn rank(group: &Group, step: &Advance, goal: &Goal<'_>) -> Option<i64> {
    let ready = match step.next {
        Next::Park { .. } => goal.must_run,
        Next::Release => true,
        _ => false,
    };
    ready.then(|| group.next_rank())
}

/// Registers their keys, which nobody held a moment ago.
async fn with_their_keys<'m>(group: &Group, strides: Vec<Stride<'m>>) -> Result<Vec<Stride<'m>>, Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_key (namespace, key, run) SELECT * FROM unnest($1::text[], $2::text[], \
         $3::uuid[]) AS t(namespace, key, run) ORDER BY t.namespace COLLATE \"C\", t.key COLLATE \"C\" ON CONFLICT DO NOTHING RETURNING namespace, key";
    const BACK: &str = "DELETE FROM lumina.workflow_key WHERE run = ANY($1) AND (namespace, key) IN \
         (SELECT * FROM unnest($2::text[], $3::text[]))";
    let wanted: BTreeMap<&CorrelationKey, RunId> = strides
        .iter()
        .flat_map(|stride| stride.step.keys.iter().map(|key| (key, stride.run())))
        .collect();
    if wanted.is_empty() {
        return Ok(strides);
    }
    let (namespaces, keys) = pairs(wanted.keys().copied());
    let runs: Vec<Uuid> = wanted.values().map(|run| run.0).collect();
    let mut taken = BTreeSet::new();
    for row in group.db.query(SQL, params![namespaces, keys, runs]).await? {
        taken.insert(CorrelationKey::new(string(&row, 0)?, string(&row, 1)?));
    }
    let has_all = |stride: &Stride<'_>| stride.step.keys.iter().all(|key| taken.contains(key));
    let (kept, refused): (Vec<_>, Vec<_>) = strides.into_iter().partition(has_all);
    if !refused.is_empty() {
        let (namespaces, keys) = pairs(refused.iter().flat_map(|stride| &stride.step.keys));
        let runs: Vec<Uuid> = refused.iter().map(|stride| stride.run().0).collect();
        group.execute(BACK, params![runs, namespaces, keys]).await?;
    }
    Ok(kept)
}

fn pairs<'k>(keys: impl Iterator<Item = &'k CorrelationKey>) -> (Vec<&'k str>, Vec<&'k str>) {
    keys.map(|key| (key.namespace.as_str(), key.key.as_str())).unzip()
}

/// Takes consumed events out of their inboxes; answers how many of each run there were.
async fn consume(group: &Group, strides: &[Stride<'_>]) -> Result<BTreeMap<RunId, i64>, Fault> {
    const SQL: &str = "DELETE FROM lumina.workflow_inbox AS i USING unnest($1::uuid[], $2::bigint[]) AS t(run, seq) \
         WHERE i.run = t.run AND i.seq = t.seq RETURNING i.run";
    let all = strides
        .iter()
        .flat_map(|stride| stride.step.consumed.iter().map(|seq| (stride.run().0, to_int(*seq))));
    let (runs, seqs): (Vec<Uuid>, Vec<i64>) = all.unzip();
    let mut counts = BTreeMap::new();
    if runs.is_empty() {
        return Ok(counts);
    }
    for row in group.db.query(SQL, params![runs, seqs]).await? {
        *counts.entry(run_id(&row, 0)?).or_default() += 1;
    }
    Ok(counts)
}

/// Moves what waited for the keys that were registered into the runs' inboxes; answers how much of each run it was.
async fn move_unrouted(group: &Group, strides: &[Stride<'_>]) -> Result<BTreeMap<RunId, i64>, Fault> {
    let mut owners = BTreeMap::new();
    for stride in strides {
        for key in &stride.step.keys {
            let target = Target::Key(key.clone());
            let (scope, scope_key) = scope(&target);
            owners.insert((scope, scope_key.into_owned()), stride.run());
        }
    }
    if owners.is_empty() {
        return Ok(BTreeMap::new());
    }
    let counts = event::move_to_owners(group, &owners).await?;
    counts.keys().for_each(|run| group.note_inbox(*run));
    Ok(counts)
}

async fn write_records(group: &Group, strides: &[Stride<'_>]) -> Result<(), Fault> {
    let mut entries = record::Entries::default();
    for stride in strides {
        let first = stride.step.seq.plus(1);
        entries.add(group.payloads(), (stride.run(), first), &stride.step.records, None)?;
    }
    entries.insert(group).await
}

/// The new text of a run's `keys` column, if it is another one.
fn keys_after<'m>(stride: &Stride<'m>) -> Result<Option<Cow<'m, str>>, Fault> {
    match stride.step.keys.is_empty() {
        true => Ok(None),
        false => key::with(stride.keys, &stride.step.keys).map(|text| Some(text.into())),
    }
}

/// What those that end held is free again: what is left in their inboxes, and their keys.
async fn leave(
    group: &Group,
    strides: &[Stride<'_>],
    (consumed, moved): (&BTreeMap<RunId, i64>, &BTreeMap<RunId, i64>),
) -> Result<(), Fault> {
    const KEYS: &str = "DELETE FROM lumina.workflow_key AS k USING unnest($1::text[], $2::text[]) AS t(namespace, key) \
         WHERE k.namespace = t.namespace AND k.key = t.key";
    let ending = strides
        .iter()
        .filter(|stride| matches!(stride.step.next, Next::Finish(_)));
    let (mut runs, mut namespaces, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for stride in ending {
        let count = |counts: &BTreeMap<RunId, i64>| counts.get(&stride.run()).copied().unwrap_or(0);
        if stride.buffered + count(moved) > count(consumed) {
            runs.push(stride.run().0);
        }
        let held = keys_after(stride)?;
        for (namespace, key) in key::read(held.as_deref().or(stride.keys))? {
            namespaces.push(Some(Cow::Owned(stored::write(&namespace).into_owned())));
            keys.push(Some(Cow::Owned(stored::write(&key).into_owned())));
        }
    }
    if !runs.is_empty() {
        event::leave_behind(group, runs).await?;
    }
    if !keys.is_empty() {
        group
            .execute(KEYS, &[Param::Texts(namespaces), Param::Texts(keys)])
            .await?;
    }
    Ok(())
}
