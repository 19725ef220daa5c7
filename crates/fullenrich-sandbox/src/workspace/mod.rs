//! The provider's books: batches, look-ups, charges, calls. No time, no disk and no network in here.

mod batch;
mod books;
mod calls;
mod queue;
mod report;

pub(crate) use batch::{Batch, Contact};
pub(crate) use books::Books;
pub(crate) use calls::{CallCounts, Endpoint};
pub(crate) use queue::LookupQueue;
pub use report::{AddressLine, BatchLine, CallTotals, CallbackTotals, LedgerReport, LedgerTotals};
