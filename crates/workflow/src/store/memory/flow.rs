//! Flow control: who is held, by which counter, and fair places in the queue.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::state::{Admitted, Place, Run, State};
use crate::flow::FlowLimits;
use crate::id::RunId;
use crate::store::flow::{Counter, throttle};
use crate::store::{Claim, FlowCommand, FlowCommandKind, FlowQuery, FlowRow, Limit, RunStatus, Stamp, Throttled};

/// A workflow and a flow key; an empty key is the workflow as a whole.
pub(super) type FlowId = (String, String);

/// A workflow, which of its queues of held runs, and a place in that.
pub(super) type HeldKey = (String, Lot, Reverse<i16>, i64, RunId);

/// Which of a workflow's queues a run is held in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lot {
    /// While the workflow is paused.
    Paused,
    /// At the counter of the whole workflow.
    Whole,
    /// At the counter of its key.
    Key(String),
}

impl Lot {
    fn of(limit: Limit, run: &Run) -> Self {
        match limit {
            Limit::WorkflowPaused => Self::Paused,
            _ if limit.is_per_key() => Self::Key(flow_key(run).unwrap_or_default().to_owned()),
            _ => Self::Whole,
        }
    }

    /// The key of the counter that it belongs to.
    fn key(&self) -> &str {
        match self {
            Self::Paused | Self::Whole => "",
            Self::Key(key) => key,
        }
    }
}

/// A counter, and what of its row no decision about a claim needs.
#[derive(Debug, Clone)]
pub(super) struct Flow {
    pub counter: Counter,
    /// The last place in the queue that a run of this key was given.
    pub last_rank: i64,
    paused: Option<Stamp>,
    resumed: Option<Stamp>,
}

impl Default for Flow {
    fn default() -> Self {
        Self {
            counter: Counter::default(),
            last_rank: i64::MIN,
            paused: None,
            resumed: None,
        }
    }
}

/// Counters that a claim has touched, to be settled at its end.
pub(super) type Touched = BTreeSet<FlowId>;

pub(super) fn flow_key(run: &Run) -> Option<&str> {
    run.row.flow_key.as_deref().filter(|key| !key.is_empty())
}

fn whole_of(run: &Run) -> FlowId {
    (run.row.workflow.clone(), String::new())
}

fn key_of(run: &Run) -> Option<FlowId> {
    flow_key(run).map(|key| (run.row.workflow.clone(), key.to_owned()))
}

impl State {
    fn flow(&self, id: &FlowId) -> Flow {
        self.flows.get(id).cloned().unwrap_or_default()
    }

    fn count(&mut self, id: &FlowId, change: impl FnOnce(&mut Counter)) {
        let mut flow = self.flow(id);
        change(&mut flow.counter);
        self.flows.put(id.clone(), flow);
    }

    /// Whether the run's workflow is paused.
    pub fn is_stopped(&self, id: RunId) -> bool {
        self.runs.get(&id).is_some_and(|run| self.is_paused(&run.row.workflow))
    }

    fn is_paused(&self, workflow: &str) -> bool {
        let whole = self.flows.get(&(workflow.to_owned(), String::new()));
        whole.is_some_and(|flow| flow.counter.is_paused)
    }

    /// A place for a run that becomes ready: behind the last one of its key, else the first.
    pub fn fair_rank(&mut self, run: &Run, key: &str, now: Timestamp) -> i64 {
        let id = (run.row.workflow.clone(), key.to_owned());
        let mut flow = self.flow(&id);
        let rank = match self.next_slot(run, flow.last_rank) {
            Some(rank) => rank,
            None => self.next_rank(now, flow.last_rank),
        };
        flow.last_rank = rank;
        self.flows.put(id, flow);
        rank
    }

