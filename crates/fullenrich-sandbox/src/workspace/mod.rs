//! The provider's books: batches, look-ups, charges, calls. No time, no disk and no network in here.

mod batch;
mod books;
mod calls;
mod history;
mod queue;
mod report;
mod told;

pub(crate) use batch::{Batch, Contact};
pub(crate) use books::Books;
pub(crate) use calls::{CallCounts, Endpoint};
pub(crate) use queue::LookupQueue;
pub use report::{AddressLine, CallTotals, CallbackTotals, LedgerReport, LedgerTotals, MinuteLine};
pub use told::{BatchLine, DeliveryLine, JobLine, ToldLine};
