//! The ledger on disk: who asked for what, who was charged how often, what was called back.

mod file;
mod record;

pub(crate) use file::Ledger;
pub use record::BatchStatus;
pub(crate) use record::{BatchRecord, FORMAT, ItemRecord, Record};
