//! The rules that keep the money safe, each in the case that it is for, on a virtual clock and beside a provider that
//! does what the case says.

mod again;
mod answers;
mod beside;
mod budgets;
mod commands;
mod doors;
mod late;
mod plans;
mod provider;
mod refusals;
mod town;
mod unknown;
mod walk;

pub use provider::{Fate, Provider};
pub use town::{MINUTE, Town};
