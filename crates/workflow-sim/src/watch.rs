//! The watcher: sees each call that the shared store has applied, keeps a copy of what was
//! committed, and notes whatever must not be.
//!
//! It believes no process and no answer on the way to one: only what the store did.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::{Ending, Inbox, Lease};
use lumina_workflow::{CorrelationKey, Epoch, Phase, Record, RunId, Target};
use tokio::sync::Notify;

use crate::trace::lock;

mod claims;
mod commits;
mod counting;
mod events;
mod ledger;
mod overlooked;
mod records;
mod rewinds;
pub(crate) mod tell;

#[cfg(test)]
mod tests;

pub(crate) use counting::{Era, eras};
pub use ledger::Execution;
pub use overlooked::{Expecting, Waiting};

use records::Steps;
use rewinds::StepPlace;

/// Which life of which process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// The process, from 0.
    pub process: usize,
    /// Its life, from 1.
    pub life: u32,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}.{}", self.process, self.life)
    }
}

/// What panics that the simulator makes say: only for them may a run be blocked.
pub const PANIC: &str = "the simulator made this panic";

/// Everything that was committed, and everything that was wrong.
#[derive(Default)]
pub struct Watch {
    state: Mutex<State>,
    /// A run has ended, or something is wrong.
    news: Notify,
}

#[derive(Default)]
struct State {
    runs: BTreeMap<RunId, Watched>,
    open: usize,
    events: BTreeMap<EventPlace, EventSeen>,
    /// Attachments send events, of which nothing is seen but that they are consumed.
    attachments_send: bool,
    /// Event ids by the run that has consumed them.
    consumed: BTreeMap<EventPlace, (RunId, (Phase, u32, Epoch))>,
    /// Who holds which correlation key.
    keys: BTreeMap<CorrelationKey, RunId>,
    /// Who may send which run back so that outside effects are repeated.
    allowed: BTreeSet<(RunId, String)>,
    violations: Vec<String>,
}

/// An event's target and id.
type EventPlace = (Target, String);

/// What was in the inboxes of some runs.
pub(crate) type Inboxes = BTreeMap<RunId, Inbox>;

/// What is known of a run.
#[derive(Default)]
struct Watched {
    /// For people: r1, r2, in the order of their appearance.
    number: usize,
    /// The newest epoch that was claimed; 0 before the first.
    epoch: u64,
    grants: BTreeMap<Epoch, Grant>,
    records: Vec<Record>,
    /// Of each record whether it counts.
    counts: Vec<bool>,
    /// As far as it counts.
    steps: Steps,
    /// What counted before each time that it was sent back, by the epoch of that.
    eras: Vec<(Epoch, Steps)>,
    executions: BTreeMap<StepPlace, Vec<ledger::Begun>>,
    /// What was executed before this epoch is no reason against executing it again.
    forgiven: BTreeMap<StepPlace, Epoch>,
    /// The keys that it has ever registered.
    keys: BTreeSet<CorrelationKey>,
    /// Children of what counts no more, until it goes on.
    left: BTreeSet<RunId>,
    /// It was left behind by a run that may repeat nothing, so all that it may still do outside is to clean up.
    barred: bool,
    standing: Standing,
    /// What its code waits for, under each epoch: by step, an event's name and key.
    expected: BTreeMap<(Epoch, overlooked::Waiting), overlooked::Expected>,
    /// Its end was counted.
    counted: bool,
    cancelled_by: Option<String>,
}

#[derive(Debug, Default, Clone, PartialEq)]
enum Standing {
    #[default]
    Free,
    Running {
        /// In the store's time.
        until: Timestamp,
    },
    Blocked(String),
    Paused,
    Ended(Ending),
}

/// A lease as the store has granted it.
#[derive(Debug, Clone, Copy)]
struct Grant {
    who: Who,
    /// When, on the clock that only runs forwards.
    at: Duration,
    lease: Duration,
    /// Its holder has written that it executes the run no longer.
    given_back: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct EventSeen {
    payload: String,
}

impl State {
    fn blame(&mut self, what: String) {
        // The first few say it all; a broken engine would make thousands.
        if self.violations.len() < 20 {
            self.violations.push(what);
        }
    }

    /// The run, known from now on.
    fn run(&mut self, id: RunId) -> &mut Watched {
        let number = self.runs.len() + 1;
        let open = &mut self.open;
        self.runs.entry(id).or_insert_with(|| {
            *open += 1;
            Watched {
                number,
                ..Watched::default()
            }
        })
    }
}

impl Watch {
    /// Notes something that must not be.
    pub fn blame(&self, what: impl Into<String>) {
        lock(&self.state).blame(what.into());
        self.news.notify_one();
    }

    /// What must not be and was.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        lock(&self.state).violations.clone()
    }

    /// How many runs have not ended.
    #[must_use]
    pub fn open_runs(&self) -> usize {
        lock(&self.state).open
    }

    /// Whether something was wrong until now.
    #[must_use]
    pub fn is_good(&self) -> bool {
        lock(&self.state).violations.is_empty()
    }

    /// Ends when no run is open, or something is wrong.
    pub async fn all_ended(&self) {
        while self.open_runs() > 0 && self.is_good() {
            self.news.notified().await;
        }
    }

