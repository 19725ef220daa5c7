//! The chaos test: `cargo xtask chaos [--seed N] [--minutes M] [--without GUARD]`.
//!
//! A real `lumina serve` on a fresh database, or a fleet of three processes on a PostgreSQL server of its own and a real `lumina sandbox` in all its moods; people come in by webhooks
//! and files; processes die by `kill -9`, at random moments and at chosen ones. At the end the faults stop, everything
//! has to come to rest, and a judge holds the database against the sandbox's ledger.
//!
//! It judges Lumina from outside: what is configured is in files, what is done goes through sockets and signals, what
//! is judged is in the database and in the ledger. Nothing here shares code with Lumina.
//!
//! [`scene`] says what a run is set to, [`run`] plays one, [`world`] is what is known of it then, and [`judge`] says
//! what is wrong.

pub mod arguments;
mod chaos;
mod clock;
mod configuration;
mod diary;
mod dice;
pub mod feed;
pub mod guard;
mod hosts;
mod http;
pub mod judge;
pub mod moods;
mod people;
mod place;
mod port;
mod process;
pub mod report;
pub mod run;
mod sandbox;
pub mod scene;
mod server;
mod stage;
pub mod world;

/// A number that is another one each time, for a run that nobody gave a seed.
#[must_use]
pub fn moment() -> u64 {
    u64::try_from(clock::now().as_millisecond()).unwrap_or_default()
}
