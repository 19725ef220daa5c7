//! What can go wrong inside a call, and how the caller is told.

use std::error::Error as _;

use futures_util::future::join;
use lumina_workflow::HistoryError;
use lumina_workflow::store::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

/// Why a transaction cannot go on.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The server refused, or the connection to it broke.
    Sql(Error),
    /// There is no connection, or there is none any more.
    Lost(String),
    /// Others have changed what was looked at, and going on would be to wait for them in a circle.
    Overtaken,
    /// A row cannot be read, or a caller broke a rule.
    Broken(String),
}

const ONLY_READS: &str = "it only reads; name the server that writes";

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<HistoryError> for Fault {
    fn from(error: HistoryError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Fault {
    /// For a transaction that could not begin. A standby calls it something that it does not support.
    pub(crate) fn of_begin(self) -> Self {
        match self {
            Self::Sql(error) if error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) => {
                Self::Lost(format!("{ONLY_READS} ({})", tell(&error)))
            }
            other => other,
        }
    }

    /// Says where it was, when a row cannot be read.
    pub(crate) fn within(self, place: impl FnOnce() -> String) -> Self {
        match self {
            Self::Broken(problem) => Self::Broken(format!("{}: {problem}", place())),
            other => other,
        }
    }

    /// Another transaction was in the way. This one has changed nothing, and may be repeated at once.
    pub(crate) fn is_conflict(&self) -> bool {
        match self {
            Self::Overtaken => true,
            Self::Sql(error) => is_conflict(error),
            Self::Lost(_) | Self::Broken(_) => false,
        }
    }

    /// The connection is gone, or the server is going.
    pub(crate) fn is_lost(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Sql(error) => is_lost(error),
            Self::Overtaken | Self::Broken(_) => false,
        }
    }

    /// Whether the server says no more than that the transaction has failed already.
    fn is_aftermath(&self) -> bool {
        matches!(self, Self::Sql(error) if error.code() == Some(&SqlState::IN_FAILED_SQL_TRANSACTION))
    }

    /// For the caller, when nothing was applied.
    pub(crate) fn to_store(&self, database: &str) -> StoreError {
        match self {
            Self::Broken(problem) => StoreError::Broken(format!("{database}: {problem}")),
            Self::Lost(problem) => StoreError::Unavailable(format!("{database}: {problem}")),
            Self::Overtaken => StoreError::Unavailable(format!("{database}: others were faster again and again")),
            Self::Sql(error) => of_server(error, database),
        }
    }

    /// For the caller of a COMMIT that failed. Only when the server itself says that it gave the transaction up is it
    /// certain that nothing was applied.
    pub(crate) fn of_commit(&self, database: &str) -> StoreError {
        match self {
            Self::Overtaken => self.to_store(database),
            Self::Sql(error) if is_conflict(error) => of_server(error, database),
            Self::Sql(error) => StoreError::OutcomeUnknown(format!("{database}: the commit failed ({})", tell(error))),
            Self::Lost(problem) | Self::Broken(problem) => {
                StoreError::OutcomeUnknown(format!("{database}: the commit failed ({problem})"))
            }
        }
    }
}

/// Both, of which neither goes by the other: their statements are on their way together. The fault is the one that the
/// other may have come of.
pub(crate) async fn together<A, B>(
    one: impl Future<Output = Result<A, Fault>>,
    other: impl Future<Output = Result<B, Fault>>,
) -> Result<(A, B), Fault> {
    match join(one, other).await {
        (Ok(one), Ok(other)) => Ok((one, other)),
        (Err(fault), Err(first)) if fault.is_aftermath() => Err(first),
        (Err(fault), _) | (_, Err(fault)) => Err(fault),
    }
}

/// What the server says in its own words, or what became of the connection.
pub(crate) fn tell(error: &Error) -> String {
    match (error.as_db_error(), error.source()) {
        (Some(said), _) => format!("{} [{}]", said.message(), said.code().code()),
        (None, Some(source)) => format!("{error}: {source}"),
        (None, None) => error.to_string(),
    }
}

pub(crate) fn is_conflict(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED)
    )
}

/// Whether the server does not know a statement by its name, or knows another one by it.
pub(crate) fn is_of_names(error: &Error) -> bool {
    matches!(
        error.code(),
        Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT)
    )
}

/// Whether another connection, now or later, may have more luck.
pub(crate) fn is_lost(error: &Error) -> bool {
    match error.code() {
        Some(code) => kind(code) == Kind::Lost,
        None => error.is_closed() || is_of_the_line(error),
    }
}

pub(crate) fn is_of_the_line(error: &Error) -> bool {
    let mut source = error.source();
    while let Some(cause) = source {
        if cause.is::<std::io::Error>() {
            return true;
        }
        source = cause.source();
    }
    false
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The connection is worth nothing any more.
    Lost,
    /// The server cannot do it now.
    Busy,
    /// It never will.
    Wrong,
}

fn kind(code: &SqlState) -> Kind {
    match (&code.code()[..2], code.code()) {
        // Idle for too long inside a transaction; a server that only reads: a standby, after a failover; one that was not
        // told a statement's name, or another one, because a pooler is in between.
        ("08", _) | (_, "25P03" | "25006" | "26000" | "42P05" | "57P01" | "57P02" | "57P03" | "57P05") => Kind::Lost,
        ("40" | "53" | "58", _) | (_, "55P03" | "57014") => Kind::Busy,
        _ => Kind::Wrong,
    }
}

/// Whether the server or the way to it is the reason, and not the statement.
pub(crate) fn is_of_the_server(error: &Error) -> bool {
    is_lost(error) || error.code().is_some_and(|code| kind(code) != Kind::Wrong)
}

/// For the caller of something that was not applied.
pub(crate) fn of_server(error: &Error, database: &str) -> StoreError {
    let said = tell(error);
    if !is_of_the_server(error) {
        return StoreError::Broken(format!("{database}: {said}"));
    }
    let advice = match error.code().map(SqlState::code) {
        Some("53100") => "there is no room left on the server's disk; free some space, the work then goes on by itself",
        Some("53300") => "it takes no more connections; let it take more, or the pools have fewer",
        Some("25006") => ONLY_READS,
        Some("57P01" | "57P02" | "57P03") => "it is being stopped or started",
        Some(code) if code.starts_with("40") => "other transactions were in the way again and again",
        _ => "it does not answer",
    };
    StoreError::Unavailable(format!("{database}: {advice} ({said})"))
}
