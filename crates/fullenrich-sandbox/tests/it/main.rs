//! The sandbox from outside: through its router on a virtual clock, and once through real sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod callbacks;
mod conservation;
mod credits;
mod facts;
mod golden;
mod lookups;
mod moods;
mod refusals;
mod restart;
mod scale;
mod sockets;
mod wire;
mod world;