    /// The first place after `last` that somebody has who waits for the same.
    fn next_slot(&self, run: &Run, last: i64) -> Option<i64> {
        let priority = Reverse(run.row.priority);
        let after = last.saturating_add(1);
        let first = RunId(Uuid::nil());
        let ready = self.ready.range((priority, after, first)..).next();
        let ready = ready
            .filter(|((of, ..), ())| *of == priority)
            .map(|((_, rank, _), ())| *rank);
        let held = [Lot::Paused, Lot::Whole].into_iter().filter_map(|lot| {
            let from = (run.row.workflow.clone(), lot.clone(), priority, after, first);
            let (place, ()) = self.held.range(from..).next()?;
            (place.0 == run.row.workflow && place.1 == lot && place.2 == priority).then_some(place.3)
        });
        ready.into_iter().chain(held).min()
    }

    /// Timers of runs with a flow key that are due: they wait for their turn like everybody.
    pub fn ripen(&mut self, now: Timestamp) {
        let due = self.due.range(..=(now, RunId(Uuid::max())));
        let due: Vec<RunId> = due.map(|((_, id), ())| *id).collect();
        for id in due {
            let mut run = self.run(id).expect("an index names runs that exist");
            if flow_key(&run).is_some() && run.row.status != RunStatus::Running {
                self.make_ready(&mut run, now);
                self.save(run);
            }
        }
    }

    /// Which limit stands in the way of the run.
    pub fn throttle(&self, run: &Run, claim: &Claim, now: Timestamp, touched: &mut Touched) -> Option<Limit> {
        if run.row.cancel_by.is_some() {
            return None;
        }
        if self.is_paused(&run.row.workflow) {
            return Some(Limit::WorkflowPaused);
        }
        let limits = claim.limits_of(&run.row.workflow);
        if limits.is_none() || run.admitted != Admitted::No {
            return None;
        }
        touched.insert(whole_of(run));
        touched.extend(key_of(run));
        let whole = self.flow(&whole_of(run)).counter;
        let key = key_of(run).map(|id| self.flow(&id).counter);
        let promised = matches!(run.place, Place::Held { lot: Lot::Whole, .. });
        throttle(&limits, &whole, key.as_ref(), promised, now)
    }

    /// Counts a run that is being claimed, and takes it out of where it was held.
    pub fn admit(&mut self, run: &mut Run, claim: &Claim, now: Timestamp, touched: &mut Touched) {
        self.leave_lot(run, touched);
        let limits = claim.limits_of(&run.row.workflow);
        if limits.is_none() || run.row.cancel_by.is_some() || run.admitted == Admitted::Counted {
            if run.admitted == Admitted::No {
                run.admitted = Admitted::Uncounted;
            }
            return;
        }
        // What began without limits takes its place without asking, and is no beginning any more.
        let begins = run.admitted == Admitted::No;
        for (id, bounds) in [(Some(whole_of(run)), limits.of_whole()), (key_of(run), limits.of_key())] {
            let Some(id) = id else { continue };
            self.count(&id, |counter| match begins {
                true => counter.admit(&bounds, now),
                false => counter.in_flight += 1,
            });
            touched.insert(id);
        }
        run.admitted = Admitted::Counted;
    }

    /// Holds a run, at its place in the queue.
    pub fn hold(&mut self, id: RunId, limit: Limit, rank: i64, now: Timestamp, touched: &mut Touched) {
        let mut run = self.run(id).expect("candidates exist");
        let lot = Lot::of(limit, &run);
        let counter = (run.row.workflow.clone(), lot.key().to_owned());
        touched.insert(counter.clone());
        if matches!(&run.place, Place::Held { lot: now_in, .. } if *now_in == lot) {
            self.count(&counter, |counter| counter.closed_by = Some(limit));
            return;
        }
        self.leave_lot(&run, touched);
        self.count(&counter, |counter| match limit {
            Limit::WorkflowPaused => counter.paused += 1,
            _ => {
                counter.held += 1;
                counter.closed_by = Some(limit);
            }
        });
        if let (Lot::Whole, Some(key)) = (&lot, key_of(&run)) {
            self.count(&key, |counter| counter.promised += 1);
            touched.insert(key);
        }
        if run.row.status == RunStatus::Running {
            run.row.status = RunStatus::Waiting;
            run.row.epoch.0 += 1;
            run.row.updated_at = now;
        }
        run.row.due_at = None;
        run.place = Place::Held { lot, rank, since: now };
        self.save(run);
    }

