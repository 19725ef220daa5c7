//! One transaction on its way: its time, and whom to wake when it is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use lumina_workflow::store::{CLAIMED_EVENTS, Inbox, Member, MemberResult, Outcome, RunStatus};
use lumina_workflow::{CorrelationKey, RunId};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::change;
use crate::column::{self, flag, int, optional_int};
use crate::fault::Fault;
use crate::flow;
use crate::param::{Param, params};
use crate::payloads::Payloads;
use crate::pool::Lent;
use crate::read;
use crate::read::inbox::Wanted;
use crate::shared::Shared;

/// What a transaction has set in motion, told once it is durable.
#[derive(Debug)]
pub(crate) struct Wake {
    /// A run became ready.
    pub ready: bool,
    /// The earliest timer that was set.
    pub timer: i64,
    /// The earliest lease that was given.
    pub lease: i64,
    /// Runs under execution that something came in for.
    pub inbox: BTreeSet<RunId>,
    /// A schedule's row has changed, or a run of one has ended.
    pub schedule: bool,
}

impl Default for Wake {
    fn default() -> Self {
        Self {
            ready: false,
            timer: i64::MAX,
            lease: i64::MAX,
            inbox: BTreeSet::new(),
            schedule: false,
        }
    }
}

/// A transaction that has begun. Its methods take `&self`, because an attachment holds it too.
pub(crate) struct Group {
    pub db: Lent,
    /// The time of all of it, in microseconds.
    pub now: i64,
    pub shared: Arc<Shared>,
    wake: Mutex<Wake>,
    /// Keys that nobody else can register until this is over.
    reserved: Mutex<BTreeSet<CorrelationKey>>,
}

impl Group {
    pub(crate) fn new(db: Lent, shared: Arc<Shared>, now: i64) -> Self {
        Self {
            db,
            now,
            shared,
            wake: Mutex::default(),
            reserved: Mutex::default(),
        }
    }

    /// Whether nobody else can register this key until the transaction is over.
    pub(crate) fn is_reserved(&self, key: &CorrelationKey) -> bool {
        self.reserved
            .lock()
            .expect("nobody panics while holding it")
            .contains(key)
    }

    pub(crate) fn note_reserved(&self, keys: Vec<CorrelationKey>) {
        self.reserved
            .lock()
            .expect("nobody panics while holding it")
            .extend(keys);
    }

    /// Ends it: its connection, and whom to wake.
    pub(crate) fn into_parts(self) -> (Lent, Wake) {
        let wake = self.wake.into_inner().expect("nobody panics while holding it");
        (self.db, wake)
    }

    pub(crate) fn payloads(&self) -> &Payloads {
        &self.shared.payloads
    }

