//! The application's own writes inside an engine transaction.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lumina_workflow::store::{Attachment, Delivery, NewRun, Outcome, Refusal, RunStatus};
use lumina_workflow::{EVENT_NAME_LIMIT, NewEvent, Payload, RunId, StepError};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use crate::change;
use crate::column::{status, text, timestamp};
use crate::fault::{Fault, is_conflict, is_of_the_server, tell};
use crate::group::{Group, Receiver};
use crate::param::params;
use crate::transaction::IDLE_LIMIT;

type Writes = dyn for<'t> Fn(&'t Tx<'t>) -> BoxFuture<'t, Result<Payload, AttachError>> + Send + Sync;

struct Attached(Box<Writes>);

/// Makes an attachment: writes of the application that become durable together with a change
/// of a run, or not at all.
///
/// The code runs in the change's transaction, which other changes may share: when it answers an error, or panics, its
/// writes are taken back and the change is refused with [`Refusal::Attachment`]; the other changes are then done again
/// without it. The run is locked meanwhile, so it should take milliseconds, and it must neither begin nor end a
/// transaction, nor wait for anything but the database, nor call the store. It does not run when its change was applied
/// before or changes nothing (a known event, a run that exists, a command without effect). It may run more than once,
/// after a transaction was rolled back, so it should be a function of the database alone.
///
/// Its statements are planned as the engine's are: once for all parameters, and by indices where there are any.
///
/// The engine's tables and, after [`migrate`](crate::PostgresStore::migrate), the application's are in the schema
/// `lumina`; statements name it, because a pooled connection has no search path of its own.
///
/// ```
/// use lumina_workflow::Payload;
/// use lumina_workflow_postgres::attach;
/// use lumina_workflow_postgres::tokio_postgres::types::Type;
///
/// let paid = attach(|tx| Box::pin(async move {
///     let now = tx.now().as_microsecond();
///     tx.execute("UPDATE lumina.invoice SET paid_at = $1 WHERE id = 7", &[(&now, Type::INT8)]).await?;
///     Ok(Payload::null())
/// }));
/// # let _ = paid;
/// ```
pub fn attach<F>(writes: F) -> Attachment
where
    F: for<'t> Fn(&'t Tx<'t>) -> BoxFuture<'t, Result<Payload, AttachError>> + Send + Sync + 'static,
{
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
    /// A statement failed. What is the server's fault, or another transaction's, is repeated or fails the whole
    /// change; anything else (a constraint, a wrong statement) refuses the change for good.
    #[error("{}", tell(.0))]
    Sql(#[from] tokio_postgres::Error),
    /// There is no connection any more: the whole change fails.
    #[error("{0}")]
    Lost(String),
    /// A row of the engine cannot be read: the whole change fails.
    #[error("{0}")]
    Broken(String),
}

impl AttachError {
    /// Whether the whole transaction is done again, or fails, because of it. An attachment that catches errors, to go
    /// on from a savepoint, passes such a one on.
    #[must_use]
    pub fn is_of_the_transaction(&self) -> bool {
        match self {
            Self::Refused(_) => false,
            Self::Sql(error) => is_of_the_server(error) || is_conflict(error),
            Self::Lost(_) | Self::Broken(_) => true,
        }
    }

    /// What the change is refused with, or the transaction fails with.
    fn told(self) -> Result<Refusal, Fault> {
        match self {
            Self::Refused(error) => Ok(Refusal::Attachment(error)),
            Self::Sql(error) if is_of_the_server(&error) || is_conflict(&error) => Err(Fault::Sql(error)),
            Self::Sql(error) => {
                let said = tell(&error);
                let refused = StepError::fail(format!("a statement of an attachment: {said}"));
                Ok(Refusal::Attachment(refused))
            }
            Self::Lost(problem) => Err(Fault::Lost(problem)),
            Self::Broken(problem) => Err(Fault::Broken(problem)),
        }
    }
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
            Fault::Lost(problem) => Self::Lost(problem),
            Fault::Overtaken => Self::Lost("others were faster".to_owned()),
            Fault::Broken(problem) => Self::Broken(problem),
        }
    }
}

/// The transaction that an attachment writes in.
///
/// ```
/// use lumina_workflow::store::{Attachment, NewRun, Outcome};
/// use lumina_workflow::{NewEvent, Payload, StepError};
/// use lumina_workflow_postgres::tokio_postgres::types::Type;
/// use lumina_workflow_postgres::{AttachError, attach};
///
/// /// An order comes in: its row, its run and what the run is to know, all of it or nothing.
/// fn intake(number: i64, new: NewRun) -> Attachment {
///     const INSERT: &str = "INSERT INTO lumina.invoice (number) VALUES ($1) ON CONFLICT DO NOTHING";
///     attach(move |tx| {
///         let new = new.clone();
///         Box::pin(async move {
///             if tx.execute(INSERT, &[(&number, Type::INT8)]).await? == 0 {
///                 return Err(AttachError::Refused(StepError::fail("there is an order of this number")));
///             }
///             if tx.start(&new).await? == Outcome::Started {
///                 tx.emit(&NewEvent::new("hello", new.id, "hello", Payload::null())).await?;
///                 tx.make_due(new.id).await?;
///             }
///             assert!(tx.run_status(new.id).await?.is_some());
///             Ok(Payload::from_stored(tx.now().as_second().to_string()))
///         })
///     })
/// }
/// # let _ = intake;
/// ```
pub struct Tx<'g> {
    group: &'g Group,
}

