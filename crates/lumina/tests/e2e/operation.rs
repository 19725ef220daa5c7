//! Lumina in operation: intake, stops, and a provider that is not there.

mod control;
mod encryption;
mod intake;
mod moods;
mod provider;
mod schedules;
mod stopping;