    fn leave_lot(&mut self, run: &Run, touched: &mut Touched) {
        let Place::Held { lot, .. } = &run.place else { return };
        let counter = (run.row.workflow.clone(), lot.key().to_owned());
        self.count(&counter, |counter| match lot {
            Lot::Paused => counter.paused -= 1,
            Lot::Whole | Lot::Key(_) => counter.held -= 1,
        });
        touched.insert(counter);
        if let (Lot::Whole, Some(key)) = (lot, key_of(run)) {
            self.count(&key, |counter| counter.promised -= 1);
            touched.insert(key);
        }
    }

    /// Makes a held run ready at the place that it has.
    pub fn let_go(&mut self, run: &mut Run, now: Timestamp) {
        let Place::Held { rank, .. } = run.place else { return };
        let mut touched = Touched::new();
        self.leave_lot(run, &mut touched);
        for id in touched {
            self.count(&id, |counter| counter.left(now));
        }
        run.place = Place::Ready { since: now, rank };
        self.hints.push(crate::store::Hint::Ready);
    }

    /// A run that has ended gives its place back.
    pub fn give_back(&mut self, run: &mut Run, now: Timestamp) {
        if run.admitted == Admitted::Counted {
            self.count(&whole_of(run), |counter| counter.free(now));
            if let Some(key) = key_of(run) {
                self.count(&key, |counter| counter.free(now));
            }
            self.hints.push(crate::store::Hint::Ready);
        }
        run.admitted = Admitted::No;
    }

    /// The counters of a claimer's workflows at which something may have a place now.
    pub fn open_counters(&self, claim: &Claim, now: Timestamp) -> Touched {
        let open = self.flows.iter().filter(|((workflow, _), flow)| {
            let limits = claim.limits_of(workflow).to_text();
            claim.has(workflow) && !self.is_paused(workflow) && flow.counter.is_open(&limits, now)
        });
        open.map(|(id, _)| id.clone()).collect()
    }

    /// The heads of the queues at these counters, as many as have places.
    pub fn released(&self, open: &Touched, claim: &Claim, now: Timestamp, wanted: usize) -> Vec<RunId> {
        let mut found = Vec::new();
        for (workflow, key) in open {
            let limits = claim.limits_of(workflow);
            let counter = self.flow(&(workflow.clone(), key.clone())).counter;
            let places = usize::try_from(counter.places(&bounds(&limits, key), now)).unwrap_or(usize::MAX);
            let lots: &[(Lot, usize)] = match key.is_empty() {
                true => &[(Lot::Paused, wanted), (Lot::Whole, wanted.min(places))],
                false => &[(Lot::Key(key.clone()), wanted.min(places))],
            };
            for (lot, count) in lots {
                found.extend(
                    self.heads(workflow, lot)
                        .filter(|id| self.fits(*id, claim))
                        .take(*count),
                );
            }
        }
        found
    }

    fn heads<'a>(&'a self, workflow: &'a str, lot: &Lot) -> impl Iterator<Item = RunId> + use<'a> {
        let lot = lot.clone();
        let first = (
            workflow.to_owned(),
            lot.clone(),
            Reverse(i16::MAX),
            i64::MIN,
            RunId(Uuid::nil()),
        );
        let range = self.held.range(first..);
        range
            .map(|(place, ())| place)
            .take_while(move |place| place.0 == workflow && place.1 == lot)
            .map(|place| place.4)
    }

    /// After a claim: when the next look at each counter is worth it.
    pub fn settle(&mut self, touched: &Touched, claim: &Claim, now: Timestamp) {
        for id in touched {
            let limits = claim.limits_of(&id.0);
            let bounds = bounds(&limits, &id.1);
            self.count(id, |counter| counter.settle(&bounds, &limits.to_text(), now));
        }
    }

