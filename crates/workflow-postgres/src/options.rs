//! How a store is opened, and why that can fail.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use lumina_workflow::StoreClock;
use lumina_workflow::codec::Codec;
use tokio_postgres::Config;
use tokio_postgres::config::Host;
use tokio_postgres::error::SqlState;

use crate::fault::{Fault, is_of_the_line, tell};
use crate::hook::Hook;
use crate::inline::Kept;
use crate::migrate::MigrateError;

/// How many connections a process has for its work. A group uses one, attachments one each: more of them than the
/// server has processors do not make it faster.
const CONNECTIONS: usize = 8;

/// The first version of the server that this works with: the oldest that is still mended.
pub(crate) const OLDEST_SERVER: i64 = 14;

/// What was sent and not acknowledged for so long was lost: the other side is gone without a word.
const ACKNOWLEDGED: Duration = Duration::from_secs(15);

/// How a store is opened.
///
/// ```
/// use lumina_workflow_postgres::{Mode, Options, Statements};
///
/// let direct = Options::new("postgres://lumina@db.example/lumina")?;
///
/// // Through a pooler that hands each transaction to another server process; hints go past it.
/// let pooled = Options::new("postgres://lumina@pooler.example:6432/lumina")?
///     .statements(Statements::Unnamed)
///     .listen("postgres://lumina@db.example/lumina")?;
/// assert_eq!((direct.mode, pooled.mode), (Mode::Tasks, Mode::Tasks));
/// # Ok::<(), lumina_workflow_postgres::OpenError>(())
/// ```
#[derive(Clone)]
pub struct Options {
    /// The server and the database.
    pub config: Config,
    /// Where hints come from, when that is another way to the same database.
    pub listen: Option<Config>,
    /// What the store calls now, in tests. Otherwise the database's own clock is asked, which all processes share.
    pub clock: Option<StoreClock>,
    /// Where it works.
    pub mode: Mode,
    /// How many connections it may have, one for renewals and one for hints aside.
    pub connections: usize,
    /// How statements are sent.
    pub statements: Statements,
    /// How payloads are encoded in the database; without one they are stored as they are.
    pub codec: Option<Arc<dyn Codec>>,
    /// A test's hand in every connection.
    pub hook: Option<Hook>,
    pub(crate) kept: Option<Arc<Kept>>,
}

impl Options {
    /// A database by its address: `postgres://user@host/name`, or `host=... dbname=...`.
    ///
    /// # Errors
    /// When it is no address.
    pub fn new(address: &str) -> Result<Self, OpenError> {
        Ok(Self {
            config: read(address)?,
            listen: None,
            clock: None,
            mode: Mode::Tasks,
            connections: CONNECTIONS,
            statements: Statements::Named,
            codec: None,
            hook: None,
            kept: None,
        })
    }

    /// With hints by another way: LISTEN needs a connection of its own, which a pooler by transaction cannot give.
    ///
    /// # Errors
    /// When it is no address.
    pub fn listen(mut self, address: &str) -> Result<Self, OpenError> {
        self.listen = Some(read(address)?);
        Ok(self)
    }

    /// With a test's clock.
    #[must_use]
    pub fn clock(mut self, clock: StoreClock) -> Self {
        self.clock = Some(clock);
        self
    }

    /// In another mode.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// With another number of connections.
    #[must_use]
    pub fn connections(mut self, connections: usize) -> Self {
        self.connections = connections;
        self
    }

    /// With statements sent in another way.
    #[must_use]
    pub fn statements(mut self, statements: Statements) -> Self {
        self.statements = statements;
        self
    }

    /// With a codec for payloads. All processes that work on one database need codecs that read each other's values.
    #[must_use]
    pub fn codec(mut self, codec: Arc<dyn Codec>) -> Self {
        self.codec = Some(codec);
        self
    }

