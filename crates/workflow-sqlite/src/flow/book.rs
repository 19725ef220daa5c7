//! The counters that a claim works with: read once, written back at its end.

use std::collections::BTreeMap;

use lumina_workflow::FlowLimits;
use lumina_workflow::store::flow::{Bounds, Counter, throttle};
use lumina_workflow::store::{Claim, Limit, RunRow, Window};
use rusqlite::{OptionalExtension, Row, params};

use super::{PAUSED, Standing, WHOLE, key_of};
use crate::column::{from_int, limit, timestamp, to_int};
use crate::fault::Fault;
use crate::group::Group;

/// A claim looks at no more counters of a workflow at which something may have a place; the next
/// one goes on.
const OPEN: usize = 64;

pub(super) const DUE: &str = "SELECT key FROM workflow_flow INDEXED BY workflow_flow_release \
     WHERE release_at IS NOT NULL AND workflow = ?1 AND release_at <= ?2 ORDER BY release_at LIMIT ?3";

pub(super) const OTHER_LIMITS: &str = "SELECT key FROM workflow_flow INDEXED BY workflow_flow_held \
     WHERE held > 0 AND workflow = ?1 AND limits < ?2 \
     UNION ALL SELECT key FROM workflow_flow INDEXED BY workflow_flow_held \
     WHERE held > 0 AND workflow = ?1 AND limits > ?2 LIMIT ?3";

/// A workflow and a flow key; an empty key is the workflow as a whole.
type Id = (String, String);

pub(crate) struct Book<'g, 'c> {
    pub group: &'g Group<'c>,
    pub standing: Standing,
    counters: BTreeMap<Id, Counter>,
    /// At which something may have a place.
    open: Vec<Id>,
    moved: usize,
}

