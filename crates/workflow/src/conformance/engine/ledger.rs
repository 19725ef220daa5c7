//! What happened outside of the store: the effects that no crash takes back.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::attempt::Attempt;
use crate::deterministic::DeterministicRuntime;
use crate::error::StepError;
use crate::step::Step;

pub(super) type Doing = BoxFuture<'static, Result<u64, StepError>>;

/// Notes in the order in which they were made. Clones are the same one.
#[derive(Clone)]
pub(super) struct Ledger {
    runtime: DeterministicRuntime,
    notes: Arc<Mutex<Vec<(String, Duration)>>>,
}

impl Ledger {
    pub fn new(runtime: DeterministicRuntime) -> Self {
        Self {
            runtime,
            notes: Arc::default(),
        }
    }

    fn notes(&self) -> MutexGuard<'_, Vec<(String, Duration)>> {
        self.notes.lock().expect("nobody panics while holding it")
    }

    pub fn note(&self, what: impl Into<String>) {
        let at = self.runtime.elapsed();
        self.notes().push((what.into(), at));
    }

    pub fn count(&self, what: &str) -> usize {
        self.notes().iter().filter(|(noted, _)| noted == what).count()
    }

    /// All notes, without their times.
    pub fn all(&self) -> Vec<String> {
        self.notes().iter().map(|(what, _)| what.clone()).collect()
    }

    /// When this was noted, each time.
    pub fn times(&self, what: &str) -> Vec<Duration> {
        self.notes()
            .iter()
            .filter(|(noted, _)| noted == what)
            .map(|(_, at)| *at)
            .collect()
    }

    /// A step's code: it notes the step's name and answers this.
    pub fn does(&self, step: Step, answer: u64) -> impl Fn(Attempt) -> Doing + Send + Sync + 'static {
        self.tries(step, vec![Ok(answer)])
    }

    /// A step's code: it notes the step's name, and answers in this order; the last answer is
    /// that of all further attempts.
    pub fn tries(
        &self,
        step: Step,
        answers: Vec<Result<u64, StepError>>,
    ) -> impl Fn(Attempt) -> Doing + Send + Sync + 'static {
        let ledger = self.clone();
        move |_| {
            let (ledger, answers) = (ledger.clone(), answers.clone());
            Box::pin(async move {
                let made = ledger.count(step.name).min(answers.len() - 1);
                ledger.note(step.name);
                answers[made].clone()
            })
        }
    }

    /// A step's code: it notes the step's name, takes its time, notes its end, and answers this.
    pub fn takes(&self, step: Step, time: Duration, answer: u64) -> impl Fn(Attempt) -> Doing + Send + Sync + 'static {
        let ledger = self.clone();
        move |_| {
            let ledger = ledger.clone();
            Box::pin(async move {
                ledger.note(step.name);
                crate::Runtime::sleep(&ledger.runtime, time).await;
                ledger.note(format!("{} ended", step.name));
                Ok(answer)
            })
        }
    }
}
