//! A durable workflow engine to embed.
//!
//! A workflow is an async function whose every effect is a named step. Each step's result is
//! recorded before anything after it happens; a resumed run is executed from the top, and
//! recorded steps answer from history; a run that waits is a row and nothing else.
//!
//! ```
//! use std::sync::Arc;
//! use lumina_workflow::{
//!     deterministic::DeterministicRuntime, store::memory::MemoryStore, Engine, Failure, NewEvent, Payload, Retry,
//!     Run, StartOptions, Step, StepError, StoreClock, WorkerOptions, Workflow,
//! };
//!
//! const RESERVE: Step = Step::action("reserve").retry(Retry::exponential(3));
//! const PAID: Step = Step::wait("wait-for-payment", "paid").timeout("24h");
//!
//! struct Order;
//!
//! impl Workflow for Order {
//!     const NAME: &'static str = "order";
//!     const STEPS: &'static [Step] = &[RESERVE, PAID];
//!     type Input = String;
//!     type Output = u32;
//!
//!     async fn run(&self, run: &Run, item: String) -> Result<u32, Failure> {
//!         let price = run
//!             .step(RESERVE, move |_| {
//!                 let item = item.clone();
//!                 async move { Ok::<u32, StepError>(item.len() as u32) }
//!             })
//!             .await?;
//!         let paid: u32 = run.wait(PAID).await?;
//!         if paid < price { Err(Failure::new("not enough")) } else { Ok(paid) }
//!     }
//! }
//!
//! // A virtual clock here; `TokioRuntime` and a store on disk in production.
//! let runtime = DeterministicRuntime::new(1);
//! let shared: Arc<dyn lumina_workflow::Runtime> = Arc::new(runtime.clone());
//! let store = Arc::new(MemoryStore::new(StoreClock::of(shared.clone())));
//! let output = runtime.block_on(async {
//!     let engine = Engine::builder(store, shared).register(Order).unwrap().build().await.unwrap();
//!     let _worker = engine.start_worker(WorkerOptions::default());
//!     let run = engine.start::<Order>(&"book".to_owned(), StartOptions::default()).await.unwrap().run();
//!     engine.emit(NewEvent::new("payment-1", run, "paid", Payload::encode(&4).unwrap())).await.unwrap();
//!     engine.wait_for_end(run).await.unwrap()
//! });
//! assert_eq!(output.unwrap().unwrap().decode::<u32>().unwrap(), 4);
//! ```

pub mod codec;
pub mod store;

#[cfg(feature = "conformance")]
pub mod conformance;

#[cfg(feature = "testing")]
pub mod testing;

mod attempt;
mod board;
mod check;
mod clock;
mod control;
mod driver;
mod duration;
mod ends;
mod engine;
mod error;
mod event;
mod execution;
mod flow;
mod history;
mod id;
#[cfg(feature = "testing")]
mod intercept;
mod payload;
mod pipeline;
mod replay;
mod retry;
mod run;
mod runtime;
mod schedule;
mod seat;
mod shell;
mod step;
#[cfg(any(feature = "testing", feature = "conformance"))]
mod told;
mod worker;
mod workflow;

pub use attempt::Attempt;
pub use check::{CheckReport, MisfitKind, Misfitting};
pub use clock::{StoreClock, truncate};
pub use control::{MayRepeat, RestartFrom};
pub use duration::{DurationError, parse_duration};
pub use engine::{
    DefinitionInfo, Engine, EngineBuilder, EngineError, START_KEY_LIMIT, StartOptions, Started, WeakEngine,
};
pub use error::{Decision, Failure, FailureKind, StepError};
pub use event::{CorrelationKey, EVENT_NAME_LIMIT, Event, NewEvent, StoredEvent, Target, UNROUTED_KEPT};
pub use flow::{Flow, FlowLimits, Rate};
pub use history::{HistoryError, Phase, Record, StepRef, TakenEvent, What, WhatRow};
pub use id::{DefinitionHash, Epoch, RunId, Seq, WorkerId};
pub use payload::{PAYLOAD_HARD_LIMIT, PAYLOAD_SOFT_LIMIT, Payload, PayloadError};
pub use pipeline::CommitsAtOnce;
pub use replay::{Previous, superseded};
pub use retry::{Backoff, RETRY_AFTER_CAP, Retry};
pub use run::{ChildOptions, Run, StepFuture, Wait};
#[cfg(feature = "tokio-runtime")]
pub use runtime::TokioRuntime;
pub use runtime::{Runtime, deterministic};
pub use schedule::{CATCH_UP, MIN_PERIOD, Overlap, SCHEDULE_NAME_LIMIT, Schedule, ScheduleSpec, Timing};
pub use step::{Matching, STEP_KEY_LIMIT, STEP_NAME_LIMIT, Step, StepAt, StepKey, StepKind};
pub use worker::{Worker, WorkerOptions};
pub use workflow::{DefinitionError, Overrides, Workflow};
