//! The suite of what the engine promises, over any store, on a virtual clock.
//!
//! A store's crate writes one line; each case becomes a test of its own:
//!
//! ```
//! # mod tests {
//! lumina_workflow::engine_suite!(lumina_workflow::conformance::engine::ClockedMemory::new);
//! # }
//! ```
//!
//! The argument makes a new and empty [`Backend`] whose clock is that of the given runtime.
//! Its store must work inline: a call is complete before the runtime polls anything else. A
//! process that dies is played by dropping all tasks; the store stays open.
//!
//! Where a case says "at every store call", the scenario is first played without a fault to
//! count its calls, and then once more for each call and each fault at it.

use std::sync::Arc;

use super::Backend;
use crate::deterministic::DeterministicRuntime;

pub mod attempts;
pub mod cancels;
pub mod company;
pub mod control;
pub mod effects;
pub mod events;
pub mod families;
pub mod flows;
pub mod gatherings;
pub mod groups;
pub mod halts;
pub mod handlers;
pub mod leases;
pub mod limits;
pub mod orders;
pub mod orphans;
pub mod outages;
pub mod parking;
pub mod registrations;
pub mod replays;
pub mod schedules;
pub mod shutdowns;
pub mod starts;
pub mod steps;
pub mod ticks;
pub mod times;

mod everywhere;
mod latch;
mod ledger;
mod list;
mod memory;
mod script;
mod wire;
mod world;

pub use memory::ClockedMemory;

/// A backend that workflow code can hold on to.
pub type SharedBackend = Arc<dyn Backend + Send + Sync>;

/// Makes a new and empty backend on a runtime's clock.
pub type Make<'a> = &'a dyn Fn(DeterministicRuntime) -> SharedBackend;
