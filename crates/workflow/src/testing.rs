//! A kit for testing workflows: one engine in one thread, a clock that skips, steps that a test
//! answers for, and crashes at will.
//!
//! ```
//! use lumina_workflow::testing::{CrashPoint, TestEngine};
//! use lumina_workflow::{Failure, Retry, Run, Step, StepError, Workflow};
//!
//! const RESERVE: Step = Step::action("reserve").retry(Retry::exponential(3));
//! const CHARGE: Step = Step::action("charge").outside_effect();
//! const PAID: Step = Step::wait("wait-for-payment", "paid").timeout("24h");
//!
//! struct Order;
//!
//! impl Workflow for Order {
//!     const NAME: &'static str = "order";
//!     const STEPS: &'static [Step] = &[RESERVE, CHARGE, PAID];
//!     type Input = String;
//!     type Output = u32;
//!
//!     async fn run(&self, run: &Run, _item: String) -> Result<u32, Failure> {
//!         let price: u32 = run.step(RESERVE, |_| async { Ok(4) }).await?;
//!         run.step(CHARGE, move |_| async move { Err::<(), _>(StepError::fail("no bank in a test")) }).await?;
//!         run.wait::<u32>(PAID).await.map(|paid| paid - price)
//!     }
//! }
//!
//! // A memory store and a virtual clock. Nothing happens until the test lets it.
//! let kit = TestEngine::new().register(Order);
//! let run = kit.start::<Order>(&"book".to_owned());
//!
//! // What steps do: answers by declaration, failures before them, and a crash.
//! kit.stub(CHARGE, |_attempt| Ok(()));
//! kit.fail(RESERVE, 2, StepError::retry("busy"));
//! kit.crash_at(CrashPoint::AfterRecord, CHARGE);
//!
//! // Time skips: to the wait, and 23 hours on.
//! kit.run_until_wait(run, PAID);
//! kit.advance("23h");
//! kit.emit(run, "paid", &5);
//! assert_eq!(kit.end::<Order>(run).unwrap(), 1);
//!
//! // What happened.
//! assert_eq!((kit.attempts(RESERVE), kit.attempts(CHARGE)), (3, 1));
//! kit.history(run).assert_includes(["reserve: done 3", "charge: started 1", "charge: done 1"]);
//! ```
//!
//! A failing assertion prints the whole history, with times, results and errors.
//!
//! # How it behaves
//!
//! - There is one process with one worker. [`start`](TestEngine::start), [`emit`](TestEngine::emit)
//!   and the like act on the store from outside, as a client does; runs go on only in
//!   [`settle`](TestEngine::settle), [`advance`](TestEngine::advance),
//!   [`run_until_wait`](TestEngine::run_until_wait), [`end`](TestEngine::end) and
//!   [`block_on`](TestEngine::block_on).
//! - Time passes only when nothing else can happen, from timer to timer. The same test gives the
//!   same history each time; [`seeded`](TestEngine::seeded) changes the jitter of retries.
//! - A step that is not stubbed runs its code. Code may use only the kit's
//!   [`runtime`](TestEngine::runtime) for time: a future that something outside must wake is never woken.
//! - A crash drops all that the process has in memory. What the store has committed remains,
//!   and the next process has the same workflows, or those that were [deployed](TestEngine::deploy).
//! - Whatever a test gets wrong panics, with words.
//!
//! What it is built on, an [`Interceptor`], can be had alone, for example to inject faults into a
//! whole application.

mod asking;
mod crashes;
mod history;
mod kit;
mod passing;
mod plan;
mod stubs;

pub use crate::intercept::{AttemptPoint, Interceptor, Intervention, RecordPoint};
pub use crashes::CrashPoint;
pub use history::History;
pub use kit::TestEngine;
