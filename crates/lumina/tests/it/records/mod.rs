//! The application's tables: what is read from them for people, and what people change.

mod checkup;
mod decisions;
mod ledger;
mod replays;
mod rows;
