//! The whole pipeline on a virtual clock: the real engine, records, HTTP and client, and the
//! sandbox with the provider's own limits.

mod housekeeping;
mod retention;
mod scale;
mod world;
