//! The store through its public interface, on real files.

mod attachments;
mod clients;
mod conformance;
mod disk;
mod files;
mod migrations;
mod opened;
mod threads;
