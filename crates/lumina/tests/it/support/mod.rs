//! What tests of the composed application stand on: the real one, over a database file of its own, with a provider
//! that answers as it is told and a clock that stands still.

mod calls;
mod deliveries;
mod provider;
mod runtime;
mod test_app;
mod until;

pub use calls::{Answer, Call, get, post};
pub use deliveries::{ANY_SECRET, add_any_source};
pub use provider::{API_KEY, Batch, CannedProvider, person};
pub use runtime::{NOW, TestRuntime};
pub use test_app::{Form, PREVIOUS_SECRET, SUBSCRIBE_SECRET, TOKEN, TestApp};
pub use until::until;
