//! The judge: what must be true of every run, whatever happened in it.
//!
//! A check sees nothing but the [`World`], says what is wrong, and counts what somebody may want to know. Each is shown
//! to find what it is there for by a world that breaks it (`tests/worlds`).

mod budget;
mod callbacks;
mod charges;
mod exercise;
mod in_flight;
mod jobs;
mod leads;
mod repeats;
mod rest;
mod stored;
mod verdict;

pub use exercise::missing;
pub use verdict::{Invariant, Verdict, Violation};

use crate::world::World;

/// All checks.
const CHECKS: [fn(&World, &mut Verdict); 10] = [
    stored::check,
    jobs::check,
    leads::check,
    charges::check,
    repeats::check,
    callbacks::check,
    budget::check,
    in_flight::check,
    rest::check,
    exercise::check,
];

/// Judges a run.
#[must_use]
pub fn judge(world: &World) -> Verdict {
    let mut verdict = Verdict::default();
    CHECKS.iter().for_each(|check| check(world, &mut verdict));
    verdict
}
