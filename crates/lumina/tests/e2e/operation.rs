//! Lumina in operation: intake, stops, and a provider that is not there.

mod encryption;
mod intake;
mod provider;
mod stopping;
