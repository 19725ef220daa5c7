//! The counters that a claim works with: read once, written back at its end.

use std::collections::{BTreeMap, BTreeSet};

use lumina_workflow::FlowLimits;
use lumina_workflow::store::flow::{Bounds, Counter, throttle};
use lumina_workflow::store::{Claim, Limit, RunRow, Window};
use tokio_postgres::Row;

use super::{PAUSED, Standing, WHOLE, key_of};
use crate::column::{flag, limit, number, optional_text, optional_time, string, time, timestamp, to_int};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::{Param, params};

/// A claim looks at no more counters of a workflow at which something may have a place; the next
/// one goes on.
const OPEN: usize = 64;

pub(super) const DUE: &str = "SELECT key FROM lumina.workflow_flow WHERE release_at IS NOT NULL AND workflow = $1 AND release_at <= $2 ORDER BY release_at LIMIT $3";

pub(super) const OTHER_LIMITS: &str = "SELECT key FROM lumina.workflow_flow WHERE held > 0 AND workflow = $1 AND limits < $2 \
     UNION ALL SELECT key FROM lumina.workflow_flow WHERE held > 0 AND workflow = $1 AND limits > $2 LIMIT $3";

/// A workflow and a flow key; an empty key is the workflow as a whole.
type Id = (String, String);

pub(crate) struct Book<'g> {
    pub group: &'g Group,
    pub standing: Standing,
    /// Those that were looked at for a decision; others may be locked as well.
    counters: BTreeMap<Id, Counter>,
    /// At which something may have a place.
    open: Vec<Id>,
    moved: usize,
}

impl<'g> Book<'g> {
    pub(crate) async fn open(group: &'g Group, standing: Standing, claim: &Claim) -> Result<Self, Fault> {
        let mut book = Self {
            group,
            standing,
            counters: BTreeMap::new(),
            open: Vec::new(),
            moved: 0,
        };
        if !book.standing.workflows.is_empty() {
            for workflow in book.workflows_of(claim) {
                book.open_counters(claim, &workflow).await?;
            }
        }
        Ok(book)
    }

    /// The workflows of the claimer that have a counter and are not paused, each once.
    fn workflows_of(&self, claim: &Claim) -> Vec<String> {
        let running = self.standing.workflows.iter().filter(|(_, paused)| !**paused);
        let own = running.filter(|(workflow, _)| claim.has(workflow));
        own.map(|(workflow, _)| workflow.clone()).collect()
    }

    async fn open_counters(&mut self, claim: &Claim, workflow: &str) -> Result<(), Fault> {
        let (now, count) = (self.group.now, limit(OPEN));
        let limits = claim.limits_of(workflow).to_text();
        let mut keys = self.keys(DUE, params![workflow, now, count]).await?;
        keys.extend(self.keys(OTHER_LIMITS, params![workflow, &limits, count]).await?);
        if keys.len() >= OPEN {
            self.group.note_ready();
        }
        let now = timestamp(now)?;
        let ids: BTreeSet<Id> = keys.into_iter().map(|key| (workflow.to_owned(), key)).collect();
        self.lock_rows(&ids).await?;
        for id in ids {
            if load(self.group, &id).await?.is_open(&limits, now) {
                self.counter(&id).await?;
                self.open.push(id);
            }
        }
        Ok(())
    }

