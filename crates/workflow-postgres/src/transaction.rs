//! Transactions: begun, repeated where that is safe, and told of when they are durable.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join, join4};
use lumina_workflow::store::{Hint, StoreError};
use tokio::time::{sleep, timeout};

use crate::fault::Fault;
use crate::group::{Group, Wake};
use crate::param::params;
use crate::pool::{Lane, Pool};
use crate::post::Post;
use crate::session::Session;
use crate::shared::Shared;

/// A transaction that its process leaves alone for so long is ended by the server, so that a process that was stopped
/// in the middle of one does not keep its runs, and what else it has locked, from others for long. Less than any lease.
/// In the server's words.
pub(crate) const IDLE_LIMIT: &str = "3s";

const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";

/// What goes for a transaction alone: the connection may be somebody else's in the next one.
///
/// A plan is made once for a statement that has a name, whatever its parameters are, and it goes by indices, whatever
/// the server believes of the tables: a plan that reads all of a table which was empty when it was made would be kept
/// while the table grows.
macro_rules! settings {
    () => {
        "set_config('idle_in_transaction_session_timeout', '3s', true), \
         set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true), \
         set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), \
         set_config('jit', 'off', true)"
    };
}

/// How long a transaction waits for others' locks. Whoever has another way is not in theirs: attachments of several
/// changes lock in an order that nobody knows, and two that wait for each other would both stand still until the
/// server notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waits {
    AsLongAsItTakes,
    AMoment,
}

impl Waits {
    /// In the server's words.
    fn lock_timeout(self) -> &'static str {
        match self {
            Self::AsLongAsItTakes => "0",
            Self::AMoment => "50ms",
        }
    }
}

/// A call that takes longer has no connection any more, whatever it looks like.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often a transaction is repeated that others were in the way of. Each time one of them has got through.
const CONFLICTS: u32 = 20;

/// How often one is repeated that had lost its connection: a server that was restarted leaves dead ones behind.
const LOSSES: u32 = 3;

/// What all calls work on.
pub(crate) struct Core {
    pub shared: Arc<Shared>,
    pub pool: Pool,
    /// What other processes are to hear; none where nobody else is thought of.
    pub post: Option<Post>,
}

enum Failure {
    /// Nothing was applied.
    Before(Fault),
    /// Nobody knows.
    InCommit(Fault),
}

