//! The domain's rules, through its public interface.

// A test that cannot go on says so by panicking, in its rows' builders too.
#![allow(clippy::unwrap_used)]

mod address;
mod class;
mod credits;
mod dedupe;
mod job;
mod person;
mod profile;
mod score;
mod seniority;
mod subscriber;
