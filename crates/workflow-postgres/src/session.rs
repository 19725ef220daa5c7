//! One connection, and what is done on it.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use futures_util::future::join;
use tokio::task::AbortHandle;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Config, Error, Row, Statement};

use crate::fault::{self, Fault};
use crate::hook::{At, Hook, Verdict};
use crate::line;
use crate::param::Param;

/// More different statements than this store has are an application's that builds them from data.
const STATEMENTS: usize = 300;

/// A statement is named when it has been used so often on a connection: what is used once or twice costs less without.
const NAMED_AFTER: u32 = 4;

/// A connection that is open.
pub(crate) struct Session {
    client: Client,
    /// What carries its bytes.
    line: AbortHandle,
    /// Statements that were used, which the server may know by name.
    statements: Mutex<BTreeMap<String, Known>>,
    /// Whether they are named: not when a pooler may hand each transaction to another server process.
    names: Arc<AtomicBool>,
    /// Whoever has it asks everything once.
    is_plain: AtomicBool,
    /// The server did not know a name.
    is_mistaken: AtomicBool,
    hook: Option<Hook>,
    broken: AtomicBool,
    /// A transaction has begun, and nobody has heard of its end.
    open: AtomicBool,
}

/// A statement that was used.
#[derive(Default)]
struct Known {
    uses: u32,
    named: Option<Statement>,
}

impl Session {
    /// Connects. To be called inside a tokio runtime.
    pub(crate) async fn connect(config: &Config, names: Arc<AtomicBool>, hook: Option<Hook>) -> Result<Self, Fault> {
        let (client, mut line) = line::open(config).await?;
        let line = tokio::spawn(async move {
            // What comes by itself is for nobody here; with an error it is over.
            while let Some(message) = line.next().await {
                if let Err(error) = message {
                    tracing::debug!(%error, "a connection to the database has ended");
                    break;
                }
            }
        });
        Ok(Self {
            client,
            line: line.abort_handle(),
            statements: Mutex::default(),
            names,
            is_plain: AtomicBool::new(false),
            is_mistaken: AtomicBool::new(false),
            hook,
            broken: AtomicBool::new(false),
            open: AtomicBool::new(false),
        })
    }