    /// From now on an event may come out of an attachment.
    pub(crate) fn let_attachments_send(&self) {
        lock(&self.state).attachments_send = true;
    }

    /// Runs that are blocked.
    #[must_use]
    pub fn blocked_runs(&self) -> Vec<RunId> {
        self.standing_runs(|standing| matches!(standing, Standing::Blocked(_)))
    }

    /// Runs that are paused.
    #[must_use]
    pub fn paused_runs(&self) -> Vec<RunId> {
        self.standing_runs(|standing| *standing == Standing::Paused)
    }

    fn standing_runs(&self, stands_so: impl Fn(&Standing) -> bool) -> Vec<RunId> {
        let state = lock(&self.state);
        let standing = state.runs.iter().filter(|(_, run)| stands_so(&run.standing));
        standing.map(|(id, _)| *id).collect()
    }

    /// All runs, in the order of their ids.
    #[must_use]
    pub fn runs(&self) -> Vec<RunId> {
        lock(&self.state).runs.keys().copied().collect()
    }

    /// What was committed of a run's history until now.
    #[must_use]
    pub fn records(&self, run: RunId) -> Vec<Record> {
        lock(&self.state)
            .runs
            .get(&run)
            .map(|run| run.records.clone())
            .unwrap_or_default()
    }

    /// Who asked the run to end, when a request was effective and it was not sent back since.
    #[must_use]
    pub fn cancelled_by(&self, run: RunId) -> Option<String> {
        lock(&self.state).runs.get(&run)?.cancelled_by.clone()
    }

    /// How the run has ended.
    #[must_use]
    pub fn ending(&self, run: RunId) -> Option<Ending> {
        match &lock(&self.state).runs.get(&run)?.standing {
            Standing::Ended(ending) => Some(ending.clone()),
            _ => None,
        }
    }

    /// The newest epoch under which this life has the run, or had it.
    #[must_use]
    pub fn epoch_of(&self, who: Who, run: RunId) -> Option<Epoch> {
        let state = lock(&self.state);
        let grants = &state.runs.get(&run)?.grants;
        grants
            .iter()
            .rev()
            .find(|(_, grant)| grant.who == who)
            .map(|(epoch, _)| *epoch)
    }

    /// The epochs under which this life may be executing the run at this time, the newest first. Mostly it is one: but
    /// a clock of the store that jumps makes a life claim a run once more while it executes it.
    pub(crate) fn epochs_of(&self, who: Who, run: RunId, at: Duration) -> Vec<Epoch> {
        let state = lock(&self.state);
        let grants = state.runs.get(&run).map(|run| run.grants_of(who, at));
        grants.into_iter().flatten().map(|(epoch, _)| epoch).collect()
    }

    /// The run's short name.
    #[must_use]
    pub fn name(&self, run: RunId) -> String {
        match lock(&self.state).runs.get(&run) {
            Some(run) => run.name(),
            None => "r?".to_owned(),
        }
    }

    /// An event that nobody has consumed is not in this set.
    #[must_use]
    pub fn is_consumed(&self, target: &Target, id: &str) -> bool {
        lock(&self.state)
            .consumed
            .contains_key(&(target.clone(), id.to_owned()))
    }

    /// Notes the runs that have not ended, although they should have.
    pub(crate) fn blame_stuck(&self) {
        let mut state = lock(&self.state);
        let open = state
            .runs
            .values()
            .filter(|run| !matches!(run.standing, Standing::Ended(_)));
        let mut stuck: Vec<_> = open
            .map(|run| {
                format!(
                    "{} is stuck after {} records: {:?}",
                    run.name(),
                    run.records.len(),
                    run.standing
                )
            })
            .collect();
        if stuck.is_empty() {
            stuck.push("the client's wishes came to no end".to_owned());
        }
        stuck.into_iter().for_each(|problem| state.blame(problem));
    }

    /// Notes the events that were stored and are nowhere.
    pub(crate) fn blame_lost_events(&self, there: &BTreeSet<(Target, String)>) {
        let mut state = lock(&self.state);
        let stored = state.events.keys();
        let lost = stored.filter(|place| !there.contains(*place) && !state.consumed.contains_key(*place));
        let lost: Vec<_> = lost
            .map(|(_, id)| format!("event {id} was stored, and is lost"))
            .collect();
        lost.into_iter().for_each(|problem| state.blame(problem));
    }

    /// A lease's run by its short name, with its epoch.
    pub(crate) fn tell_lease(&self, lease: &Lease) -> String {
        format!("{} e{}", self.name(lease.run), lease.epoch.0)
    }
}

impl Watched {
    /// The newest lease of this life, and those before that it has not given back and that have not run out.
    fn grants_of(&self, who: Who, at: Duration) -> Vec<(Epoch, Grant)> {
        let own = self.grants.iter().rev().filter(|(_, grant)| grant.who == who);
        let held = own
            .enumerate()
            .filter(|(nth, (_, grant))| *nth == 0 || (!grant.given_back && at <= grant.at + grant.lease));
        held.map(|(_, (epoch, grant))| (*epoch, *grant)).collect()
    }

    fn name(&self) -> String {
        format!("r{}", self.number)
    }
}
