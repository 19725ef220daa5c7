//! The ledger on disk: who asked for what, who was charged how often, what was called back.

mod file;
mod record;
mod told;

pub(crate) use file::Ledger;
pub use record::BatchStatus;
pub(crate) use record::{BatchRecord, FORMAT, ItemRecord, Record};
pub use told::{Digest, PostAnswer, Sent};
