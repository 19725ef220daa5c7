//! The application's own writes inside an engine transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use lumina_workflow::store::{Attachment, Delivery, NewRun, Outcome, Refusal, RunStatus};
use lumina_workflow::{EVENT_NAME_LIMIT, NewEvent, Payload, RunId, StepError};
use rusqlite::{Connection, OptionalExtension, params};

use crate::change;
use crate::column::timestamp;
use crate::fault::{Fault, is_of_the_disk};
use crate::group::{Group, Receiver};

type Writes = dyn Fn(&Tx<'_>) -> Result<Payload, AttachError> + Send + Sync;

struct Attached(Box<Writes>);

/// Makes an attachment: writes of the application that become durable together with a change
/// of a run, or not at all.
///
/// The code runs on the writer's connection, inside its transaction: when it answers an error,
/// or panics, its writes are taken back, the change is refused with [`Refusal::Attachment`], and
/// the rest of the group goes on. It holds up every other write meanwhile, so it should take
/// milliseconds, and it must neither begin nor end a transaction, nor change the schema, nor call
/// the store. It does not run when its change was applied before or changes nothing (a known
/// event, a run that exists, a command without effect). It may run more than once, after a
/// transaction was rolled back, so it should be a function of the database alone. An error that comes
/// after writes makes the whole group begin anew; one that comes before them costs nothing.
///
/// ```
/// use lumina_workflow::Payload;
/// use lumina_workflow_sqlite::attach;
///
/// let paid = attach(|tx| {
///     tx.connection().execute("UPDATE invoice SET paid_at = ?1 WHERE id = 7", [tx.now().as_microsecond()])?;
///     Ok(Payload::null())
/// });
/// ```
pub fn attach(writes: impl Fn(&Tx<'_>) -> Result<Payload, AttachError> + Send + Sync + 'static) -> Attachment {
    Attachment::new(Attached(Box::new(writes)))
}

/// Whether this crate made it.
pub(crate) fn is_ours(attachment: &Attachment) -> bool {
    attachment.open::<Attached>().is_some()
}

/// Why an attachment did not succeed. Converts from both, so that `?` serves.
///
/// An example is at [`Tx`].
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    /// The application says no: the change is refused, and this is the reason.
    #[error("{0}")]
    Refused(StepError),
    /// A statement failed. A full or failing disk and a locked or damaged file fail the whole
    /// group; anything else (a constraint, a wrong statement) refuses the change for good.
    #[error("{0}")]
    Sql(#[from] rusqlite::Error),
    /// A row of the engine cannot be read: the whole group fails.
    #[error("{0}")]
    Broken(String),
}

impl From<StepError> for AttachError {
    fn from(error: StepError) -> Self {
        Self::Refused(error)
    }
}

impl From<Fault> for AttachError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Sql(error) => Self::Sql(error),
            Fault::Broken(problem) => Self::Broken(problem),
        }
    }
}

/// The transaction that an attachment writes in.
///
/// ```
/// use lumina_workflow::store::{Attachment, NewRun, Outcome};
/// use lumina_workflow::{NewEvent, Payload, StepError};
/// use lumina_workflow_sqlite::{AttachError, attach};
///
/// /// An order comes in: its row, its run and what the run is to know, all of it or nothing.
/// fn intake(number: i64, new: NewRun) -> Attachment {
///     attach(move |tx| {
///         let rows = tx.connection().execute("INSERT OR IGNORE INTO invoice (number) VALUES (?1)", [number])?;
///         if rows == 0 {
///             return Err(AttachError::Refused(StepError::fail("there is an order of this number")));
///         }
///         if tx.start(&new)? == Outcome::Started {
///             tx.emit(&NewEvent::new("hello", new.id, "hello", Payload::null()))?;
///             tx.make_due(new.id)?;
///         }
///         assert!(tx.run_status(new.id)?.is_some());
///         Ok(Payload::from_stored(tx.now().as_second().to_string()))
///     })
/// }
/// ```
pub struct Tx<'g> {
    group: &'g Group<'g>,
}

