//! The suite that every [`Store`] must pass.
//!
//! A store's crate implements [`Backend`] once and writes one line; each case becomes a test
//! of its own, with a fresh backend, and a failure names the promise that does not hold:
//!
//! ```
//! # mod tests {
//! lumina_workflow::conformance_suite!(lumina_workflow::conformance::MemoryBackend::new());
//! # }
//! ```
//!
//! The cases are plain functions that block on the store: it may answer inline or from
//! threads of its own. Where the contract in [`store`](crate::store) leaves a choice, the
//! case's documentation says which reading it takes. What no case looks at is free: the
//! order of runs that became ready at the same microsecond, the values of inbox sequences
//! beyond their order, additional hints.

use std::sync::Arc;
use std::time::Duration;

use crate::error::StepError;
use crate::event::NewEvent;
use crate::id::RunId;
use crate::payload::Payload;
use crate::store::{Attachment, NewRun, Store};

pub mod advances;
pub mod attachments;
pub mod blocks;
pub mod claims;
pub mod commands;
pub mod endings;
pub mod engine;
pub mod events;
pub mod flows;
pub mod groups;
pub mod hints;
pub mod holds;
pub mod keys;
pub mod leases;
pub mod passed;
pub mod pauses;
pub mod posts;
pub mod purges;
pub mod queries;
pub mod races;
pub mod repeats;
pub mod schedules;
pub mod starts;
pub mod walks;

mod block_on;
mod list;
mod memory;
mod samples;
mod snapshot;
mod stage;
mod walk;

pub use block_on::block_on;
pub use list::play;
pub use memory::MemoryBackend;
pub use stage::Stage;

/// A store under test, new and empty, with a clock that stands still.
pub trait Backend {
    /// The store; the same one each time.
    fn store(&self) -> Arc<dyn Store>;

    /// Lets this much time pass on the store's clock. Whole microseconds.
    fn advance_clock(&self, by: Duration);

    /// An attachment that does these things in order, and whose result is that of the last:
    /// see [`Act`]. They may be executed more than once.
    fn attach(&self, acts: Vec<Act>) -> Attachment;

    /// The committed value of a cell of the application.
    fn get(&self, cell: &str) -> Option<Payload>;
}

/// Something that an attachment does. The application has cells with a name and a value.
#[derive(Debug, Clone)]
pub enum Act {
    /// Writes a value into a cell. The result is the value.
    Put(&'static str, Payload),
    /// Adds one to the number in a cell, from 0 when there is none. The result is the new number.
    Count(&'static str),
    /// Starts a run in the same transaction. The result is `null`.
    Start(NewRun),
    /// Stores an event in the same transaction. The result is `null`.
    Emit(NewEvent),
    /// Makes a run that waits for a time ready at once, in the same transaction. The result is `null`.
    MakeDue(RunId),
    /// Ends with this error.
    Fail(StepError),
}