impl Core {
    /// A durable transaction: all of it, or nothing. The body says whether it is kept, and may be called again.
    pub(crate) async fn transact<T, F>(&self, lane: Lane, body: F) -> Result<T, StoreError>
    where
        T: Send + Sync + 'static,
        F: for<'g> Fn(&'g Group) -> BoxFuture<'g, Result<(T, bool), Fault>> + Send + Sync,
    {
        let (mut conflicts, mut losses) = (0, 0);
        loop {
            let fault = match self.attempt(lane, Waits::AsLongAsItTakes, &body).await {
                Ok((answer, _)) => return Ok(answer),
                Err(Failure::InCommit(fault)) if !fault.is_conflict() => return Err(fault.of_commit(&self.shared.name)),
                Err(Failure::InCommit(fault) | Failure::Before(fault)) => fault,
            };
            if fault.is_conflict() && conflicts < CONFLICTS {
                conflicts += 1;
                sleep(Duration::from_millis(u64::from(conflicts.min(10)))).await;
            } else if fault.is_lost() && losses < LOSSES && !self.pool.is_closed() {
                losses += 1;
                sleep(Duration::from_millis(20 * u64::from(losses))).await;
            } else {
                return Err(fault.to_store(&self.shared.name));
            }
            tracing::debug!(?fault, "a transaction is repeated");
        }
    }

    /// The same, for a body that has another way: nothing when others were in its way, when it does not want what it
    /// has done to be kept, or when it could not be done at all; then nothing was applied.
    pub(crate) async fn try_once<T, F>(&self, lane: Lane, body: F) -> Result<Option<T>, StoreError>
    where
        T: Send + Sync + 'static,
        F: for<'g> Fn(&'g Group) -> BoxFuture<'g, Result<(T, bool), Fault>> + Send + Sync,
    {
        match self.attempt(lane, Waits::AMoment, &body).await {
            Ok((answer, kept)) => Ok(kept.then_some(answer)),
            Err(Failure::InCommit(fault)) if !fault.is_conflict() => Err(fault.of_commit(&self.shared.name)),
            Err(Failure::InCommit(fault) | Failure::Before(fault)) => {
                tracing::debug!(?fault, "a transaction is done in parts");
                Ok(None)
            }
        }
    }

    /// What came of it, and whether it was kept.
    async fn attempt<T, F>(&self, lane: Lane, waits: Waits, body: &F) -> Result<(T, bool), Failure>
    where
        T: Send + Sync + 'static,
        F: for<'g> Fn(&'g Group) -> BoxFuture<'g, Result<(T, bool), Fault>> + Send + Sync,
    {
        let working = async {
            let group = self.begin(lane, waits).await?;
            match body(&group).await {
                Ok((answer, keep)) => Ok((group, answer, keep)),
                Err(fault) => {
                    let fault = group.db.explain(fault);
                    if fault.is_lost() {
                        // A server that only reads, or is going down, is not asked again.
                        group.db.give_up();
                    }
                    group.db.roll_back().await;
                    Err(fault)
                }
            }
        };
        let worked = timeout(PATIENCE, working).await.unwrap_or_else(|_| Err(hung()));
        let (group, answer, keep) = worked.map_err(Failure::Before)?;
        if !keep {
            group.db.refuse(&answer).await;
            return Ok((answer, false));
        }
        let committed = timeout(PATIENCE, group.db.commit(&answer))
            .await
            .unwrap_or_else(|_| Err(hung()));
        let (db, wake) = group.into_parts();
        if let Err(fault) = committed {
            db.give_up();
            return Err(Failure::InCommit(fault));
        }
        drop(db);
        self.tell(wake);
        Ok((answer, true))
    }

    /// A transaction with its time. Dropped in the middle, it takes its connection along.
    async fn begin(&self, lane: Lane, waits: Waits) -> Result<Group, Fault> {
        let db = self.pool.take(lane).await?;
        // The second statement is on its way before the first is answered.
        let (begun, now) = join(db.begin(BEGIN), now(&db, &self.shared, waits)).await;
        begun?;
        Ok(Group::new(db, self.shared.clone(), now?))
    }

    /// One statement, or a few that need not be of one moment. It changes nothing, so it is repeated.
    pub(crate) async fn ask<T, F>(&self, body: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'g> Fn(&'g Session) -> BoxFuture<'g, Result<T, Fault>> + Send + Sync,
    {
        let mut losses = 0u32;
        loop {
            let asking = async {
                let db = self.pool.take(Lane::Queue).await?;
                body(&db).await.map_err(|fault| db.explain(fault))
            };
            let fault = match timeout(PATIENCE, asking).await.unwrap_or_else(|_| Err(hung())) {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            if !(fault.is_lost() || fault.is_conflict()) || losses == LOSSES || self.pool.is_closed() {
                return Err(fault.to_store(&self.shared.name));
            }
            losses += 1;
            sleep(Duration::from_millis(20 * u64::from(losses))).await;
        }
    }

    /// Tells whoever can go on because of a transaction, in this process and in others.
    fn tell(&self, wake: Wake) {
        let hints = &self.shared.hints;
        let earlier = self.shared.is_news(wake.timer, wake.lease);
        if wake.schedule {
            hints.send(Hint::Schedule);
        }
        if wake.ready || earlier {
            hints.send(Hint::Ready);
        }
        for run in &wake.inbox {
            hints.send(Hint::Inbox(*run));
        }
        if let Some(post) = &self.post {
            post.add(wake);
        }
    }
}

/// Questions that are planned as all statements of a transaction are. They are on their way together with its beginning
/// and its end.
pub(crate) async fn planned<T>(db: &Session, questions: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY";
    const SETTINGS: &str = concat!("SELECT ", settings!());
    let (begun, settled, answer, ended) = join4(db.begin(BEGIN), db.query(SETTINGS, &[]), questions, db.end()).await;
    begun?;
    settled?;
    ended?;
    answer
}

fn hung() -> Fault {
    Fault::Lost(format!("it has not answered for {} s", PATIENCE.as_secs()))
}

/// The time that a transaction has, in microseconds, with its settings. A test's clock is told to the server, for this
/// transaction.
async fn now(db: &Session, shared: &Shared, waits: Waits) -> Result<i64, Fault> {
    const OURS: &str = concat!(
        "SELECT lumina.now_micros(), set_config('lock_timeout', $1, true), ",
        settings!()
    );
    const GIVEN: &str = concat!(
        "SELECT set_config('lumina.now', $2, true), set_config('lock_timeout', $1, true), ",
        settings!()
    );
    let wait = waits.lock_timeout();
    match &shared.clock {
        None => crate::column::int(&db.one(OURS, params![wait]).await?, 0),
        Some(clock) => {
            let now = clock.now().as_microsecond();
            db.one(GIVEN, params![wait, now.to_string().as_str()]).await?;
            Ok(now)
        }
    }
}