    async fn keys(&self, sql: &'static str, params: &[Param<'_>]) -> Result<Vec<String>, Fault> {
        let rows = self.group.db.query(sql, params).await?;
        rows.iter().map(|row| string(row, 0)).collect()
    }

    pub(crate) fn is_paused(&self, workflow: &str) -> bool {
        self.standing.is_paused(workflow)
    }

    /// Locks the counters of these runs, in the order in which everybody locks them.
    pub(crate) async fn lock(&mut self, claim: &Claim, runs: impl Iterator<Item = &RunRow>) -> Result<(), Fault> {
        let limited = runs.filter(|run| !claim.limits_of(&run.workflow).is_none());
        let ids: BTreeSet<Id> = limited
            .flat_map(|run| [Some(whole_of(run)), key_id(run)])
            .flatten()
            .collect();
        self.lock_rows(&ids).await
    }

    /// Locks counters as far as they are there: each workflow's before those of its keys.
    async fn lock_rows(&self, ids: &BTreeSet<Id>) -> Result<(), Fault> {
        const SQL: &str = "SELECT 1 FROM lumina.workflow_flow AS f WHERE (f.workflow, f.key) IN (\
             SELECT * FROM unnest($1::text[], $2::text[]) UNION SELECT w, '' FROM unnest($1::text[]) AS w) \
             ORDER BY f.workflow, f.key FOR UPDATE";
        if ids.is_empty() {
            return Ok(());
        }
        let (workflows, keys): (Vec<&str>, Vec<&str>) = ids
            .iter()
            .map(|(workflow, key)| (workflow.as_str(), key.as_str()))
            .unzip();
        self.group.execute(SQL, params![workflows, keys]).await?;
        Ok(())
    }

    /// Whether the claim has moved as much as one may; then the next one shall go on.
    pub(crate) fn is_full(&self) -> bool {
        let full = self.moved >= super::MOVES;
        if full {
            self.group.note_ready();
        }
        full
    }

    async fn counter(&mut self, id: &Id) -> Result<&mut Counter, Fault> {
        if !self.counters.contains_key(id) {
            let counter = load(self.group, id).await?;
            self.counters.insert(id.clone(), counter);
        }
        Ok(self.counters.get_mut(id).expect("it was just put there"))
    }

    pub(super) async fn throttle(
        &mut self,
        run: &RunRow,
        limits: &FlowLimits,
        promised: bool,
    ) -> Result<Option<Limit>, Fault> {
        let now = timestamp(self.group.now)?;
        let whole = self.counter(&whole_of(run)).await?.clone();
        let key = match key_id(run) {
            Some(id) => Some(self.counter(&id).await?.clone()),
            None => None,
        };
        Ok(throttle(limits, &whole, key.as_ref(), promised, now))
    }

    /// A run takes its places. One that `begins` counts for the rates as well.
    pub(super) async fn count(&mut self, run: &RunRow, limits: &FlowLimits, begins: bool) -> Result<(), Fault> {
        let now = timestamp(self.group.now)?;
        let places = [(Some(whole_of(run)), limits.of_whole()), (key_id(run), limits.of_key())];
        for (id, bounds) in places {
            let Some(id) = id else { continue };
            let counter = self.counter(&id).await?;
            match begins {
                true => counter.admit(&bounds, now),
                false => counter.in_flight += 1,
            }
        }
        Ok(())
    }

    pub(super) async fn enter(&mut self, run: &RunRow, queue: &str, limit: Limit) -> Result<(), Fault> {
        self.moved += 1;
        let counter = self.counter(&counter_of(run, queue)).await?;
        if queue == PAUSED {
            counter.paused += 1;
            return Ok(());
        }
        counter.held += 1;
        counter.closed_by = Some(limit);
        if queue == WHOLE
            && let Some(key) = key_id(run)
        {
            self.counter(&key).await?.promised += 1;
        }
        Ok(())
    }

    pub(super) async fn leave(&mut self, run: &RunRow, queue: &str) -> Result<(), Fault> {
        let counter = self.counter(&counter_of(run, queue)).await?;
        if queue == PAUSED {
            counter.paused = counter.paused.saturating_sub(1);
            return Ok(());
        }
        counter.held = counter.held.saturating_sub(1);
        if queue == WHOLE
            && let Some(key) = key_id(run)
        {
            let counter = self.counter(&key).await?;
            counter.promised = counter.promised.saturating_sub(1);
        }
        Ok(())
    }

    /// A run stays where it is held.
    pub(super) async fn keep(&mut self, run: &RunRow, queue: &str, limit: Limit) -> Result<(), Fault> {
        self.counter(&counter_of(run, queue)).await?.closed_by = Some(limit);
        Ok(())
    }

    /// The queues at which something may have a place, each with how many of its first are
    /// worth a look.
    pub(crate) async fn queues(&mut self, claim: &Claim, wanted: usize) -> Result<Vec<(String, String, usize)>, Fault> {
        let now = timestamp(self.group.now)?;
        let mut queues = Vec::new();
        for id in self.open.clone() {
            let limits = claim.limits_of(&id.0);
            let places = self.counter(&id).await?.places(&bounds(&limits, &id.1), now);
            let places = wanted.min(usize::try_from(places).unwrap_or(usize::MAX));
            let (workflow, key) = id;
            if key.is_empty() {
                queues.push((workflow.clone(), PAUSED.to_owned(), wanted));
                queues.push((workflow, WHOLE.to_owned(), places));
            } else {
                queues.push((workflow, super::of_key(&key), places));
            }
        }
        Ok(queues)
    }

    /// Writes back what was touched, with the time of the next look at each.
    pub(crate) async fn settle(mut self, claim: &Claim) -> Result<Standing, Fault> {
        let now = timestamp(self.group.now)?;
        for (id, mut counter) in std::mem::take(&mut self.counters) {
            let limits = claim.limits_of(&id.0);
            counter.settle(&bounds(&limits, &id.1), &limits.to_text(), now);
            if let Some(at) = counter.release_at.filter(|at| *at > now) {
                self.group.note_timer(at.as_microsecond());
            }
            if id.1.is_empty() && !self.standing.workflows.contains_key(&id.0) {
                self.standing.workflows.insert(id.0.clone(), false);
            }
            save(self.group, &id, &counter).await?;
        }
        Ok(self.standing)
    }
}

