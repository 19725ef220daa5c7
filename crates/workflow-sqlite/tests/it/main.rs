//! The store through its public interface, on real files.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod attachments;
mod clients;
mod conformance;
mod disk;
mod encryption;
mod files;
mod kit;
mod looking;
mod migrations;
mod opened;
mod threads;
mod views;
