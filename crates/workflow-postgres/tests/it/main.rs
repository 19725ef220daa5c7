//! The store through its public interface, on a real server.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod attachments;
mod circles;
mod conformance;
mod cuts;
mod faults;
mod fleet;
mod gate;
mod interleavings;
mod migrations;
mod opened;
mod plans;
mod poison;
mod pooler;
mod purges;
mod restarts;
mod scissors;
mod texts;
mod tls;
