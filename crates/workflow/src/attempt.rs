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
///
/// ```
/// use lumina_workflow::{CorrelationKey, Previous, Run, Step, StepError};
/// # use lumina_workflow::Failure;
///
/// const SEND: Step = Step::action("send").outside_effect();
/// const SUM: Step = Step::action("sum");
///
/// async fn steps(run: &Run) -> Result<u64, Failure> {
///     run.step(SEND, |attempt| async move {
///         if let Some(Previous::Failed(error)) = attempt.previous() {
///             println!("attempt {} of run {}, after: {error}", attempt.number(), attempt.run());
///         }
///         // Events for this id are the run's as soon as the step's success is recorded.
///         attempt.register_key(CorrelationKey::new("carrier", "parcel-7"));
///         Ok(())
///     })
///     .await?;
///     // What blocks a thread goes where it disturbs nobody.
///     run.step(SUM, |attempt| async move { Ok(attempt.blocking(|| (1..=1_000_000_u64).sum()).await) }).await
/// }
/// # use lumina_workflow::testing::TestEngine;
/// # struct Parcel;
/// # impl lumina_workflow::Workflow for Parcel {
/// #     const NAME: &'static str = "parcel";
/// #     const STEPS: &'static [Step] = &[SEND, SUM];
/// #     type Input = ();
/// #     type Output = u64;
/// #     async fn run(&self, run: &Run, (): ()) -> Result<u64, Failure> {
/// #         steps(run).await
/// #     }
/// # }
/// # let kit = TestEngine::new().register(Parcel);
/// # assert_eq!(kit.end::<Parcel>(kit.start::<Parcel>(&())), Ok(500_000_500_000));
/// ```
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
    ///
    /// ```
    /// # use lumina_workflow::{store::memory, Attempt, Payload};
    /// fn note(attempt: &Attempt) {
    ///     attempt.attach(memory::attach(|tx| {
    ///         tx.put("sent", Payload::null());
    ///         Ok(Payload::null())
    ///     }));
    /// }
    /// ```
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