    /// The earliest time at which something that is held is worth a look.
    pub fn next_release(&self) -> Option<Timestamp> {
        let flows = self.flows.iter().filter(|((workflow, _), _)| !self.is_paused(workflow));
        flows.filter_map(|(_, flow)| flow.counter.release_at).min()
    }

    /// What holds the run, and since when.
    pub fn throttled(&self, run: &Run) -> Option<Throttled> {
        let Place::Held { lot, since, .. } = &run.place else {
            return None;
        };
        let flow = self.flow(&(run.row.workflow.clone(), lot.key().to_owned()));
        let limit = match lot {
            Lot::Paused => Limit::WorkflowPaused,
            Lot::Whole | Lot::Key(_) => flow.counter.closed_by.unwrap_or(Limit::InFlight),
        };
        Some(Throttled { limit, since: *since })
    }

    /// Whether the command changes anything.
    pub fn can_steer(&self, command: &FlowCommand) -> bool {
        let pause = command.what == FlowCommandKind::Pause;
        self.is_paused(&command.workflow) != pause
    }

    pub fn steer(&mut self, command: &FlowCommand, now: Timestamp) {
        let id = (command.workflow.clone(), String::new());
        let mut flow = self.flow(&id);
        let stamp = Stamp {
            by: command.by.clone(),
            at: now,
        };
        match command.what {
            FlowCommandKind::Pause => {
                flow.counter.is_paused = true;
                flow.counter.release_at = None;
                flow.paused = Some(stamp);
            }
            FlowCommandKind::Resume => {
                flow.counter.is_paused = false;
                flow.counter.look_again(now);
                flow.paused = None;
                flow.resumed = Some(stamp);
                self.hints.push(crate::store::Hint::Ready);
            }
        }
        self.flows.put(id, flow);
    }

    pub fn flow_rows(&self, query: &FlowQuery) -> Vec<FlowRow> {
        let asked = self.flows.iter().filter(|((workflow, key), _)| match &query.workflow {
            Some(asked) => asked == workflow && query.after.as_ref().is_none_or(|after| after < key),
            None => key.is_empty(),
        });
        asked
            .take(query.limit)
            .map(|(id, flow)| self.flow_row(id, flow))
            .collect()
    }

    fn flow_row(&self, id: &FlowId, flow: &Flow) -> FlowRow {
        let (workflow, key) = id;
        let of_keys = self
            .flows
            .iter()
            .filter(|((of, key), _)| of == workflow && !key.is_empty());
        let of_keys: u64 = of_keys.map(|(_, flow)| flow.counter.held).sum();
        let own = flow.counter.held + flow.counter.paused;
        FlowRow {
            workflow: workflow.clone(),
            key: Some(key.clone()).filter(|key| !key.is_empty()),
            in_flight: flow.counter.in_flight,
            throttled: if key.is_empty() { own + of_keys } else { own },
            window: flow.counter.window,
            paused: flow.paused.clone(),
            resumed: flow.resumed.clone(),
        }
    }

    /// Forgets counters of keys that count nothing.
    pub fn purge_flows(&mut self, before: Timestamp, limit: usize, now: Timestamp) -> usize {
        let before = before.as_microsecond();
        let idle = self
            .flows
            .iter()
            .filter(|((_, key), flow)| !key.is_empty() && flow.last_rank < before && flow.counter.is_idle(now));
        let mut idle: Vec<_> = idle.map(|(id, flow)| (flow.last_rank, id.clone())).collect();
        idle.sort();
        idle.truncate(limit);
        for (_, id) in &idle {
            self.flows.remove(id);
        }
        idle.len()
    }
}

fn bounds(limits: &FlowLimits, key: &str) -> crate::store::flow::Bounds {
    match key.is_empty() {
        true => limits.of_whole(),
        false => limits.of_key(),
    }
}
