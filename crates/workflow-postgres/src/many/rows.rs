//! The rows of runs that a group is about, locked in the order of their ids.

use std::collections::{BTreeMap, BTreeSet};

use lumina_workflow::store::{Change, Member, RunStatus};
use lumina_workflow::{CorrelationKey, NewEvent, RunId, Target};
use uuid::Uuid;

use super::Known;
use super::reserve::{self, Order};
use crate::column::{flag, int, optional_int, optional_string, run_id, status, string};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;

/// What of a run's row decides.
pub(super) struct Row {
    pub status: RunStatus,
    pub epoch: i64,
    pub seq: i64,
    pub inbox: i64,
    pub buffered: i64,
    pub rank: Option<i64>,
    pub wake_at: Option<i64>,
    pub keys: Option<String>,
    /// A schedule has started it.
    pub scheduled: bool,
    /// Its counters count it among those in flight.
    pub counted: bool,
    /// It has a flow key.
    pub keyed: bool,
    /// A limit of its workflow holds it.
    pub held: bool,
}

impl Row {
    /// Whether what becomes of it may change counters: such a one is mostly applied by itself.
    pub(super) fn is_counted(&self) -> bool {
        self.counted || self.keyed || self.held
    }
}

#[derive(Default)]
pub(super) struct Wanted<'m> {
    runs: BTreeSet<RunId>,
    /// Keys that are registered or sent to.
    pub keys: BTreeSet<&'m CorrelationKey>,
    /// Those of them that are sent to, and that no member before registers.
    pub sent: BTreeSet<&'m CorrelationKey>,
    registered: BTreeSet<&'m CorrelationKey>,
    /// A step registers a key, and does what is applied by itself.
    pub odd: bool,
}

impl<'m> Wanted<'m> {
    fn add(&mut self, member: &'m Member) {
        let sent = reserve::sent(member).filter(|key| !self.registered.contains(key));
        self.sent.extend(sent);
        match &member.change {
            Change::Advance(step) => {
                self.runs.insert(step.lease.run);
                self.keys.extend(&step.keys);
                self.registered.extend(&step.keys);
                let sends = !step.starts.is_empty() || !step.emits.is_empty();
                self.odd |= sends && !step.keys.is_empty();
                step.emits.iter().for_each(|event| self.send(event));
            }
            Change::Emit(event) => self.send(event),
            Change::Command(command) => drop(self.runs.insert(command.run)),
            Change::Unrouted(command) => self.runs.extend(command.to),
            Change::Start(_) | Change::Schedule(_) | Change::Nothing { .. } | Change::Flow(_) => {}
        }
    }

    fn send(&mut self, event: &'m NewEvent) {
        match &event.target {
            Target::Run(run) => drop(self.runs.insert(*run)),
            Target::Key(key) => drop(self.keys.insert(key)),
        }
    }
}

/// Locks what the members are about, as far as it is there, and reads it.
pub(super) async fn load<'m>(
    group: &Group,
    members: impl Iterator<Item = &'m Member>,
    order: Order,
) -> Result<Known<'m>, Fault> {
    let mut wanted = Wanted::default();
    members.for_each(|member| wanted.add(member));
    let mut known = lock(group, &wanted).await?;
    if !reserve::free_keys(group, &wanted, &known, order).await? {
        known.holders = holders(group, &wanted).await?;
    }
    lock_latecomers(group, &wanted, &mut known).await?;
    Ok(known)
}

macro_rules! rows_where {
    ($condition:literal) => {
        concat!(
            "SELECT id, status, epoch, seq, inbox, buffered, ready_rank, wake_at, keys, \
             coalesce(substr(start_key, 1, 9) = 'schedule:', false), admitted = 1, flow_key IS NOT NULL, \
             held_in IS NOT NULL FROM lumina.workflow_run WHERE ",
            $condition
        )
    };
}

