//! Lumina as its users meet it: the built program as real processes, with real files, sockets and signals, and
//! `lumina sandbox` in the provider's place. Some of the processes are killed.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod answers;
mod bad_input;
mod buying;
mod credits;
mod deciding;
mod demo;
mod doctor;
mod documents;
mod fleet;
mod migrate;
mod milestone;
mod moving;
mod operation;
mod pauses;
mod polling;
mod requirements;
mod restart;
mod support;
