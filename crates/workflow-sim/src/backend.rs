//! The stores that simulated processes share.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use lumina_workflow::store::{Attachment, Claimed, MemberResult, Store};

mod memory;
mod postgres;
mod sqlite;

pub use memory::MemoryBackend;
pub use postgres::PostgresBackend;
pub use sqlite::SqliteBackend;

/// A store that outlives the processes.
///
/// It must work inline: a call is complete when its future is first polled.
pub trait Backend: Send + Sync + 'static {
    /// The store, as it is open now.
    fn store(&self) -> Arc<dyn Store>;

    /// Whether the store lives in the processes, so that a crash kills all of them and
    /// [`reopen`](Self::reopen) follows.
    fn dies_with_processes(&self) -> bool {
        false
    }

    /// Forgets all that is not durable, and opens the store again.
    fn reopen(&self) {}

    /// What the call that was made last has done, when it answered that nobody knows. A store whose own connections
    /// break can tell afterwards: whoever watches must know what was applied, and not only what was answered.
    fn lost(&self) -> Option<Lost> {
        None
    }
}

/// What was done of a call whose answer was lost.
#[derive(Debug, Clone, Default)]
pub struct Lost {
    /// Of a group's first members that were applied, what came of each.
    pub results: Vec<MemberResult>,
    /// The runs that a claim gave away.
    pub claimed: Vec<Claimed>,
}

/// A backend with cells for the application: numbers that are counted inside transactions.
pub trait Cells: Backend {
    /// An attachment that adds one to a cell and answers the new number.
    fn count(&self, cell: &str) -> Attachment;

    /// An attachment that adds one to a cell and then says no for good.
    fn refuse(&self, cell: &str) -> Attachment;

    /// The number in a cell.
    fn read(&self, cell: &str) -> u64;
}

/// An inline call is complete when it is first polled.
fn inline<T>(call: impl Future<Output = T>) -> T {
    let call = std::pin::pin!(call);
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => unreachable!("a call of an inline store does not wait"),
    }
}