    fn wake(&self) -> MutexGuard<'_, Wake> {
        self.wake.lock().expect("nobody panics while holding it")
    }

    /// A place behind everything that became ready before. It is the time, comparable with the
    /// times of timers, made distinct for what becomes ready in one microsecond in this process.
    pub(crate) fn next_rank(&self) -> i64 {
        self.next_rank_behind(i64::MIN)
    }

    /// The same, and behind `last` as well.
    pub(crate) fn next_rank_behind(&self, last: i64) -> i64 {
        self.shared.next_rank(self.now, last)
    }

    pub(crate) fn note_ready(&self) {
        self.wake().ready = true;
    }

    pub(crate) fn note_timer(&self, at: i64) {
        let mut wake = self.wake();
        wake.timer = wake.timer.min(at);
    }

    pub(crate) fn note_lease(&self, until: i64) {
        let mut wake = self.wake();
        wake.lease = wake.lease.min(until);
    }

    pub(crate) fn note_schedule(&self) {
        self.wake().schedule = true;
    }

    pub(crate) fn note_inbox(&self, run: RunId) {
        self.wake().inbox.insert(run);
    }

    /// Runs a statement; answers how many rows it changed.
    pub(crate) async fn execute(&self, sql: &'static str, params: &[Param<'_>]) -> Result<u64, Fault> {
        self.db.execute(sql, params).await
    }

    /// Applies all of them, one after the other.
    pub(crate) async fn members(&self, batch: &[Member]) -> Result<Vec<MemberResult>, Fault> {
        let mut answers = Vec::with_capacity(batch.len());
        for member in batch {
            answers.push(change::apply(self, &member.change, member.attach.as_ref()).await?);
        }
        Ok(answers)
    }

    /// Answers runs' workers what came in for them in this transaction, instead of telling them afterwards.
    pub(crate) async fn bring_news(&self, members: &[Member], answers: &mut [MemberResult]) -> Result<(), Fault> {
        let told = self.wake().inbox.clone();
        let mut asking: BTreeMap<RunId, &mut Option<Box<Inbox>>> = BTreeMap::new();
        for (member, answer) in members.iter().zip(answers) {
            if let (Some(run), Ok(Outcome::Advanced { news, .. })) = (member.executing(), answer)
                && told.contains(&run)
            {
                asking.insert(run, news);
            }
        }
        if asking.is_empty() {
            return Ok(());
        }
        let wanted = asking.keys().map(|run| Wanted {
            run: *run,
            after: 0,
            limit: CLAIMED_EVENTS,
        });
        let wanted: Vec<Wanted> = wanted.collect();
        let found = read::inbox::read(&self.db, self.payloads(), &wanted).await?;
        for (Wanted { run, .. }, inbox) in wanted.into_iter().zip(found) {
            let inbox = inbox?;
            if let Some(news) = asking.remove(&run).filter(|_| inbox.events.len() < CLAIMED_EVENTS) {
                self.wake().inbox.remove(&run);
                *news = Some(Box::new(inbox));
            }
        }
        Ok(())
    }

    /// Looks at what decides how a run takes something in, and keeps everybody else from changing it.
    pub(crate) async fn receiver(&self, run: RunId) -> Result<Option<Receiver>, Fault> {
        const SQL: &str = "SELECT id, status, inbox, ready_rank, wake_at, buffered, held_in IS NOT NULL, \
             flow_key IS NOT NULL FROM lumina.workflow_run WHERE id = $1 FOR UPDATE";
        self.db
            .find(SQL, params![run])
            .await?
            .map(|row| receiver(&row))
            .transpose()
    }

    /// The live run that holds a key, and goes on holding it until this transaction is over: a run gives its keys
    /// away only in a transaction that has locked it.
    pub(crate) async fn holder(&self, key: &CorrelationKey) -> Result<Option<Receiver>, Fault> {
        loop {
            let Some(run) = self.who_holds(key).await? else {
                return Ok(None);
            };
            let found = self.receiver(run).await?;
            // It may have ended while it was waited for.
            if self.who_holds(key).await? == Some(run) {
                return Ok(found);
            }
        }
    }

    /// The run that holds a key at this moment.
    pub(crate) async fn who_holds(&self, key: &CorrelationKey) -> Result<Option<RunId>, Fault> {
        const SQL: &str = "SELECT run FROM lumina.workflow_key WHERE namespace = $1 AND key = $2";
        let found = self.db.find(SQL, params![&key.namespace, &key.key]).await?;
        found.map(|row| column::run_id(&row, 0)).transpose()
    }

    /// Keeps a key, which nobody holds, from being registered until this transaction is over. False when somebody has
    /// just registered it.
    ///
    /// A row that is inserted and deleted again is nothing to anybody but one who wants to insert the same: he waits
    /// for the end of this transaction.
    pub(crate) async fn reserve_key(&self, key: &CorrelationKey) -> Result<bool, Fault> {
        const PUT: &str =
            "INSERT INTO lumina.workflow_key (namespace, key, run) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        const TAKE: &str = "DELETE FROM lumina.workflow_key WHERE namespace = $1 AND key = $2 AND run = $3";
        if self.is_reserved(key) {
            return Ok(true);
        }
        let row = params![&key.namespace, &key.key, Uuid::nil()];
        if self.execute(PUT, row).await? == 0 {
            return Ok(false);
        }
        self.execute(TAKE, row).await?;
        Ok(true)
    }

    /// Keeps a run, which does not exist, from being started until this transaction is over; by the same means.
    pub(crate) async fn reserve_run(&self, run: RunId) -> Result<bool, Fault> {
        const PUT: &str = "INSERT INTO lumina.workflow_run (id, epoch, seq, inbox, priority, hash, known_since, answered, \
             any_hash, created_at, updated_at, status, phase, workflow, input) \
             VALUES ($1, 0, 0, 0, 0, 0, 0, 0, false, 0, 0, 'pending', 'main', '', '') ON CONFLICT DO NOTHING";
        const TAKE: &str = "DELETE FROM lumina.workflow_run WHERE id = $1";
        if self.execute(PUT, params![run]).await? == 0 {
            return Ok(false);
        }
        self.execute(TAKE, params![run]).await?;
        Ok(true)
    }

    /// Counts `count` events that came in for the run, and lets it go on because of them: a waiting one is
    /// ready, an executing one is told.
    pub(crate) async fn arrive(&self, to: &Receiver, count: i64) -> Result<(), Fault> {
        const BUMP: &str = "UPDATE lumina.workflow_run SET inbox = inbox + $2, buffered = buffered + $2, updated_at = $3 \
             WHERE id = $1";
        const WAKE: &str = "UPDATE lumina.workflow_run SET inbox = inbox + $2, buffered = buffered + $2, updated_at = $3, \
             ready_rank = $4, wake_at = NULL WHERE id = $1";
        if to.status == RunStatus::Waiting && to.rank.is_none() && !to.held {
            let rank = self.rank_of(to).await?;
            self.execute(WAKE, params![to.run, count, self.now, rank]).await?;
            return Ok(());
        }
        if to.status == RunStatus::Running {
            self.note_inbox(to.run);
        }
        self.execute(BUMP, params![to.run, count, self.now]).await?;
        Ok(())
    }

    /// The place of a run that becomes ready now. One that is ready keeps its own, and one whose timer was
    /// due already keeps that turn.
    pub(crate) async fn rank_of(&self, to: &Receiver) -> Result<i64, Fault> {
        self.note_ready();
        if let Some(rank) = to.rank {
            return Ok(rank);
        }
        if to.keyed {
            return flow::rank(self, to.run).await;
        }
        let rank = self.next_rank();
        Ok(to.wake_at.map_or(rank, |wake_at| wake_at.min(rank)))
    }
}

/// A run as far as it matters for what comes in for it.
#[derive(Debug, Clone)]
pub(crate) struct Receiver {
    pub run: RunId,
    pub status: RunStatus,
    pub inbox: i64,
    /// Its place among the ready ones.
    pub rank: Option<i64>,
    pub wake_at: Option<i64>,
    /// How many events its inbox holds.
    pub buffered: i64,
    /// A limit of its workflow holds it: it keeps its place.
    pub held: bool,
    /// It has a flow key.
    pub keyed: bool,
}

fn receiver(row: &Row) -> Result<Receiver, Fault> {
    Ok(Receiver {
        run: column::run_id(row, 0)?,
        status: column::status(row, 1)?,
        inbox: int(row, 2)?,
        rank: optional_int(row, 3)?,
        wake_at: optional_int(row, 4)?,
        buffered: int(row, 5)?,
        held: flag(row, 6)?,
        keyed: flag(row, 7)?,
    })
}
