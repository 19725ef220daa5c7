//! The store through its public interface, on a real server.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod attachments;
mod conformance;
mod faults;
mod fleet;
mod interleavings;
mod migrations;
mod opened;
mod restarts;
mod texts;
