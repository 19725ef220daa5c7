//! An answer that came after its run had ended: paid for, so it is applied all the same.

use std::sync::Arc;

use lumina_workflow::{Failure, Retry, Run, Step, Workflow};

use super::context::Context;
use super::waiting::process_step;
use crate::records::{AnswerId, Applied};

const PROCESS: Step = Step::action("process-results").retry(Retry::exponential(3));

/// Applies one stored answer.
pub struct LateAnswer {
    context: Arc<Context>,
}

impl LateAnswer {
    /// In this context.
    #[must_use]
    pub fn new(context: Arc<Context>) -> Self {
        Self { context }
    }
}

impl Workflow for LateAnswer {
    const NAME: &'static str = "late-answer";
    const STEPS: &'static [Step] = &[PROCESS];
    type Input = AnswerId;
    type Output = Applied;

    async fn run(&self, run: &Run, answer: AnswerId) -> Result<Applied, Failure> {
        process_step(run, PROCESS, self.context.clone(), answer).await
    }
}
