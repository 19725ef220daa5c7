//! Schedules: runs that time starts.
//!
//! A schedule is a row with the time of its next tick. Every worker looks at the rows of the
//! schedules that its engine declares, and the first to commit what becomes of a due tick has
//! it: the change is guarded by the row's revision, and starts the tick's runs in the same
//! transaction. So a tick starts one run, however many workers there are and wherever they die.
//!
//! # Ticks
//!
//! [`Schedule::every`] ticks at its start and every period after it; without a start, at the
//! whole multiples of the period since 1970-01-01T00:00Z. [`Schedule::cron`] ticks when the wall
//! clock of its time zone shows a time that the expression fits: five fields (minute, hour, day
//! of the month, month, day of the week), or `@hourly`, `@daily`, `@weekly`, `@monthly`,
//! `@yearly`. When both days are restricted, either is enough. No tick is before
//! [`Schedule::starting`], nor at or after [`Schedule::ending`].
//!
//! Where a wall clock is moved for daylight saving, it matters whether minute and hour are both
//! a single number:
//!
//! - one that names a single time of day ticks once on each of its days: in the hour that is
//!   skipped, at the first moment after it; in the hour that is repeated, the first time only;
//! - any other ticks at each moment whose wall clock fits: not in the hour that is skipped, and
//!   both times in the hour that is repeated. So `*/15 * * * *` ticks every quarter of an hour
//!   that passes, and `30 1,2 * * *` does not tick at 02:30 where there is no such time.
//!
//! # What becomes of a tick
//!
//! Ticks that came while nobody looked, such as in a downtime, are started late when they are
//! not older than [`Schedule::catch_up`], an hour by default; older ones are counted as missed.
//! A window shorter than a worker may be late loses ticks: some seconds are the least that makes
//! sense. While a run of the schedule has not ended, [`Overlap`] decides: so of several ticks that
//! are started late, [`Overlap::Skip`] starts the first and drops the others, and
//! [`Overlap::Queue`] starts one after another. The ticks of a pause are dropped without being
//! counted.
//!
//! # Declaring
//!
//! An engine declares its schedules when it is built, and a worker writes them down when it
//! starts: a new one, or one whose spec or workflow differs, ticks next after that moment; one
//! that is the same keeps its next time, so that a restart loses nothing. Pauses and counters
//! are kept in either case. A stored schedule of a workflow that the engine has, but that it
//! does not declare, is marked as removed: it ticks no more, can neither be paused nor triggered,
//! is shown until the purge of what ended then, and goes on where it was declared again. So all
//! processes that execute a workflow should declare the same schedules of it; while they do not,
//! as in a rolling update, the one that was started last decides.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::truncate;
use crate::duration::parse_duration;
use crate::workflow::DefinitionError;

mod api;
mod calendar;
mod decision;
mod declared;
mod spec;
mod task;

pub(crate) use calendar::Calendar;
pub(crate) use declared::Declared;
pub use spec::{Overlap, ScheduleSpec, Timing};
pub(crate) use task::Scheduler;

/// No schedule's name is longer: it is part of its runs' start keys.
pub const SCHEDULE_NAME_LIMIT: usize = 100;

/// Ticks that are not older than this are caught up, unless the schedule says otherwise.
pub const CATCH_UP: Duration = Duration::from_secs(3_600);

/// A period below this is a busy loop.
pub const MIN_PERIOD: Duration = Duration::from_millis(10);

/// A schedule as it is declared.
///
/// ```
/// use lumina_workflow::{Overlap, Schedule};
///
/// let reports = Schedule::cron("reports", "0 7 * * MON-FRI", "Europe/Berlin")?
///     .overlap(Overlap::Queue)
///     .catch_up("12h");
/// assert_eq!(reports.name(), "reports");
/// assert!(Schedule::cron("reports", "0 7 * * MON-FRI", "Europe/Atlantis").is_err());
/// # Ok::<(), lumina_workflow::DefinitionError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    name: String,
    spec: ScheduleSpec,
    catch_up: Option<String>,
    at_start: bool,
}