impl Tx<'_> {
    /// The writer's connection, inside the transaction.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.group.conn
    }

    /// The store's time of this transaction.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        timestamp(self.group.now).expect("the time came from a Timestamp")
    }

    /// Starts a run, as [`Change::Start`](lumina_workflow::store::Change::Start) does.
    ///
    /// # Errors
    /// When its input is above the limit, or a statement fails.
    pub fn start(&self, new: &NewRun) -> Result<Outcome, AttachError> {
        new.input.admit("a run's input")?;
        Ok(change::start(self.group, new)?)
    }

    /// Stores an event and delivers it, as [`Change::Emit`](lumina_workflow::store::Change::Emit)
    /// does.
    ///
    /// # Errors
    /// When its id, name or key is empty or longer than [`EVENT_NAME_LIMIT`], its payload is above the limit, nobody
    /// has consumed so many others for the same target that it takes no more, or a statement fails.
    pub fn emit(&self, event: &NewEvent) -> Result<Delivery, AttachError> {
        let parts = [
            ("id", event.id.as_str()),
            ("name", &event.name),
            ("key", event.key.as_deref().unwrap_or("-")),
        ];
        if let Some((part, text)) = parts
            .iter()
            .find(|(_, text)| text.is_empty() || text.len() > EVENT_NAME_LIMIT)
        {
            let size = text.len();
            let problem = format!("an event's {part} must have 1 to {EVENT_NAME_LIMIT} bytes, this has {size}");
            return Err(StepError::fail(problem).into());
        }
        event.payload.admit("an event's payload")?;
        let delivery = change::emit(self.group, event)?;
        Ok(delivery.map_err(StepError::fail)?)
    }

    /// What a run is doing, as of this transaction; `None` when there is no such run.
    ///
    /// # Errors
    /// When the statement fails.
    pub fn run_status(&self, run: RunId) -> Result<Option<RunStatus>, AttachError> {
        let mut find = self
            .group
            .conn
            .prepare_cached("SELECT status FROM workflow_run WHERE id = ?")?;
        let word: Option<String> = find.query_row([run.0], |row| row.get(0)).optional()?;
        let known = |word: String| {
            RunStatus::parse(&word)
                .ok_or_else(|| AttachError::Broken(format!("run {run} has the unknown status {word}")))
        };
        word.map(known).transpose()
    }

    /// Makes a run ready before its time: one that waits for a timer, or for its delayed start.
    /// Nothing happens to one that is unknown, ready, executing, blocked or ended. Answers
    /// whether it did anything.
    ///
    /// # Errors
    /// When a statement fails.
    pub fn make_due(&self, run: RunId) -> Result<bool, AttachError> {
        const SQL: &str = "UPDATE workflow_run SET ready_rank = ?2, wake_at = NULL, updated_at = ?3 WHERE id = ?1";
        let early = |to: &Receiver| matches!(to.status, RunStatus::Pending | RunStatus::Waiting);
        let found = self.group.receiver(run)?;
        let Some(to) = found.filter(|to| early(to) && to.rank.is_none() && !to.held) else {
            return Ok(false);
        };
        let rank = self.group.rank_of(&to)?;
        self.group.execute(SQL, params![run.0, rank, self.group.now])?;
        self.group.note_ready();
        Ok(true)
    }
}

/// Runs the attachment, if there is one. A refusal is for its member alone; a fault is for the group.
pub(crate) fn run(
    group: &Group<'_>,
    attachment: Option<&Attachment>,
) -> Result<Result<Option<Payload>, Refusal>, Fault> {
    let Some(attachment) = attachment else {
        return Ok(Ok(None));
    };
    let attached = attachment.open::<Attached>().expect("the group was checked");
    let answer = catch_unwind(AssertUnwindSafe(|| (attached.0)(&Tx { group })));
    if group.conn.is_autocommit() {
        if let Ok(Err(AttachError::Sql(error))) = answer {
            return Err(Fault::Sql(error));
        }
        return Err(Fault::Broken(
            "an attachment ended the transaction that it was part of".to_owned(),
        ));
    }
    let refuse = |error: StepError| Ok(Err(Refusal::Attachment(error)));
    match answer {
        Ok(Ok(payload)) => match payload.admit("an attachment's result") {
            Ok(()) => Ok(Ok(Some(payload))),
            Err(error) => refuse(error),
        },
        Ok(Err(AttachError::Refused(error))) => refuse(error),
        Ok(Err(AttachError::Sql(error))) if is_of_the_disk(&error) => Err(Fault::Sql(error)),
        Ok(Err(AttachError::Sql(error))) => refuse(StepError::fail(format!("a statement of an attachment: {error}"))),
        Ok(Err(AttachError::Broken(problem))) => Err(Fault::Broken(problem)),
        Err(_) => refuse(StepError::fail("the code of an attachment panicked")),
    }
}
