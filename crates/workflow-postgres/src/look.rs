//! Looking at a database and its server, beside whoever works with it. Nothing is changed.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use lumina_workflow::store::StoreError;

use crate::column::{from_int, int, number, optional_int, string, time};
use crate::fault::Fault;
use crate::migrate::{self, MigrateError, Script};
use crate::options::{OpenError, Options};
use crate::param::params;
use crate::session::Session;
use crate::store::PostgresStore;

/// What the connection that hears of other processes adds to the name that a process goes by at the server. There is
/// one for each process.
pub(crate) const HEARS: &str = " hints";

/// What the server says of itself.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use lumina_workflow_postgres::{Options, PostgresStore};
///
/// let seen = PostgresStore::look(Options::new("postgres://lumina@localhost/lumina")?).await?;
/// let server = seen.server().await?;
/// assert!(server.connections <= server.most_connections);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Server {
    /// Such as `17.2`.
    pub version: String,
    /// Its clock.
    pub now: Timestamp,
    /// How many connections it has, to all its databases.
    pub connections: u64,
    /// How many it may have.
    pub most_connections: u64,
    /// The transaction in this database that was begun first, of those that are open.
    pub longest: Option<OpenTransaction>,
    /// How many processes work with this database, by the name that they go by.
    pub processes: BTreeMap<String, u64>,
}

/// A transaction that is open.
///
/// An example is at [`Server`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenTransaction {
    /// The server's number of its connection.
    pub pid: i64,
    /// Whose it is, as its program calls itself.
    pub of: String,
    /// How long it has been open.
    pub since: Duration,
}

impl PostgresStore {
    /// Connects, and neither changes anything nor listens.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn look(options: Options) -> Result<Self, OpenError> {
        let (inner, _) = Self::connected(options).await?;
        Ok(Self::of(inner))
    }

    /// What the database is called in messages: without a user's name and password.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.core().shared.name
    }

    /// The last script of this owner that was applied; the engine's own is `workflow`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn last_script(&self, owner: &str) -> Result<Option<String>, StoreError> {
        const SQL: &str = "SELECT name FROM lumina.workflow_migration WHERE owner = $1 ORDER BY place DESC LIMIT 1";
        let owner = owner.to_owned();
        self.ask(move |db| {
            let owner = owner.clone();
            async move {
                let row = db.find(SQL, params![owner.as_str()]).await?;
                row.map(|row| string(&row, 0)).transpose()
            }
            .boxed()
        })
        .await
    }

    /// Which scripts the database lacks, the engine's own and these of this owner, as `owner/name`.
    /// [`open`](Self::open) applies the engine's, [`migrate`](Self::migrate) an owner's.
    ///
    /// # Errors
    /// When its schema is some other program's, a newer program has been there, or it cannot be read.
    pub async fn missing_scripts(&self, owner: &str, scripts: &[Script]) -> Result<Vec<String>, MigrateError> {
        let (owner, scripts) = (owner.to_owned(), scripts.to_vec());
        let (core, name) = (self.core().clone(), self.core().shared.name.clone());
        let looked = self.run(async move {
            let taken = core.pool.take_plain().await;
            let name = &core.shared.name;
            let db = taken.map_err(|fault| MigrateError::failed(name, "connecting", fault))?;
            migrate::missing(&db, name, &owner, &scripts).await
        });
        looked.await.unwrap_or(Err(MigrateError::Closed { database: name }))
    }

    /// How many events nobody has claimed, by their name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unrouted(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        self.ask(|db| named(db, "SELECT name, count(*) FROM lumina.workflow_unrouted GROUP BY name").boxed())
            .await
    }

    /// How many runs are blocked: the code that executes them does not fit what they have done.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn blocked(&self) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT count(*) FROM lumina.workflow_run WHERE blocked IS NOT NULL";
        self.ask(|db| async move { number(&db.one(SQL, &[]).await?, 0) }.boxed())
            .await
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn server(&self) -> Result<Server, StoreError> {
        self.ask(|db| server(db).boxed()).await
    }
}

async fn server(db: &Session) -> Result<Server, Fault> {
    const SQL: &str = "SELECT current_setting('server_version'), \
         (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, \
         (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
         current_setting('max_connections')::bigint";
    const PROCESSES: &str = "SELECT left(application_name, -length($1)), count(*) FROM pg_stat_activity \
         WHERE datname = current_database() AND right(application_name, length($1)) = $1 GROUP BY 1";
    let row = db.one(SQL, &[]).await?;
    let processes = db.query(PROCESSES, params![HEARS]).await?;
    let processes = processes.iter().map(|row| Ok((string(row, 0)?, number(row, 1)?)));
    let version = string(&row, 0)?;
    Ok(Server {
        // What follows says who has built it.
        version: version.split(' ').next().unwrap_or_default().to_owned(),
        now: time(&row, 1)?,
        connections: number(&row, 2)?,
        most_connections: number(&row, 3)?,
        longest: longest(db).await?,
        processes: processes.collect::<Result<_, Fault>>()?,
    })
}

async fn longest(db: &Session) -> Result<Option<OpenTransaction>, Fault> {
    const SQL: &str = "SELECT pid::bigint, application_name, \
         (extract(epoch FROM clock_timestamp() - xact_start) * 1000000)::bigint FROM pg_stat_activity \
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL \
         ORDER BY xact_start LIMIT 1";
    let Some(row) = db.find(SQL, &[]).await? else {
        return Ok(None);
    };
    let since = from_int(optional_int(&row, 2)?.unwrap_or(0));
    Ok(Some(OpenTransaction {
        pid: int(&row, 0)?,
        of: string(&row, 1)?,
        since: Duration::from_micros(since),
    }))
}

async fn named(db: &Session, sql: &'static str) -> Result<BTreeMap<String, u64>, Fault> {
    let rows = db.query(sql, &[]).await?;
    rows.iter().map(|row| Ok((string(row, 0)?, number(row, 1)?))).collect()
}