impl Schedule {
    /// Ticks when the wall clock of an IANA time zone fits a cron expression.
    ///
    /// # Errors
    /// When the expression or the time zone cannot be read; the error names the schedule.
    pub fn cron(name: impl Into<String>, expression: &str, time_zone: &str) -> Result<Self, DefinitionError> {
        let timing = Timing::Cron {
            expression: expression.to_owned(),
            time_zone: time_zone.to_owned(),
        };
        let schedule = Self::new(name.into(), timing);
        match Calendar::read(&schedule.spec) {
            Ok(_) => Ok(schedule),
            Err(problem) => Err(schedule.wrong(problem)),
        }
    }

    /// Ticks every period.
    #[must_use]
    pub fn every(name: impl Into<String>, period: Duration) -> Self {
        Self::new(name.into(), Timing::Every { period })
    }

    fn new(name: String, timing: Timing) -> Self {
        let spec = ScheduleSpec {
            timing,
            start: None,
            end: None,
            overlap: Overlap::Skip,
            catch_up: CATCH_UP,
            priority: 0,
        };
        Self {
            name,
            spec,
            catch_up: None,
            at_start: false,
        }
    }

    /// No tick before this time; one at it counts.
    #[must_use]
    pub fn starting(mut self, start: Timestamp) -> Self {
        self.spec.start = Some(truncate(start));
        self
    }

    /// No tick at this time or after it.
    #[must_use]
    pub fn ending(mut self, end: Timestamp) -> Self {
        self.spec.end = Some(truncate(end));
        self
    }

    /// What happens at a tick while a run of the schedule has not ended. [`Overlap::Skip`]
    /// unless it is said.
    #[must_use]
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.spec.overlap = overlap;
        self
    }

    /// How old a tick may be that is still started, such as `1h`. Read when it is registered.
    #[must_use]
    pub fn catch_up(mut self, window: impl Into<String>) -> Self {
        self.catch_up = Some(window.into());
        self
    }

    /// Also starts a run whenever a worker starts, as if somebody named `start` had asked for it:
    /// not while the schedule is held, nor while a run of it has not ended.
    #[must_use]
    pub fn at_start(mut self) -> Self {
        self.at_start = true;
        self
    }

    /// The priority of its runs: higher ones first, 0 is ordinary.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.spec.priority = priority;
        self
    }

    /// Its name: the key under which it is stored.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn wrong(&self, problem: impl Into<String>) -> DefinitionError {
        DefinitionError::Schedule {
            schedule: self.name.clone(),
            problem: problem.into(),
        }
    }

    /// Its name, its spec, and whether it is for starts as well, when they can work.
    pub(crate) fn finish(mut self) -> Result<(String, ScheduleSpec, bool), DefinitionError> {
        if let Some(text) = &self.catch_up {
            self.spec.catch_up = parse_duration(text).map_err(|e| self.wrong(format!("its catch-up window {e}")))?;
        }
        match find_problem(&self.name, &self.spec) {
            Some(problem) => Err(self.wrong(problem)),
            None => Ok((self.name, self.spec, self.at_start)),
        }
    }
}

fn find_problem(name: &str, spec: &ScheduleSpec) -> Option<String> {
    if name.is_empty() || name.len() > SCHEDULE_NAME_LIMIT {
        return Some(format!("a name must have 1 to {SCHEDULE_NAME_LIMIT} bytes"));
    }
    if name.contains('@') || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Some("a name must be one word without @".to_owned());
    }
    if spec.end.is_some_and(|end| spec.start.is_some_and(|start| end <= start)) {
        return Some("it ends before it starts".to_owned());
    }
    Calendar::read(spec).err()
}

/// What the start keys of all runs of schedules begin with. No other start key may.
pub(crate) const START_KEY_PREFIX: &str = "schedule:";

/// The start key of a tick's run.
pub(crate) fn tick_key(name: &str, tick: Timestamp) -> String {
    format!("{START_KEY_PREFIX}{name}@{tick}")
}

/// The start key of a run that somebody asked for.
pub(crate) fn trigger_key(name: &str, run: crate::RunId) -> String {
    format!("{START_KEY_PREFIX}{name}@by-hand-{run}")
}
