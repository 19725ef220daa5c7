//! The whole pipeline on a virtual clock: the real engine, records, HTTP and client, and the
//! sandbox with the provider's own limits.

mod faults;
mod housekeeping;
mod money;
mod process;
mod retention;
mod scale;
mod simulated;
mod world;
