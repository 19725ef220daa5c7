//! A run's history in a test: lines to compare, and the whole of it when they differ.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::history::{Record, What};
use crate::payload::Payload;
use crate::step::StepAt;
use crate::store::{RunRow, RunStatus};
use crate::told::tell;

/// A payload is shown up to this many bytes.
const SHOWN: usize = 80;

/// What happened in a run. A record is one line: `charge: done 2` is the second attempt's
/// success, `! refund: done 1` a step of `on_failure`; a key or a further occurrence stands
/// behind the name, as in `mail =ada: done 1` and `mail #2: done 1`.
///
/// | line | meaning |
/// | --- | --- |
/// | `charge: started 1` | an outside effect is about to act |
/// | `charge: again after 1 in 2s` | attempt 1 failed, the next is due 2 s later |
/// | `charge: done 2` | attempt 2 succeeded; 0 for a sleep |
/// | `charge: failed for good` | also `unknown`, `timed out`, `cancelled`, `late` |
/// | `paid: opened` | a wait or a sleep has begun |
/// | `paid: received event-1` | the wait took this event |
/// | `paid: timed out` | its deadline passed first |
/// | `paid: abandoned` | the code dropped it |
/// | `cancel by test` | somebody asked the run to end |
/// | `resumed by test` | somebody let the run go on |
/// | `failing for good` | the main function has ended in a failure |
///
/// Printed, it has the run's status and each record's time, result or error.
///
/// ```
/// # use lumina_workflow::testing::TestEngine;
/// # use lumina_workflow::store::RunStatus;
/// # use lumina_workflow::{Failure, Run, Step, Workflow};
/// const FIND: Step = Step::action("find");
/// const STORE: Step = Step::action("store");
/// # struct Search;
/// # impl Workflow for Search {
/// #     const NAME: &'static str = "search";
/// #     const STEPS: &'static [Step] = &[FIND, STORE];
/// #     type Input = ();
/// #     type Output = ();
/// #     async fn run(&self, run: &Run, (): ()) -> Result<(), Failure> {
/// #         let found: Option<u32> = run.step(FIND, |_| async { Ok(None) }).await?;
/// #         if let Some(found) = found {
/// #             run.step(STORE, move |_| async move { Ok(found) }).await?;
/// #         }
/// #         Ok(())
/// #     }
/// # }
/// let kit = TestEngine::new().register(Search);
/// let run = kit.start::<Search>(&());
/// kit.settle();
/// kit.history(run)
///     .assert_steps(["find: done 1"])
///     .assert_includes(["find: done 1"])
///     .assert_lacks(STORE)
///     .assert_status(RunStatus::Completed);
/// assert!(kit.history(run).to_string().contains("find: done 1  null"));
/// assert_eq!(kit.history(run).records().len(), kit.history(run).lines().len());
/// ```
pub struct History {
    run: RunRow,
    records: Vec<Record>,
}

impl History {
    pub(super) fn new(run: RunRow, records: Vec<Record>) -> Self {
        Self { run, records }
    }

    /// The records themselves.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Each record in a few words.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.records.iter().map(tell).collect()
    }

    /// These and no other lines, in this order.
    ///
    /// # Panics
    /// When they differ, with the first difference and the whole history.
    #[track_caller]
    pub fn assert_steps<S: AsRef<str>>(&self, expected: impl IntoIterator<Item = S>) -> &Self {
        let expected: Vec<S> = expected.into_iter().collect();
        let found = self.lines();
        let lines = expected.len().max(found.len());
        for place in 0..lines {
            let (wanted, got) = (
                expected.get(place).map(AsRef::as_ref),
                found.get(place).map(String::as_str),
            );
            assert!(
                wanted == got,
                "line {} of the history is not as expected\n  expected: {}\n  found:    {}\n{self}",
                place + 1,
                wanted.unwrap_or("nothing more"),
                got.unwrap_or("nothing more"),
            );
        }
        self
    }

    /// These lines in this order, whatever is between them.
    ///
    /// # Panics
    /// When one does not follow, with the whole history.
    #[track_caller]
    pub fn assert_includes<S: AsRef<str>>(&self, expected: impl IntoIterator<Item = S>) -> &Self {
        let found = self.lines();
        let mut rest = found.iter();
        let mut after = "in the history".to_owned();
        for line in expected {
            let line = line.as_ref();
            assert!(
                rest.any(|found| found == line),
                "`{line}` does not come {after}\n{self}"
            );
            after = format!("after `{line}`");
        }
        self
    }

    /// The step was never reached.
    ///
    /// # Panics
    /// When it was, with the whole history.
    #[track_caller]
    pub fn assert_lacks(&self, step: impl Into<StepAt>) -> &Self {
        let at = step.into();
        assert!(
            !self.records.iter().any(|record| at.is_of(record)),
            "step {} was reached, and should not have been\n{self}",
            at.step.name
        );
        self
    }

    /// The run is doing this.
    ///
    /// # Panics
    /// When it is doing something else, with the whole history.
    #[track_caller]
    pub fn assert_status(&self, status: RunStatus) -> &Self {
        assert!(self.run.status == status, "the run is not {status}\n{self}");
        self
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "run {} of {} is {}", self.run.id, self.run.workflow, self.run.status)?;
        if let Some(why) = self
            .run
            .blocked
            .clone()
            .or(self.run.failure.as_ref().map(ToString::to_string))
        {
            write!(f, ": {why}")?;
        }
        writeln!(f)?;
        for record in &self.records {
            let since = since(self.run.created_at, record.ended_at);
            writeln!(f, "{since:>14}  {}{}", tell(record), detail(&record.what))?;
        }
        if self.records.is_empty() {
            writeln!(f, "{:>14}  nothing has happened yet", "")?;
        }
        Ok(())
    }
}

impl fmt::Debug for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn since(start: Timestamp, at: Timestamp) -> String {
    let since = at.duration_since(start);
    format!(
        "+{:#}",
        SignedDuration::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    )
}

fn detail(what: &What) -> String {
    match what {
        What::AttemptFailed { error, reason, .. } => format!("  {error} ({reason})"),
        What::Failed { failure, reason } => format!("  {} ({reason})", failure.message),
        What::Failing { failure } => format!("  {failure}"),
        What::Opened { deadline } => format!("  until {deadline}"),
        _ => what
            .payload()
            .map(|payload| format!("  {}", cut(payload)))
            .unwrap_or_default(),
    }
}

fn cut(payload: &Payload) -> String {
    let text = payload.as_str();
    if text.len() <= SHOWN {
        return text.to_owned();
    }
    let end = (0..=SHOWN).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{} ... ({} bytes)", &text[..end], text.len())
}