fn bounds(limits: &FlowLimits, key: &str) -> Bounds {
    match key.is_empty() {
        true => limits.of_whole(),
        false => limits.of_key(),
    }
}

fn whole_of(run: &RunRow) -> Id {
    (run.workflow.clone(), String::new())
}

fn key_id(run: &RunRow) -> Option<Id> {
    let key = run.flow_key.clone().filter(|key| !key.is_empty())?;
    Some((run.workflow.clone(), key))
}

fn counter_of(run: &RunRow, queue: &str) -> Id {
    (run.workflow.clone(), key_of(queue).to_owned())
}

/// A counter, which from now on nobody else changes; made when there is none, so that two who miss it do not both
/// begin with an empty one.
async fn load(group: &Group, (workflow, key): &Id) -> Result<Counter, Fault> {
    const SQL: &str = "SELECT in_flight, promised, held, paused, paused_by IS NOT NULL, window_started, window_ends, \
         window_count, closed_by, release_at, limits FROM lumina.workflow_flow WHERE workflow = $1 AND key = $2 FOR UPDATE";
    const MAKE: &str = "INSERT INTO lumina.workflow_flow (workflow, key) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    loop {
        if let Some(row) = group.db.find(SQL, params![workflow, key]).await? {
            return counter(&row);
        }
        group.execute(MAKE, params![workflow, key]).await?;
    }
}

fn counter(row: &Row) -> Result<Counter, Fault> {
    Ok(Counter {
        in_flight: number(row, 0)?,
        promised: number(row, 1)?,
        held: number(row, 2)?,
        paused: number(row, 3)?,
        is_paused: flag(row, 4)?,
        window: window(row, 5)?,
        closed_by: optional_text(row, 8)?.and_then(|word| Limit::parse(&word)),
        release_at: optional_time(row, 9)?,
        limits: string(row, 10)?,
    })
}

/// A window from its three columns.
pub(super) fn window(row: &Row, index: usize) -> Result<Option<Window>, Fault> {
    let Some(started) = optional_time(row, index)? else {
        return Ok(None);
    };
    Ok(Some(Window {
        started,
        ends: time(row, index + 1)?,
        count: number(row, index + 2)?,
    }))
}

async fn save(group: &Group, (workflow, key): &Id, counter: &Counter) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_flow SET in_flight = $3, promised = $4, held = $5, paused = $6, \
         window_started = $7, window_ends = $8, window_count = $9, closed_by = $10, release_at = $11, limits = $12 \
         WHERE workflow = $1 AND key = $2";
    let window = counter.window.as_ref();
    let params = params![
        workflow,
        key,
        to_int(counter.in_flight),
        to_int(counter.promised),
        to_int(counter.held),
        to_int(counter.paused),
        window.map(|window| window.started.as_microsecond()),
        window.map(|window| window.ends.as_microsecond()),
        window.map(|window| to_int(window.count)),
        counter.closed_by.map(Limit::as_str),
        counter.release_at.map(jiff::Timestamp::as_microsecond),
        &counter.limits,
    ];
    group.execute(SQL, params).await?;
    Ok(())
}

/// A run leaves the queue that it is held in, other than by a claim. The workflow's counter is locked before its keys'.
pub(super) async fn leave_outside(group: &Group, workflow: &str, key: Option<&str>, queue: &str) -> Result<(), Fault> {
    if queue == PAUSED {
        return change(group, workflow, "", |counter| &mut counter.paused).await;
    }
    change(group, workflow, key_of(queue), |counter| &mut counter.held).await?;
    match key.filter(|key| queue == WHOLE && !key.is_empty()) {
        Some(key) => change(group, workflow, key, |counter| &mut counter.promised).await,
        None => Ok(()),
    }
}

/// One fewer of those that a counter counts.
async fn change(group: &Group, workflow: &str, key: &str, of: fn(&mut Counter) -> &mut u64) -> Result<(), Fault> {
    let id = (workflow.to_owned(), key.to_owned());
    let mut counter = load(group, &id).await?;
    let count = of(&mut counter);
    *count = count.saturating_sub(1);
    counter.left(timestamp(group.now)?);
    save(group, &id, &counter).await
}

/// Whether a workflow is paused, which nobody else changes before this transaction is over.
pub(super) async fn is_paused(group: &Group, workflow: &str) -> Result<bool, Fault> {
    const SQL: &str =
        "SELECT paused_by IS NOT NULL FROM lumina.workflow_flow WHERE workflow = $1 AND key = '' FOR UPDATE";
    let found = group.db.find(SQL, params![workflow]).await?;
    found.map_or(Ok(false), |row| flag(&row, 0))
}