/// Locks the runs, and then asks who holds the keys: a holder that is locked holds them until the end.
async fn lock<'m>(group: &Group, wanted: &Wanted<'m>) -> Result<Known<'m>, Fault> {
    const SQL: &str = rows_where!(
        "id IN (SELECT unnest($1::uuid[]) UNION SELECT k.run FROM unnest($2::text[], $3::text[]) AS w(namespace, key) \
         JOIN lumina.workflow_key AS k ON k.namespace = w.namespace AND k.key = w.key) ORDER BY id FOR UPDATE"
    );
    let runs: Vec<Uuid> = wanted.runs.iter().map(|run| run.0).collect();
    let (namespaces, keys) = columns(wanted);
    let params = params![runs, namespaces, keys];
    let (rows, holders) = match (wanted.runs.is_empty(), wanted.keys.is_empty()) {
        (true, true) => return Ok(Known::default()),
        (false, true) => (group.db.query(SQL, params).await?, Vec::new()),
        (_, false) => group.db.query_both((SQL, params), (HOLDERS, &params[1..])).await?,
    };
    let rows = rows.iter().map(|row| Ok((run_id(row, 0)?, read(row)?)));
    Ok(Known {
        rows: rows.collect::<Result<_, Fault>>()?,
        holders: held(wanted, &holders)?,
    })
}

/// Those who have registered a key while this transaction waited, and are sent something by it. They come out of the
/// order, so they are not waited for: when somebody else has one, all is begun anew.
async fn lock_latecomers(group: &Group, wanted: &Wanted<'_>, known: &mut Known<'_>) -> Result<(), Fault> {
    const SQL: &str = rows_where!("id = ANY($1) FOR UPDATE SKIP LOCKED");
    let holders = wanted.sent.iter().filter_map(|key| known.holders.get(key));
    let late: BTreeSet<RunId> = holders.filter(|run| !known.rows.contains_key(run)).copied().collect();
    if late.is_empty() {
        return Ok(());
    }
    let runs: Vec<Uuid> = late.iter().map(|run| run.0).collect();
    let rows = group.db.query(SQL, params![runs]).await?;
    if rows.len() < late.len() {
        return Err(Fault::Overtaken);
    }
    for row in rows {
        known.rows.insert(run_id(&row, 0)?, read(&row)?);
    }
    Ok(())
}

fn columns<'w>(wanted: &Wanted<'w>) -> (Vec<&'w str>, Vec<&'w str>) {
    let pairs = wanted.keys.iter().map(|key| (key.namespace.as_str(), key.key.as_str()));
    pairs.unzip()
}

fn read(row: &tokio_postgres::Row) -> Result<Row, Fault> {
    Ok(Row {
        status: status(row, 1)?,
        epoch: int(row, 2)?,
        seq: int(row, 3)?,
        inbox: int(row, 4)?,
        buffered: int(row, 5)?,
        rank: optional_int(row, 6)?,
        wake_at: optional_int(row, 7)?,
        keys: optional_string(row, 8)?,
        scheduled: flag(row, 9)?,
        counted: flag(row, 10)?,
        keyed: flag(row, 11)?,
        held: flag(row, 12)?,
    })
}

/// Who holds the keys now that the runs are locked.
async fn holders<'m>(group: &Group, wanted: &Wanted<'m>) -> Result<BTreeMap<&'m CorrelationKey, RunId>, Fault> {
    let (namespaces, keys) = columns(wanted);
    held(wanted, &group.db.query(HOLDERS, params![namespaces, keys]).await?)
}

const HOLDERS: &str = "SELECT k.namespace, k.key, k.run FROM unnest($1::text[], $2::text[]) AS w(namespace, key) \
     JOIN lumina.workflow_key AS k ON k.namespace = w.namespace AND k.key = w.key";

fn held<'m>(wanted: &Wanted<'m>, rows: &[tokio_postgres::Row]) -> Result<BTreeMap<&'m CorrelationKey, RunId>, Fault> {
    let mut found = BTreeMap::new();
    for row in rows {
        let key = CorrelationKey::new(string(row, 0)?, string(row, 1)?);
        if let Some(key) = wanted.keys.get(&key) {
            found.insert(*key, run_id(row, 2)?);
        }
    }
    Ok(found)
}