impl Tx<'_> {
    /// The connection, inside the transaction. What is prepared on it by name is gone in the next transaction where a
    /// pooler stands between: [`query`](Self::query) and [`execute`](Self::execute) work everywhere.
    #[must_use]
    pub fn client(&self) -> &Client {
        self.group.db.client()
    }

    /// A statement's rows. Each parameter comes with its type.
    ///
    /// # Errors
    /// What the server says.
    pub async fn query(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Vec<Row>, AttachError> {
        Ok(self.group.db.query_typed(sql, params).await?)
    }

    /// Runs a statement; answers how many rows it changed.
    ///
    /// # Errors
    /// What the server says.
    pub async fn execute(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<u64, AttachError> {
        Ok(self.group.db.execute_typed(sql, params).await?)
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
    pub async fn start(&self, new: &NewRun) -> Result<Outcome, AttachError> {
        new.input.admit("a run's input")?;
        Ok(change::start(self.group, new).await?)
    }

    /// Stores an event and delivers it, as [`Change::Emit`](lumina_workflow::store::Change::Emit)
    /// does.
    ///
    /// # Errors
    /// When its id, name or key is empty or longer than [`EVENT_NAME_LIMIT`], its payload is above the limit, nobody
    /// has consumed so many others for the same target that it takes no more, or a statement fails.
    pub async fn emit(&self, event: &NewEvent) -> Result<Delivery, AttachError> {
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
        let delivery = change::emit(self.group, event).await?;
        Ok(delivery.map_err(StepError::fail)?)
    }

    /// What a run is doing, as of this transaction; `None` when there is no such run.
    ///
    /// # Errors
    /// When the statement fails.
    pub async fn run_status(&self, run: RunId) -> Result<Option<RunStatus>, AttachError> {
        const SQL: &str = "SELECT status FROM lumina.workflow_run WHERE id = $1";
        let row = self.group.db.find(SQL, params![run]).await?;
        Ok(row.map(|row| status(&row, 0)).transpose()?)
    }

    /// Makes a run ready before its time: one that waits for a timer, or for its delayed start.
    /// Nothing happens to one that is unknown, ready, executing, blocked or ended. Answers
    /// whether it did anything.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn make_due(&self, run: RunId) -> Result<bool, AttachError> {
        const SQL: &str =
            "UPDATE lumina.workflow_run SET ready_rank = $2, wake_at = NULL, updated_at = $3 WHERE id = $1";
        let early = |to: &Receiver| matches!(to.status, RunStatus::Pending | RunStatus::Waiting);
        let found = self.group.receiver(run).await?;
        let Some(to) = found.filter(|to| early(to) && to.rank.is_none() && !to.held) else {
            return Ok(false);
        };
        let rank = self.group.rank_of(&to).await?;
        self.group.execute(SQL, params![run, rank, self.group.now]).await?;
        self.group.note_ready();
        Ok(true)
    }
}

/// Runs the attachment, if there is one. A refusal is for its member alone; a fault is for the transaction.
pub(crate) async fn run(
    group: &Group,
    attachment: Option<&Attachment>,
) -> Result<Result<Option<Payload>, Refusal>, Fault> {
    let Some(attachment) = attachment else {
        return Ok(Ok(None));
    };
    let attached = attachment.open::<Attached>().expect("the group was checked");
    let tx = Tx { group };
    let answer = AssertUnwindSafe(async { (attached.0)(&tx).await }).catch_unwind().await;
    let refuse = |error: StepError| Ok(Err(Refusal::Attachment(error)));
    match answer {
        Ok(Ok(payload)) => {
            match stay_inside(group).await {
                Err(Fault::Sql(error)) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION) => {
                    return refuse(StepError::fail("a statement of an attachment failed, and it went on"));
                }
                answer => answer?,
            }
            match payload.admit("an attachment's result") {
                Ok(()) => Ok(Ok(Some(payload))),
                Err(error) => refuse(error),
            }
        }
        Ok(Err(error)) => error.told().map(Err),
        Err(_) => refuse(StepError::fail("the code of an attachment panicked")),
    }
}

/// A setting that ends with the transaction tells whether it is still the same.
async fn stay_inside(group: &Group) -> Result<(), Fault> {
    const SQL: &str = "SELECT current_setting('idle_in_transaction_session_timeout')";
    let found = group.db.one(SQL, &[]).await?;
    if text(&found, 0)? == IDLE_LIMIT {
        return Ok(());
    }
    group.db.give_up();
    Err(Fault::Broken(
        "an attachment ended the transaction that it was part of".to_owned(),
    ))
}
