//! One attempt of a step, as its code sees it.

use std::sync::{Arc, Mutex};

use crate::event::CorrelationKey;
use crate::id::RunId;
use crate::replay::Previous;
use crate::runtime::Runtime;
use crate::store::Attachment;

/// What an attempt wants committed together with its record.
#[derive(Default)]
pub(crate) struct Extras {
    pub keys: Vec<CorrelationKey>,
    pub attach: Option<Attachment>,
}

/// One attempt.
#[derive(Clone)]
pub struct Attempt {
    run: RunId,
    number: u32,
    previous: Option<Previous>,
    runtime: Arc<dyn Runtime>,
    extras: Arc<Mutex<Extras>>,
}

impl Attempt {
    pub(crate) fn new(run: RunId, number: u32, previous: Option<Previous>, runtime: Arc<dyn Runtime>) -> Self {
        Self {
            run,
            number,
            previous,
            runtime,
            extras: Arc::default(),
        }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> RunId {
        self.run
    }

    /// Its number, from 1. Deferred attempts do not count.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// How the attempt before ended, when there was one.
    #[must_use]
    pub fn previous(&self) -> Option<&Previous> {
        self.previous.as_ref()
    }

    /// Registers an outside id for the run, in the transaction that records the step's
    /// success: events for that id are the run's from then on, those that came before included.
    pub fn register_key(&self, key: CorrelationKey) {
        self.extras
            .lock()
            .expect("nobody panics while holding it")
            .keys
            .push(key);
    }

    /// Adds application writes to the transaction that records the step's success. The last one given counts.
    pub fn attach(&self, attachment: Attachment) {
        self.extras.lock().expect("nobody panics while holding it").attach = Some(attachment);
    }

    /// Runs code that blocks (files, heavy computation) where it disturbs no other run.
    pub async fn blocking<T: Send + 'static>(&self, code: impl FnOnce() -> T + Send + 'static) -> T {
        let place = Arc::new(Mutex::new(None));
        let result = place.clone();
        let job = Box::new(move || {
            *result.lock().expect("nobody panics while holding it") = Some(code());
        });
        self.runtime.blocking(job).await;
        let mut place = place.lock().expect("nobody panics while holding it");
        place
            .take()
            .expect("the blocking code has ended, and a panic of it would have been raised here")
    }

    pub(crate) fn take_extras(&self) -> Extras {
        std::mem::take(&mut *self.extras.lock().expect("nobody panics while holding it"))
    }
}
