//! Lumina, composed: the library behind the one binary.

pub mod app;
pub mod calls;
pub mod commands;
pub mod config;
pub mod database;
pub mod encryption;
pub mod guards;
pub mod http;
pub mod importing;
pub mod ingest;
pub mod moving;
pub mod presence;
pub mod records;
pub mod token;
pub mod workflows;
