//! A worker's task that declares schedules and has their ticks start runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::api::{all_schedules, new_run};
use super::decision::{Decision, MOST_STARTS, Ticked, decide};
use super::{Calendar, tick_key, trigger_key};
use crate::id::RunId;
use crate::shell::Shell;
use crate::store::{Change, Declaration, GROUP_BYTES, Refusal, ScheduleChange, ScheduleRow, StoreError, Tick};

/// Nothing is waited for longer than this: a hint may have been missed, and a machine that was
/// suspended, or whose clock was put right, is later than it thinks.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// After a call that failed.
const PAUSE: Duration = Duration::from_millis(500);

/// The task's state.
pub(crate) struct Scheduler {
    shell: Arc<Shell>,
    /// Somebody has changed a schedule, a run of one has ended, or the worker stops.
    look: Arc<Notify>,
    is_stopping: Box<dyn Fn() -> bool + Send + Sync>,
    /// Schedules that cannot be read here: each is told of once.
    unreadable: BTreeSet<String>,
}

impl Scheduler {
    pub fn new(shell: Arc<Shell>, look: Arc<Notify>, is_stopping: Box<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self {
            shell,
            look,
            is_stopping,
            unreadable: BTreeSet::new(),
        }
    }

    /// Declares, then ticks until the worker stops. An engine that declares no schedule is done
    /// when it has marked those that it no longer declares.
    pub async fn run(mut self) {
        while let Err(error) = self.declare().await {
            tracing::warn!(%error, "the schedules could not be written down; tried again");
            if self.sleep(PAUSE).await {
                return;
            }
        }
        while !self.shell.schedules.is_empty() && !(self.is_stopping)() {
            let wait = match self.look().await {
                Ok(wait) => wait,
                Err(error) => {
                    tracing::warn!(%error, "the schedules could not be looked at; tried again");
                    PAUSE
                }
            };
            if self.sleep(wait).await {
                return;
            }
        }
    }

    /// Until it is time, or somebody says that something has changed. True when the worker stops.
    async fn sleep(&self, wait: Duration) -> bool {
        if wait.is_zero() {
            return (self.is_stopping)();
        }
        let mut look = std::pin::pin!(self.look.notified().fuse());
        futures_util::select_biased! {
            () = look => {}
            () = self.shell.runtime.sleep(wait).fuse() => {}
        }
        (self.is_stopping)()
    }

    async fn declare(&self) -> Result<(), StoreError> {
        let stored = all_schedules(&*self.shell.store).await?;
        let mut changes = self.removals(&stored);
        if !self.shell.schedules.is_empty() {
            let now = self.shell.store.now().await?;
            changes.extend(self.declarations(&stored, now));
        }
        self.submit_all(changes).await?;
        let for_starts = self.shell.schedules.values().any(|declared| declared.at_start);
        if for_starts { self.begin().await } else { Ok(()) }
    }

    /// Starts runs of those that are for starts. Said again after an error it starts no second
    /// one: the first has not ended, or has done its work.
    async fn begin(&self) -> Result<(), StoreError> {
        let rows = all_schedules(&*self.shell.store).await?;
        let for_start = |row: &&ScheduleRow| {
            let declared = self.shell.schedules.get(&row.name);
            declared.is_some_and(|declared| declared.at_start) && row.is_live() && !row.running
        };
        let triggers = rows.iter().filter(for_start).filter_map(|row| self.make_trigger(row));
        self.submit_all(triggers.collect()).await
    }

    fn make_trigger(&self, row: &ScheduleRow) -> Option<ScheduleChange> {
        let shell = &self.shell;
        let hash = shell.definitions.get(row.workflow.as_str())?.hash;
        let id = RunId(shell.runtime.new_id());
        Some(ScheduleChange::Trigger {
            name: row.name.clone(),
            by: "start".to_owned(),
            run: new_run(row, id, hash, shell.known_since, trigger_key(&row.name, id)),
        })
    }

    async fn submit_all(&self, changes: Vec<ScheduleChange>) -> Result<(), StoreError> {
        let answers = join_all(changes.into_iter().map(|change| self.submit(change))).await;
        answers.into_iter().collect()
    }

    /// Of the workflows that it has; others are other engines' business.
    fn removals(&self, stored: &[ScheduleRow]) -> Vec<ScheduleChange> {
        let shell = &self.shell;
        let gone = stored.iter().filter(|row| {
            row.removed_at.is_none()
                && shell.definitions.contains_key(row.workflow.as_str())
                && !shell.schedules.contains_key(&row.name)
        });
        gone.map(|row| ScheduleChange::Remove { name: row.name.clone() })
            .collect()
    }

