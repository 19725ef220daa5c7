//! What is wrong gets one sentence that says what to do, the right status or exit code, and loses nothing.

mod configuration;
mod databases;
mod deliveries;
mod files;
mod servers;
