//! Answering for steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Serialize;

use super::TestEngine;
use super::plan::{Answer, Doing};
use crate::duration::parse_duration;
use crate::error::StepError;
use crate::intercept::AttemptPoint;
use crate::payload::Payload;
use crate::step::StepAt;

/// # Answering for steps
///
/// A step is named by its declaration, in every workflow that uses it, or with a
/// [key](crate::Step::key) for one of several. What was said last counts. The gate of a
/// [gated](crate::Run::gated_step) step is skipped with its code, and the attachment of a step in
/// a transaction writes nothing.
///
/// ```
/// # use lumina_workflow::testing::TestEngine;
/// # use lumina_workflow::{Failure, Retry, Run, Step, StepError, Workflow};
/// const PRICE: Step = Step::action("price").timeout("10s").retry(Retry::constant(4));
/// # struct Quote;
/// # impl Workflow for Quote {
/// #     const NAME: &'static str = "quote";
/// #     const STEPS: &'static [Step] = &[PRICE];
/// #     type Input = ();
/// #     type Output = u32;
/// #     async fn run(&self, run: &Run, (): ()) -> Result<u32, Failure> {
/// #         run.step(PRICE, |_| async { Ok(10) }).await
/// #     }
/// # }
/// let kit = TestEngine::new().register(Quote);
/// let quote = || kit.end::<Quote>(kit.start::<Quote>(&()));
///
/// kit.stub(PRICE, |point| Ok(point.attempt * 100));
/// assert_eq!(quote().unwrap(), 100);
/// kit.fail(PRICE, 2, StepError::retry("busy"));
/// assert_eq!(quote().unwrap(), 300, "two failures, then the stub again");
/// kit.stub_each(PRICE, [Err(StepError::retry("busy")), Ok(7)]);
/// assert_eq!(quote().unwrap(), 7);
/// kit.fail(PRICE, 1, StepError::unknown("the line went dead"));
/// assert!(quote().unwrap_err().is_unknown());
///
/// // The step's own code again, too slow for its timeout of ten seconds.
/// kit.unstub(PRICE);
/// kit.delay(PRICE, "11s");
/// assert_eq!(quote().unwrap_err().attempts, 4);
/// assert_eq!((kit.attempts(PRICE), kit.stubbed_attempts(PRICE)), (11, 7));
/// ```
impl TestEngine {
    /// This code answers instead of the step's own. What it answers must fit what the workflow
    /// expects of the step, or the run is blocked.
    pub fn stub<T: Serialize>(
        &self,
        step: impl Into<StepAt>,
        answer: impl Fn(&AttemptPoint<'_>) -> Result<T, StepError> + Send + Sync + 'static,
    ) {
        let at = step.into();
        let name = at.step.name;
        let answer: Answer = Arc::new(move |point| {
            let value = answer(point)?;
            let encoded = Payload::encode(&value);
            Ok(encoded.unwrap_or_else(|problem| panic!("the stub of step {name} answers what {problem}")))
        });
        self.plan.put(at, Doing::Answer(answer));
    }

    /// These are the ends of its attempts, in their order; the last one is that of all further attempts.
    #[track_caller]
    pub fn stub_each<T: Serialize + Clone + Send + Sync + 'static>(
        &self,
        step: impl Into<StepAt>,
        answers: impl IntoIterator<Item = Result<T, StepError>>,
    ) {
        let answers: Vec<_> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "a stub has at least one answer");
        let asked = AtomicUsize::new(0);
        self.stub(step, move |_| {
            let place = asked.fetch_add(1, Ordering::Relaxed).min(answers.len() - 1);
            answers[place].clone()
        });
    }

    /// Its next attempts fail so, as many as are given; then what was there before counts again.
    /// With [`StepError::unknown`] an attempt ends as one that nobody knows the outcome of.
    pub fn fail(&self, step: impl Into<StepAt>, times: u32, error: StepError) {
        self.plan.put(step.into(), Doing::Fail { left: times, error });
    }

    /// The step's own code runs again.
    pub fn unstub(&self, step: impl Into<StepAt>) {
        self.plan.put(step.into(), Doing::Own);
    }

    /// Each of its attempts takes this much longer, stubbed or not. `0s` takes it back.
    #[track_caller]
    pub fn delay(&self, step: impl Into<StepAt>, time: &str) {
        let time = parse_duration(time).unwrap_or_else(|problem| panic!("{problem}"));
        self.plan.delay(step.into(), time);
    }

    /// How many times its code began, be it a stub or its own.
    #[must_use]
    pub fn attempts(&self, step: impl Into<StepAt>) -> usize {
        self.plan.made(&step.into()).0
    }

    /// How many times a stub or a planned failure stood in for its code.
    #[must_use]
    pub fn stubbed_attempts(&self, step: impl Into<StepAt>) -> usize {
        self.plan.made(&step.into()).1
    }
}