impl<'g, 'c> Book<'g, 'c> {
    pub(crate) fn open(group: &'g Group<'c>, standing: Standing, claim: &Claim) -> Result<Self, Fault> {
        let mut book = Self {
            group,
            standing,
            counters: BTreeMap::new(),
            open: Vec::new(),
            moved: 0,
        };
        if !book.standing.workflows.is_empty() {
            for workflow in book.workflows_of(claim) {
                book.open_counters(claim, &workflow)?;
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

    fn open_counters(&mut self, claim: &Claim, workflow: &str) -> Result<(), Fault> {
        let (now, count) = (self.group.now, limit(OPEN));
        let limits = claim.limits_of(workflow).to_text();
        let mut keys = self.keys(DUE, params![workflow, now, count])?;
        keys.extend(self.keys(OTHER_LIMITS, params![workflow, limits, count])?);
        if keys.len() >= OPEN {
            self.group.note_ready();
        }
        keys.sort();
        keys.dedup();
        let now = timestamp(now)?;
        for key in keys {
            let id = (workflow.to_owned(), key);
            if self.counter(&id)?.is_open(&limits, now) {
                self.open.push(id);
            }
        }
        Ok(())
    }

    fn keys(&self, sql: &str, params: impl rusqlite::Params) -> Result<Vec<String>, Fault> {
        let mut statement = self.group.conn.prepare_cached(sql)?;
        let keys = statement.query_map(params, |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    pub(crate) fn is_paused(&self, workflow: &str) -> bool {
        self.standing.is_paused(workflow)
    }

    /// Whether the claim has moved as much as one may; then the next one shall go on.
    pub(crate) fn is_full(&self) -> bool {
        let full = self.moved >= super::MOVES;
        if full {
            self.group.note_ready();
        }
        full
    }

    fn counter(&mut self, id: &Id) -> Result<&mut Counter, Fault> {
        if !self.counters.contains_key(id) {
            let counter = load(self.group, id)?;
            self.counters.insert(id.clone(), counter.unwrap_or_default());
        }
        Ok(self.counters.get_mut(id).expect("it was just put there"))
    }

    pub(super) fn throttle(
        &mut self,
        run: &RunRow,
        limits: &FlowLimits,
        promised: bool,
    ) -> Result<Option<Limit>, Fault> {
        let now = timestamp(self.group.now)?;
        let whole = self.counter(&whole_of(run))?.clone();
        let key = match key_id(run) {
            Some(id) => Some(self.counter(&id)?.clone()),
            None => None,
        };
        Ok(throttle(limits, &whole, key.as_ref(), promised, now))
    }

    /// A run takes its places. One that `begins` counts for the rates as well.
    pub(super) fn count(&mut self, run: &RunRow, limits: &FlowLimits, begins: bool) -> Result<(), Fault> {
        let now = timestamp(self.group.now)?;
        let places = [(Some(whole_of(run)), limits.of_whole()), (key_id(run), limits.of_key())];
        for (id, bounds) in places {
            let Some(id) = id else { continue };
            let counter = self.counter(&id)?;
            match begins {
                true => counter.admit(&bounds, now),
                false => counter.in_flight += 1,
            }
        }
        Ok(())
    }

    pub(super) fn enter(&mut self, run: &RunRow, queue: &str, limit: Limit) -> Result<(), Fault> {
        self.moved += 1;
        let counter = self.counter(&counter_of(run, queue))?;
        if queue == PAUSED {
            counter.paused += 1;
            return Ok(());
        }
        counter.held += 1;
        counter.closed_by = Some(limit);
        if queue == WHOLE
            && let Some(key) = key_id(run)
        {
            self.counter(&key)?.promised += 1;
        }
        Ok(())
    }

    pub(super) fn leave(&mut self, run: &RunRow, queue: &str) -> Result<(), Fault> {
        let counter = self.counter(&counter_of(run, queue))?;
        if queue == PAUSED {
            counter.paused = counter.paused.saturating_sub(1);
            return Ok(());
        }
        counter.held = counter.held.saturating_sub(1);
        if queue == WHOLE
            && let Some(key) = key_id(run)
        {
            let counter = self.counter(&key)?;
            counter.promised = counter.promised.saturating_sub(1);
        }
        Ok(())
    }

    /// A run stays where it is held.
    pub(super) fn keep(&mut self, run: &RunRow, queue: &str, limit: Limit) -> Result<(), Fault> {
        self.counter(&counter_of(run, queue))?.closed_by = Some(limit);
        Ok(())
    }

    /// The queues at which something may have a place, each with how many of its first are
    /// worth a look.
    pub(crate) fn queues(&mut self, claim: &Claim, wanted: usize) -> Result<Vec<(String, String, usize)>, Fault> {
        let now = timestamp(self.group.now)?;
        let mut queues = Vec::new();
        for id in self.open.clone() {
            let limits = claim.limits_of(&id.0);
            let places = self.counter(&id)?.places(&bounds(&limits, &id.1), now);
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
    pub(crate) fn settle(mut self, claim: &Claim) -> Result<Standing, Fault> {
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
            save(self.group, &id, &counter)?;
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

fn load(group: &Group<'_>, (workflow, key): &Id) -> Result<Option<Counter>, Fault> {
    const SQL: &str = "SELECT in_flight, promised, held, paused, paused_by IS NOT NULL, window_started, window_ends, \
         window_count, closed_by, release_at, limits FROM workflow_flow WHERE workflow = ?1 AND key = ?2";
    let mut statement = group.conn.prepare_cached(SQL)?;
    let mut rows = statement.query([workflow, key])?;
    rows.next()?.map(counter).transpose()
}

fn counter(row: &Row<'_>) -> Result<Counter, Fault> {
    let number = |index| row.get::<_, i64>(index).map(from_int);
    let release_at: Option<i64> = row.get(9)?;
    Ok(Counter {
        in_flight: number(0)?,
        promised: number(1)?,
        held: number(2)?,
        paused: number(3)?,
        is_paused: row.get(4)?,
        window: window(row, 5)?,
        closed_by: row.get::<_, Option<String>>(8)?.as_deref().and_then(Limit::parse),
        release_at: release_at.map(timestamp).transpose()?,
        limits: row.get(10)?,
    })
}

/// A window from its three columns.
pub(super) fn window(row: &Row<'_>, index: usize) -> Result<Option<Window>, Fault> {
    let Some(started) = row.get::<_, Option<i64>>(index)? else {
        return Ok(None);
    };
    Ok(Some(Window {
        started: timestamp(started)?,
        ends: timestamp(row.get(index + 1)?)?,
        count: from_int(row.get(index + 2)?),
    }))
}

fn save(group: &Group<'_>, (workflow, key): &Id, counter: &Counter) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO workflow_flow (workflow, key, in_flight, promised, held, paused, window_started, \
         window_ends, window_count, closed_by, release_at, limits) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) ON CONFLICT DO UPDATE SET \
         in_flight = ?3, promised = ?4, held = ?5, paused = ?6, window_started = ?7, window_ends = ?8, \
         window_count = ?9, closed_by = ?10, release_at = ?11, limits = ?12";
    let window = counter.window.as_ref();
    group.execute(
        SQL,
        params![
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
            counter.limits,
        ],
    )?;
    Ok(())
}

/// A run leaves the queue that it is held in, other than by a claim.
pub(super) fn leave_outside(group: &Group<'_>, workflow: &str, key: Option<&str>, queue: &str) -> Result<(), Fault> {
    let now = timestamp(group.now)?;
    let leave = |key: &str, change: fn(&mut Counter)| -> Result<(), Fault> {
        let id = (workflow.to_owned(), key.to_owned());
        let mut counter = load(group, &id)?.unwrap_or_default();
        change(&mut counter);
        counter.left(now);
        save(group, &id, &counter)
    };
    match queue {
        PAUSED => leave("", |counter| counter.paused = counter.paused.saturating_sub(1))?,
        _ => leave(key_of(queue), |counter| counter.held = counter.held.saturating_sub(1))?,
    }
    match key.filter(|key| queue == WHOLE && !key.is_empty()) {
        Some(key) => leave(key, |counter| counter.promised = counter.promised.saturating_sub(1)),
        None => Ok(()),
    }
}

/// Whether a workflow has a counter of its own.
pub(super) fn is_paused(group: &Group<'_>, workflow: &str) -> Result<bool, Fault> {
    const SQL: &str = "SELECT paused_by IS NOT NULL FROM workflow_flow WHERE workflow = ?1 AND key = ''";
    let paused = group
        .conn
        .prepare_cached(SQL)?
        .query_row([workflow], |row| row.get(0))
        .optional()?;
    Ok(paused.unwrap_or(false))
}