    /// Whether nothing more can be done on it.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire) || self.client.is_closed()
    }

    /// Nobody knows what state it is in, so nobody shall use it again.
    pub(crate) fn give_up(&self) {
        self.broken.store(true, Ordering::Release);
        self.line.abort();
    }

    /// Whether statements go without names, whatever else may be.
    pub(crate) fn set_plain(&self, is_plain: bool) {
        self.is_plain.store(is_plain, Ordering::Release);
    }

    /// The connection itself, for what the application does in a transaction.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// A statement's rows.
    pub(crate) async fn query(&self, sql: impl AsRef<str>, params: &[Param<'_>]) -> Result<Vec<Row>, Fault> {
        self.query_typed(sql.as_ref(), &typed(params)).await
    }

    /// The same for parameters of any kind.
    pub(crate) async fn query_typed(
        &self,
        sql: &str,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Fault> {
        self.pass(At::Statement(sql)).await?;
        let statement = self.statement(sql, params).await?;
        self.send(sql, statement, params).await
    }

    async fn send(
        &self,
        sql: &str,
        named: Option<Statement>,
        params: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>, Fault> {
        let rows = match named {
            Some(statement) => self.client.query(&statement, &untyped(params)).await,
            None => self.client.query_typed(sql, params).await,
        };
        rows.map_err(|error| self.note(error))
    }

    /// Two statements' rows. The second is on its way before the first is answered, and the server does them in this
    /// order.
    pub(crate) async fn query_both(
        &self,
        (first, params): (&str, &[Param<'_>]),
        (second, more): (&str, &[Param<'_>]),
    ) -> Result<(Vec<Row>, Vec<Row>), Fault> {
        if self.hook.is_some() {
            // A test may stand between them.
            return Ok((self.query(first, params).await?, self.query(second, more).await?));
        }
        let (params, more) = (typed(params), typed(more));
        // A name is asked for before either is sent: while it is waited for, the other would come first.
        let named = self.statement(first, &params).await?;
        let also = self.statement(second, &more).await?;
        let sent = join(self.send(first, named, &params), self.send(second, also, &more));
        let (rows, others) = sent.await;
        Ok((rows?, others?))
    }

    /// The one row that there is, if there is one.
    pub(crate) async fn find(&self, sql: &str, params: &[Param<'_>]) -> Result<Option<Row>, Fault> {
        Ok(self.query(sql, params).await?.into_iter().next())
    }

    /// The one row that there always is.
    pub(crate) async fn one(&self, sql: &str, params: &[Param<'_>]) -> Result<Row, Fault> {
        let row = self.find(sql, params).await?;
        row.ok_or_else(|| Fault::Broken(format!("no row came of `{sql}`")))
    }

    /// Runs a statement; answers how many rows it changed.
    pub(crate) async fn execute(&self, sql: &str, params: &[Param<'_>]) -> Result<u64, Fault> {
        self.execute_typed(sql, &typed(params)).await
    }

    /// The same for parameters of any kind.
    pub(crate) async fn execute_typed(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<u64, Fault> {
        self.pass(At::Statement(sql)).await?;
        let Some(statement) = self.statement(sql, params).await? else {
            return Ok(self.client.execute_typed(sql, params).await?);
        };
        let count = self.client.execute(&statement, &untyped(params)).await;
        count.map_err(|error| self.note(error))
    }

    /// Statements without parameters, as they are written.
    pub(crate) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        self.pass(At::Statement(sql)).await?;
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Begins a transaction.
    pub(crate) async fn begin(&self, how: &str) -> Result<(), Fault> {
        self.open.store(true, Ordering::Release);
        self.batch(how).await.map_err(Fault::of_begin)
    }

    /// Ends a transaction that has only asked.
    pub(crate) async fn end(&self) -> Result<(), Fault> {
        self.batch("COMMIT").await?;
        self.open.store(false, Ordering::Release);
        Ok(())
    }

    /// Ends the transaction for good. A test hears what it answers, even if nobody else does.
    pub(crate) async fn commit(&self, answer: &(dyn Any + Sync)) -> Result<(), Fault> {
        self.pass(At::BeforeCommit).await?;
        self.client.batch_execute("COMMIT").await?;
        self.open.store(false, Ordering::Release);
        self.tell(answer);
        self.pass(At::AfterCommit).await
    }

    fn tell(&self, answer: &dyn Any) {
        if let Some(hook) = &self.hook {
            hook.tell(answer);
        }
    }

    /// Whether somebody else can use it: nobody was interrupted in the middle of a transaction.
    pub(crate) fn is_clean(&self) -> bool {
        !self.is_broken() && !self.open.load(Ordering::Acquire)
    }

    /// Takes back a transaction that is not kept, and has its answer all the same.
    pub(crate) async fn refuse(&self, answer: &(dyn Any + Sync)) {
        self.roll_back().await;
        self.tell(answer);
    }

    /// Takes the transaction back. When even that fails, the connection is not used again.
    pub(crate) async fn roll_back(&self) {
        if self.is_broken() {
            return;
        }
        match self.client.batch_execute("ROLLBACK").await {
            Ok(()) => self.open.store(false, Ordering::Release),
            Err(_) => self.give_up(),
        }
    }

    async fn statement(&self, sql: &str, params: &[(&(dyn ToSql + Sync), Type)]) -> Result<Option<Statement>, Fault> {
        if !self.names.load(Ordering::Acquire) || self.is_plain.load(Ordering::Acquire) {
            return Ok(None);
        }
        {
            let mut statements = self.statements.lock().expect("nobody panics while holding it");
            if statements.len() >= STATEMENTS && !statements.contains_key(sql) {
                statements.clear();
            }
            match statements.get_mut(sql) {
                Some(known) if known.named.is_some() => return Ok(known.named.clone()),
                Some(known) => known.uses += 1,
                None => drop(statements.insert(sql.to_owned(), Known::default())),
            }
            if statements.get(sql).is_none_or(|known| known.uses < NAMED_AFTER) {
                return Ok(None);
            }
        }
        let types: Vec<Type> = params.iter().map(|(_, kind)| kind.clone()).collect();
        let made = self.client.prepare_typed(sql, &types).await;
        let made = made.map_err(|error| self.note(error))?;
        let mut statements = self.statements.lock().expect("nobody panics while holding it");
        statements.entry(sql.to_owned()).or_default().named = Some(made.clone());
        Ok(Some(made))
    }

    /// Whoever does not know a name, or knows it for something else, is another server process than the one that was
    /// told it: then nothing has a name from now on, on no connection.
    fn note(&self, error: Error) -> Fault {
        if fault::is_of_names(&error) {
            self.give_up();
            self.is_mistaken.store(true, Ordering::Release);
            if self.names.swap(false, Ordering::AcqRel) {
                tracing::warn!(
                    %error,
                    "there is a pooler in between that hands each transaction to another server process: statements go \
                     without names from now on; say how the server itself is reached, so that hints can be heard"
                );
            }
        }
        error.into()
    }

    /// What a fault on this connection comes of, if it is not what it seems.
    pub(crate) fn explain(&self, fault: Fault) -> Fault {
        match self.is_mistaken.load(Ordering::Acquire) {
            true => Fault::Lost("a pooler has no statements that have a name".to_owned()),
            false => fault,
        }
    }

    /// A test may wait here, or cut the line.
    async fn pass(&self, at: At<'_>) -> Result<(), Fault> {
        let Some(hook) = &self.hook else { return Ok(()) };
        match hook.pass(at).await {
            Verdict::Go => Ok(()),
            Verdict::Cut => {
                self.give_up();
                Err(Fault::Lost("the connection was cut by a test".to_owned()))
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that nobody was interrupted on says goodbye by itself.
        if !self.is_clean() {
            self.line.abort();
        }
    }
}

fn typed<'p>(params: &'p [Param<'p>]) -> Vec<(&'p (dyn ToSql + Sync), Type)> {
    params
        .iter()
        .map(|param| (param as &(dyn ToSql + Sync), param.kind()))
        .collect()
}

fn untyped<'p>(params: &[(&'p (dyn ToSql + Sync), Type)]) -> Vec<&'p (dyn ToSql + Sync)> {
    params.iter().map(|(param, _)| *param).collect()
}