    /// With a test's hand in every connection.
    #[must_use]
    pub fn hook(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// What stores before it have left, if it can use that.
    pub(crate) fn kept(&self) -> Option<Arc<Kept>> {
        let same = self.mode == Mode::Inline && self.statements == Statements::Named && self.hook.is_none();
        self.kept.clone().filter(|_| same)
    }

    /// What the database is called in messages: without a user's name and password.
    #[must_use]
    pub fn name(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5_432);
        let database = self
            .config
            .get_dbname()
            .or(self.config.get_user())
            .unwrap_or("postgres");
        format!("{database} at {host}:{port}")
    }
}

fn read(address: &str) -> Result<Config, OpenError> {
    let mut config: Config = address.parse().map_err(OpenError::Address)?;
    if config.get_application_name().is_none() {
        config.application_name("lumina");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(10));
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(ACKNOWLEDGED);
    }
    Ok(config)
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("database", &self.name())
            .field("clock", &self.clock)
            .field("mode", &self.mode)
            .field("connections", &self.connections)
            .field("statements", &self.statements)
            // What it is stays its own business: it holds keys.
            .field("codec", &self.codec.is_some())
            .finish_non_exhaustive()
    }
}

/// Where a store works.
///
/// An example is at [`Options`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On the tokio runtime that it is opened in. Hears what other processes do.
    Tasks,
    /// In a runtime of its own, on the caller's thread: a call is complete when its future is first polled. For the
    /// deterministic executor; not to be called from tokio's tasks. Does not hear what other processes do.
    Inline,
}

/// How statements are sent.
///
/// An example is at [`Options`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statements {
    /// Prepared once a connection, under a name. For a server, or a pooler that knows names.
    Named,
    /// With every execution anew, without a name. For poolers that hand each transaction to another server process.
    Unnamed,
}

/// A database that was not opened.
///
/// An example is at [`Options`].
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The address is none.
    #[error("this is no address of a PostgreSQL database ({}); it looks like postgres://user@host:5432/name", tell(.0))]
    Address(tokio_postgres::Error),
    /// It cannot be worked with: nobody answers there, or it lets nobody in.
    #[error("the database {database} cannot be used ({problem}); {advice}")]
    Unreachable {
        /// The database.
        database: String,
        /// What went wrong.
        problem: String,
        /// What to do.
        advice: &'static str,
    },
    /// The server is too old.
    #[error(
        "the server of {database} is PostgreSQL {version}, and this works with {OLDEST_SERVER} and later; use a newer one"
    )]
    Old {
        /// The database.
        database: String,
        /// Its server's.
        version: i64,
    },
    /// Its tables are not what this program works with.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// It was to work in tasks, and there is no tokio runtime here.
    #[error("the store of {0} was opened outside of a tokio runtime")]
    NoRuntime(String),
    /// A runtime of its own could not be made.
    #[error("no runtime could be made for the database ({0})")]
    Runtime(std::io::Error),
}

impl OpenError {
    /// What the server says, and what somebody can do about it.
    pub(crate) fn unreachable(database: String, fault: &Fault) -> Self {
        let (advice, problem) = match fault {
            Fault::Sql(error) => (advise(error), tell(error)),
            Fault::Lost(problem) | Fault::Broken(problem) => (LOOK, problem.clone()),
            Fault::Overtaken => (LOOK, "others were faster".to_owned()),
        };
        Self::Unreachable {
            database,
            problem,
            advice,
        }
    }
}

const LOOK: &str = "look at its address and at the server";

fn advise(error: &tokio_postgres::Error) -> &'static str {
    match error.code().map(SqlState::code) {
        Some("28P01" | "28000") => "correct the user and the password in its address",
        Some("3D000") => "make it (`createdb`), or correct its name in the address",
        Some("53300") => "let the server take more connections (max_connections), or stop something that has some",
        Some("57P01" | "57P02" | "57P03") => "the server is being started or stopped: try again in a moment",
        None if is_of_the_line(error) => "start the server, or correct host and port in its address",
        _ => LOOK,
    }
}
