//! The application's tables: what is read from them for people, and what people change.

mod alike;
mod checkup;
mod decisions;
mod ledger;
mod made;
mod replays;
mod rows;
mod signs;
mod standing;
mod together;
