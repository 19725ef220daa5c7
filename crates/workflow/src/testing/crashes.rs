//! Crashes at a chosen place.

use super::TestEngine;
use crate::step::StepAt;

/// Where the process dies.
///
/// ```
/// # use lumina_workflow::testing::{CrashPoint, TestEngine};
/// # use lumina_workflow::{Failure, Run, Step, Workflow};
/// const MAIL: Step = Step::action("mail").outside_effect();
/// # struct Letter;
/// # impl Workflow for Letter {
/// #     const NAME: &'static str = "letter";
/// #     const STEPS: &'static [Step] = &[MAIL];
/// #     type Input = ();
/// #     type Output = ();
/// #     async fn run(&self, run: &Run, (): ()) -> Result<(), Failure> {
/// #         run.step(MAIL, |_| async { Ok(()) }).await
/// #     }
/// # }
/// let kit = TestEngine::new().register(Letter);
/// let run = kit.start::<Letter>(&());
/// kit.crash_at(CrashPoint::BeforeRecord, MAIL);
///
/// // The letter was sent, and nobody wrote it down: it is not sent again.
/// assert!(kit.end::<Letter>(run).unwrap_err().is_unknown());
/// assert_eq!((kit.attempts(MAIL), kit.crashes()), (1, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// An attempt is due, and its code has not run. Of an outside effect the start is on record,
    /// so that its outcome is unknown afterwards, as it would be in earnest. A step in a
    /// transaction shares its commit with what ended just before it: that is lost as well.
    BeforeCode,
    /// An attempt has ended, or a wait or sleep has; what came of it is not on record.
    BeforeRecord,
    /// What came of it is on record, and nothing after it has begun. The start of an outside
    /// effect that follows at once is on record too, in the same commit: its outcome is unknown
    /// afterwards, although its code did not run.
    AfterRecord,
}

impl TestEngine {
    /// The process dies at the next such moment of a step, and another one takes over at once.
    /// A crash that is planned and never comes fails the test when the kit is dropped.
    pub fn crash_at(&self, point: CrashPoint, step: impl Into<StepAt>) {
        self.plan.crash(point, step.into());
    }
}
