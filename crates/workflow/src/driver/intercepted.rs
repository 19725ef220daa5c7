//! Where a test may put its hand in. Not there at all without the feature `testing`.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::{Driver, Flow};
use crate::board::{ActCode, Op};
use crate::error::StepError;
use crate::history::{Phase, Record, StepRef, What};
use crate::id::RunId;
use crate::intercept::{AttemptPoint, Intervention, RecordPoint};
use crate::payload::Payload;
use crate::run::lock;
use crate::runtime::Runtime;
use crate::step::Step;
use crate::store::{Change, Member, MemberResult, Outcome};

/// What an [`AttemptPoint`] borrows, for a task of its own.
struct Place {
    run: RunId,
    workflow: &'static str,
    phase: Phase,
    step: StepRef,
    declared: Step,
    in_tx: bool,
}

impl Place {
    fn point(&self, attempt: u32) -> AttemptPoint<'_> {
        AttemptPoint {
            run: self.run,
            workflow: self.workflow,
            phase: self.phase,
            step: &self.step,
            declared: &self.declared,
            attempt,
            in_tx: self.in_tx,
        }
    }
}

impl Driver {
    fn place(&self, ordinal: u32) -> Place {
        let board = lock(&self.board);
        let slot = board.slot(ordinal);
        let (step, in_tx) = (slot.step.clone(), matches!(slot.op, Op::InTx(_)));
        drop(board);
        Place {
            run: self.lease.run,
            workflow: self.definition.name,
            phase: self.phase,
            step,
            declared: self.plan(ordinal).step,
            in_tx,
        }
    }

    /// The attempt's code as the interceptor lets it be. It is asked when the code's turn has come.
    pub(super) fn intercepted(&self, ordinal: u32, act: &ActCode) -> ActCode {
        let Some(interceptor) = self.shell.interceptor.clone() else {
            return act.clone();
        };
        let (place, act, runtime) = (self.place(ordinal), act.clone(), self.shell.runtime.clone());
        Arc::new(move |attempt, permit| {
            let ruling = interceptor.attempt(&place.point(attempt.number()));
            let act = act.clone();
            follow(runtime.clone(), ruling, Box::new(move || act(attempt, permit)))
        })
    }

    pub(super) fn skips_gate(&self, ordinal: u32, attempt: u32) -> bool {
        let interceptor = self.shell.interceptor.as_ref();
        interceptor.is_some_and(|interceptor| interceptor.skips_gate(&self.place(ordinal).point(attempt)))
    }

    /// True when the step has ended here, and its attachment is not to run.
    pub(super) async fn intercept_in_tx(&mut self, ordinal: u32, attempt: u32, started_at: Timestamp) -> Flow<bool> {
        let Some(interceptor) = self.shell.interceptor.clone() else {
            return Ok(false);
        };
        let mut ruling = interceptor.attempt(&self.place(ordinal).point(attempt));
        while let Intervention::After(time, then) = ruling {
            // What is known is durable before anything is waited for, here as elsewhere.
            if self.has_unsaved() {
                self.save().await?;
            }
            self.shell.runtime.sleep(time).await;
            ruling = *then;
        }
        match ruling {
            Intervention::Pass | Intervention::After(..) => return Ok(false),
            Intervention::Answer(Ok(payload)) => {
                let payload = Some(payload);
                self.complete(ordinal, What::Completed { attempt, payload }, started_at);
            }
            Intervention::Answer(Err(error)) => self.settle_error(ordinal, attempt, started_at, error, false),
            Intervention::Panic(message) => {
                let error = StepError::fail(format!("the code panicked: {message}"));
                self.settle_error(ordinal, attempt, started_at, error, false);
            }
        }
        Ok(true)
    }

    pub(super) async fn tell_recording(&mut self) {
        let Some(interceptor) = self.shell.interceptor.clone() else {
            return;
        };
        for place in 0..self.pending.len() {
            let told = interceptor.recording(self.record_point(&self.pending[place]));
            told.await;
        }
    }

    /// Of a change that was applied, with what its attachment has computed.
    pub(super) async fn tell_recorded(&mut self, member: &Member, result: &MemberResult) {
        let interceptor = self.shell.interceptor.clone();
        let (Some(interceptor), Change::Advance(advance), Ok(Outcome::Advanced { payload: computed, .. })) =
            (interceptor, &member.change, result)
        else {
            return;
        };
        for record in &advance.records {
            let mut record = record.clone();
            if let What::Completed { payload, .. } = &mut record.what {
                *payload = payload.take().or_else(|| computed.clone());
            }
            let told = interceptor.recorded(self.record_point(&record));
            told.await;
        }
    }

    fn record_point<'a>(&'a self, record: &'a Record) -> RecordPoint<'a> {
        let plan = record
            .step
            .as_ref()
            .and_then(|step| self.definition.steps.get(step.name.as_str()));
        RecordPoint {
            run: self.lease.run,
            workflow: self.definition.name,
            declared: plan.map(|plan| &plan.step),
            record,
        }
    }
}

type Code = Box<dyn FnOnce() -> BoxFuture<'static, Result<Payload, StepError>> + Send>;

fn follow(
    runtime: Arc<dyn Runtime>,
    ruling: Intervention,
    code: Code,
) -> BoxFuture<'static, Result<Payload, StepError>> {
    match ruling {
        Intervention::Pass => code(),
        Intervention::Answer(answer) => Box::pin(std::future::ready(answer)),
        Intervention::Panic(message) => panic!("{message}"),
        Intervention::After(time, then) => Box::pin(async move {
            runtime.sleep(time).await;
            follow(runtime, *then, code).await
        }),
    }
}
