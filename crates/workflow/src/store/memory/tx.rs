//! What an attachment can do inside the transaction.

use jiff::Timestamp;

use super::state::State;
use crate::error::StepError;
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
///         if tx.start(&new)? == Outcome::Started {
///             tx.emit(&NewEvent::new("hello", new.id, "hello", Payload::null()))?;
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
    ///
    /// # Errors
    /// When its input is above the limit.
    pub fn start(&mut self, new: &NewRun) -> Result<Outcome, StepError> {
        new.input.admit("a run's input")?;
        Ok(match self.state.existing(new) {
            Some(existing) => existing,
            None => self.state.start(new, self.now),
        })
    }

    /// Stores an event, as [`Change::Emit`](crate::store::Change::Emit) does.
    ///
    /// # Errors
    /// When its payload is above the limit, or nobody has consumed so many others for the same target that it takes
    /// no more.
    pub fn emit(&mut self, event: &NewEvent) -> Result<Delivery, StepError> {
        event.payload.admit("an event's payload")?;
        if self.state.knows(event) {
            return Ok(Delivery::Duplicate);
        }
        self.state.check_room(&event.target).map_err(StepError::fail)?;
        Ok(self.state.emit(event, self.now))
    }

    /// Makes a run ready that waits for a timer or for its delayed start. Nothing happens to
    /// one that is not known, ready, running, blocked or ended. Answers whether it did anything.
    pub fn make_due(&mut self, run: RunId) -> bool {
        self.state.make_due(run, self.now)
    }
}
