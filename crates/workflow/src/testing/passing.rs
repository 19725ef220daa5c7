//! Letting things happen, and time pass.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;

use super::TestEngine;
use crate::duration::parse_duration;
use crate::error::Failure;
use crate::history::What;
use crate::id::RunId;
use crate::payload::Payload;
use crate::runtime::Runtime;
use crate::step::StepAt;
use crate::store::RunStatus;
use crate::workflow::Workflow;

/// Whatever is waited for must come within this time of the clock: no deadline of a sensible
/// workflow is longer, and a loop that never ends is found out.
const PATIENCE: Duration = Duration::from_secs(365 * 24 * 3_600);

/// # Letting time pass
///
/// ```
/// # use lumina_workflow::testing::TestEngine;
/// # use lumina_workflow::{Failure, Run, Step, Workflow};
/// # use std::time::Duration;
/// const SIGNED: Step = Step::wait("wait-for-signature", "signed").timeout("30d");
/// const COOL: Step = Step::sleep("cooling-off");
/// # struct Contract;
/// # impl Workflow for Contract {
/// #     const NAME: &'static str = "contract";
/// #     const STEPS: &'static [Step] = &[COOL, SIGNED];
/// #     type Input = ();
/// #     type Output = bool;
/// #     async fn run(&self, run: &Run, (): ()) -> Result<bool, Failure> {
/// #         run.sleep(COOL, Duration::from_secs(14 * 86_400)).await;
/// #         Ok(run.wait_or_timeout::<()>(SIGNED).await?.is_some())
/// #     }
/// # }
/// let kit = TestEngine::new().register(Contract);
/// let run = kit.start::<Contract>(&());
/// kit.settle();
/// assert_eq!(kit.history(run).lines(), ["cooling-off: opened"]);
///
/// kit.run_until_wait(run, SIGNED);
/// assert_eq!(kit.elapsed().as_secs() / 86_400, 14);
/// kit.advance("29d");
/// assert_eq!(kit.end::<Contract>(run).unwrap(), false, "a day later the wait is over");
/// assert_eq!(kit.elapsed().as_secs() / 86_400, 44);
///
/// // Whatever the kit has no method for, on its engine and its clock.
/// let engine = kit.engine();
/// assert!(kit.block_on(async { engine.wait_for_end(run).await }).unwrap().is_ok());
/// ```
impl TestEngine {
    /// Lets everything happen that can happen now. No time passes, but for planned crashes.
    pub fn settle(&self) {
        self.engine();
        while self.runtime.turn() {
            self.die_as_planned();
        }
    }

    fn die_as_planned(&self) {
        if self.plan.take_dying() {
            self.restart();
        }
    }

    /// Lets this much time pass, such as `24h`, with everything that happens in it.
    #[track_caller]
    pub fn advance(&self, time: &str) {
        let time = parse_duration(time).unwrap_or_else(|problem| panic!("{problem}"));
        self.engine();
        let limit = self.runtime.elapsed() + time;
        self.pass(limit, || false);
    }

    /// Until `done`, or until the limit: then false. Both are looked at only when nothing can
    /// happen before time passes.
    fn pass(&self, limit: Duration, mut done: impl FnMut() -> bool) -> bool {
        loop {
            self.settle();
            if done() {
                return true;
            }
            if self.runtime.elapsed() >= limit {
                return false;
            }
            self.runtime.pass_until(limit);
        }
    }

    /// Lets time pass until the run waits here for its event.
    #[track_caller]
    pub fn run_until_wait(&self, run: RunId, wait: impl Into<StepAt>) {
        let at = wait.into();
        let name = at.step.name;
        self.pass_while_open(run, name, || self.waits(run, &at));
        assert!(
            self.waits(run, &at),
            "the run has ended without waiting at {name}\n{}",
            self.history(run)
        );
    }

    fn waits(&self, run: RunId, at: &StepAt) -> bool {
        let mut open = false;
        for record in self.history(run).records() {
            if at.is_of(record) {
                open = matches!(record.what, What::Opened { .. });
            }
        }
        open
    }

    /// Lets time pass until the run has ended, and tells how.
    ///
    /// # Panics
    /// When it cannot end, because it is blocked or paused, or does not within a year.
    #[track_caller]
    pub fn end<W: Workflow>(&self, run: RunId) -> Result<W::Output, Failure> {
        self.pass_while_open(run, "the end", || false);
        let row = self.row(run);
        assert_eq!(row.workflow, W::NAME, "run {run} is of another workflow");
        if row.status == RunStatus::Completed {
            let output = row.output.unwrap_or_else(Payload::null).decode();
            return Ok(output.unwrap_or_else(|problem| panic!("the output of {}: {problem}", W::NAME)));
        }
        Err(row
            .failure
            .unwrap_or_else(|| Failure::new("the cause was not recorded")))
    }

    /// Until `done`, or until the run has ended.
    #[track_caller]
    fn pass_while_open(&self, run: RunId, what: &str, mut done: impl FnMut() -> bool) {
        self.engine();
        let limit = self.runtime.elapsed() + PATIENCE;
        let stuck = |status| matches!(status, RunStatus::Blocked | RunStatus::Paused);
        let came = self.pass(limit, || {
            let status = self.status(run);
            done() || status.is_end() || stuck(status)
        });
        if !came {
            panic!("{what} did not come within a year\n{}", self.history(run));
        }
        if stuck(self.status(run)) && !done() {
            panic!("{what} cannot come\n{}", self.history(run));
        }
    }

    /// Runs a future of the test's own, with everything that happens meanwhile. A crash that was
    /// planned for in it leaves it with the engine that died.
    ///
    /// # Panics
    /// When it has not ended within a year of the clock.
    #[track_caller]
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        let limit = self.runtime.elapsed() + PATIENCE;
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return value;
            }
            if self.runtime.turn() {
                self.die_as_planned();
            } else if self.runtime.elapsed() >= limit {
                panic!("the future did not end within a year");
            } else {
                self.runtime.pass_until(limit);
            }
        }
    }

    /// How much time has passed since the kit was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.runtime.elapsed()
    }

    /// The time of the kit's clock, which began at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.runtime.now()
    }
}