    /// What is stored as it is declared needs no commit.
    fn declarations(&self, stored: &[ScheduleRow], now: Timestamp) -> Vec<ScheduleChange> {
        let wanted = self.shell.schedules.iter().map(|(name, declared)| Declaration {
            name: name.clone(),
            workflow: declared.workflow.to_owned(),
            spec: declared.spec.clone(),
            input: declared.input.clone(),
            next_at: Calendar::read(&declared.spec)
                .ok()
                .and_then(|calendar| calendar.next_after(now)),
        });
        let is_stored = |wanted: &Declaration| stored.iter().any(|row| is_same(row, wanted));
        wanted
            .filter(|wanted| !is_stored(wanted))
            .map(ScheduleChange::Declare)
            .collect()
    }

    /// Does what is due. Answers how long nothing else is.
    async fn look(&mut self) -> Result<Duration, StoreError> {
        let rows = all_schedules(&*self.shell.store).await?;
        let now = self.shell.store.now().await?;
        let (mut ticks, mut earliest) = (Vec::new(), None);
        for row in &rows {
            match self.decide(row, now) {
                Decision::Idle => {}
                Decision::Wait(until) => earliest = earliest.into_iter().chain([until]).min(),
                Decision::Advance(ticked) => ticks.extend(self.make_tick(row, ticked)),
            }
        }
        if ticks.is_empty() {
            return Ok(time_until(earliest, now));
        }
        self.submit_all(ticks.into_iter().map(ScheduleChange::Tick).collect())
            .await?;
        // What came of it is in the rows.
        Ok(Duration::ZERO)
    }

    fn decide(&mut self, row: &ScheduleRow, now: Timestamp) -> Decision {
        let ours = self.shell.schedules.contains_key(&row.name);
        if !ours || !self.shell.definitions.contains_key(row.workflow.as_str()) {
            return Decision::Idle;
        }
        match Calendar::read(&row.spec) {
            Ok(calendar) => decide(&row.spec, &calendar, row, now, most_starts(row)),
            Err(problem) => {
                if self.unreadable.insert(row.name.clone()) {
                    tracing::error!(
                        schedule = row.name,
                        problem,
                        "a schedule cannot be read here; it does not tick"
                    );
                }
                Decision::Idle
            }
        }
    }

    fn make_tick(&self, row: &ScheduleRow, ticked: Ticked) -> Option<Tick> {
        let shell = &self.shell;
        let hash = shell.definitions.get(row.workflow.as_str())?.hash;
        let start = |at: Timestamp| {
            let id = RunId(shell.runtime.new_id());
            (at, new_run(row, id, hash, shell.known_since, tick_key(&row.name, at)))
        };
        if ticked.missed > 0 {
            tracing::warn!(
                schedule = row.name,
                missed = ticked.missed,
                "ticks are too old to be caught up"
            );
        }
        Some(Tick {
            name: row.name.clone(),
            revision: row.revision,
            starts: ticked.starts.into_iter().map(start).collect(),
            skipped: ticked.skipped,
            missed: ticked.missed,
            next_at: ticked.next_at,
        })
    }

    /// A change that somebody else was ahead of is none that is missed.
    async fn submit(&self, change: ScheduleChange) -> Result<(), StoreError> {
        match self.shell.pipeline.submit(Change::Schedule(change).into()).await? {
            Ok(_) | Err(Refusal::ScheduleChanged(_) | Refusal::UnknownSchedule(_)) => Ok(()),
            Err(refusal) => Err(StoreError::Broken(refusal.to_string())),
        }
    }
}

fn is_same(row: &ScheduleRow, wanted: &Declaration) -> bool {
    row.removed_at.is_none() && row.workflow == wanted.workflow && row.spec == wanted.spec && row.input == wanted.input
}

/// So many that a group can hold their inputs.
fn most_starts(row: &ScheduleRow) -> usize {
    (GROUP_BYTES / row.input.len().max(1)).clamp(1, MOST_STARTS)
}

fn time_until(earliest: Option<Timestamp>, now: Timestamp) -> Duration {
    let until = earliest.and_then(|at| Duration::try_from(at.duration_since(now)).ok());
    until.map_or(LONGEST_SLEEP, |until| {
        until.clamp(Duration::from_micros(1), LONGEST_SLEEP)
    })
}
