//! Lumina from the outside: the real application over a real database file. Folders mirror `src`.

#![allow(clippy::unwrap_used, reason = "what a test cannot do without ends it")]

mod calls;
mod fuzz_targets;
mod http;
mod moving;
mod pipeline;
mod records;
mod support;
