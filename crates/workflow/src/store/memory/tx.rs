//! What an attachment can do inside the transaction.

use jiff::Timestamp;

use super::state::State;
use crate::event::NewEvent;
use crate::id::RunId;
use crate::payload::Payload;
use crate::store::{Delivery, NewRun, Outcome};

/// The transaction that an attachment runs in. All of it happens, or none.
///
/// ```
/// use lumina_workflow::store::{Outcome, NewRun, memory};
/// use lumina_workflow::{NewEvent, Payload};
///
/// /// Starts a run and tells it something, in the transaction of the application's own write.
/// fn intake(new: NewRun) -> lumina_workflow::store::Attachment {
///     memory::attach(move |tx| {
///         if tx.start(&new) == Outcome::Started {
///             tx.emit(&NewEvent::new("hello", new.id, "hello", Payload::null()));
///             tx.make_due(new.id);
///             tx.put("last", Payload::encode(&new.id).expect("an id has a JSON form"));
///         }
///         Ok(tx.get("last").unwrap_or_else(Payload::null))
///     })
/// }
/// ```
pub struct Tx<'a> {
    state: &'a mut State,
    now: Timestamp,
}

impl<'a> Tx<'a> {
    pub(super) fn new(state: &'a mut State, now: Timestamp) -> Self {
        Self { state, now }
    }

    /// The application's row with this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Payload> {
        self.state.app.get(&key.to_owned()).cloned()
    }

    /// Writes an application's row.
    pub fn put(&mut self, key: impl Into<String>, row: Payload) {
        self.state.app.put(key.into(), row);
    }

    /// Starts a run, as [`Change::Start`](crate::store::Change::Start) does.
    pub fn start(&mut self, new: &NewRun) -> Outcome {
        match self.state.existing(new) {
            Some(existing) => existing,
            None => self.state.start(new, self.now),
        }
    }

    /// Stores an event, as [`Change::Emit`](crate::store::Change::Emit) does.
    pub fn emit(&mut self, event: &NewEvent) -> Delivery {
        match self.state.knows(event) {
            true => Delivery::Duplicate,
            false => self.state.emit(event, self.now),
        }
    }

    /// Makes a run ready that waits for a timer or for its delayed start. Nothing happens to
    /// one that is not known, ready, running, blocked or ended. Answers whether it did anything.
    pub fn make_due(&mut self, run: RunId) -> bool {
        self.state.make_due(run, self.now)
    }
}
