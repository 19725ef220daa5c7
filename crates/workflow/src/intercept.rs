//! A test's hand in the engine: what an attempt does instead of its code, and what happens around a record.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::StepError;
use crate::history::{Phase, Record, StepRef};
use crate::id::RunId;
use crate::payload::Payload;
use crate::step::Step;

/// Stands between the engine and the code of steps, and between their results and the store.
///
/// Every method has a default that changes nothing. They are called from the engine's tasks,
/// so they must not block.
///
/// ```
/// use lumina_workflow::testing::{AttemptPoint, Interceptor, Intervention};
/// use lumina_workflow::StepError;
///
/// /// Lets every first attempt fail, of whatever workflow.
/// struct FirstFails;
///
/// impl Interceptor for FirstFails {
///     fn attempt(&self, point: &AttemptPoint<'_>) -> Intervention {
///         match point.attempt {
///             1 => Intervention::Answer(Err(StepError::retry("on purpose"))),
///             _ => Intervention::Pass,
///         }
///     }
/// }
/// ```
///
/// It is given to [`EngineBuilder::intercept`](crate::EngineBuilder::intercept).
pub trait Interceptor: Send + Sync + 'static {
    /// An attempt's code is about to run: of an outside effect, its start is on record.
    fn attempt(&self, point: &AttemptPoint<'_>) -> Intervention {
        let _ = point;
        Intervention::Pass
    }

    /// Whether a [gated](crate::Run::gated_step) attempt does without its gate. Say so only of
    /// attempts that [`attempt`](Self::attempt) answers: code that runs needs the gate's permit.
    fn skips_gate(&self, point: &AttemptPoint<'_>) -> bool {
        let _ = point;
        false
    }

    /// A record is about to be committed. It is written when the future has ended; one that
    /// never ends is a process that dies here. The same record can come again when its commit
    /// was refused because something came in first. Of a step in a transaction the payload is
    /// not known yet.
    fn recording(&self, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        let _ = point;
        Box::pin(std::future::ready(()))
    }

    /// A record is durable, and nothing that waited for it has begun. What is recorded goes on
    /// when the future has ended; one that never ends is a process that dies here.
    fn recorded(&self, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        let _ = point;
        Box::pin(std::future::ready(()))
    }
}

/// An attempt whose turn has come.
///
/// An example is at [`Interceptor`].
#[derive(Debug, Clone, Copy)]
pub struct AttemptPoint<'a> {
    /// The run.
    pub run: RunId,
    /// Its workflow's name.
    pub workflow: &'a str,
    /// Which of the workflow's two functions reached the step.
    pub phase: Phase,
    /// The step's name, key, kind and place.
    pub step: &'a StepRef,
    /// The step as it was declared.
    pub declared: &'a Step,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// Whether the step is an attachment, which runs inside the transaction that records it.
    pub in_tx: bool,
}

/// What becomes of an attempt.
///
/// ```
/// use lumina_workflow::testing::Intervention;
/// use lumina_workflow::Payload;
/// use std::time::Duration;
///
/// let slow = Intervention::Pass.after(Duration::from_secs(90));
/// let known = Intervention::Answer(Ok(Payload::encode(&7)?)).after(Duration::from_secs(1));
/// # let _ = (slow, known);
/// # Ok::<(), lumina_workflow::PayloadError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub enum Intervention {
    /// Its code runs.
    Pass,
    /// Its code does not run, and this is its end. Of a step in a transaction, the application's
    /// writes do not happen.
    Answer(Result<Payload, StepError>),
    /// Its code does not run, and it ends as code that panics does.
    Panic(String),
    /// This time of the runtime passes first; an attempt's timeout runs meanwhile. A step in a
    /// transaction has none, and its whole run is held up.
    After(Duration, Box<Intervention>),
}

impl Intervention {
    /// The same, after this time.
    #[must_use]
    pub fn after(self, time: Duration) -> Self {
        Self::After(time, Box::new(self))
    }
}

/// A record on its way into the store, or in it.
///
/// ```
/// use lumina_workflow::testing::{Interceptor, RecordPoint};
/// use std::sync::Mutex;
///
/// /// Notes which steps have ended.
/// #[derive(Default)]
/// struct Ended(Mutex<Vec<String>>);
///
/// impl Interceptor for Ended {
///     fn recorded(&self, point: RecordPoint<'_>) -> futures_util::future::BoxFuture<'static, ()> {
///         if point.record.what.is_completion() {
///             self.0.lock().unwrap().extend(point.record.step.as_ref().map(|step| step.name.clone()));
///         }
///         Box::pin(std::future::ready(()))
///     }
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RecordPoint<'a> {
    /// The run.
    pub run: RunId,
    /// Its workflow's name.
    pub workflow: &'a str,
    /// The step it belongs to, as it was declared.
    pub declared: Option<&'a Step>,
    /// The record.
    pub record: &'a Record,
}
