//! One transaction on its way: its time, and whom to wake when it is durable.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use lumina_workflow::store::{
    Attachment, CLAIMED_EVENTS, Change, InboxQuery, Member, MemberResult, Outcome, RunStatus,
};
use lumina_workflow::{CorrelationKey, DefinitionHash, RunId};
use rusqlite::{Connection, params};

use crate::change;
use crate::column;
use crate::fault::Fault;
use crate::flow::{self, News};
use crate::payloads::Payloads;
use crate::read;

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
    /// Workflows of which a run was blocked, and under which hash.
    pub blocked: Vec<(String, DefinitionHash)>,
    /// What the next claim has to know about flow control.
    pub flow: News,
    /// The first place that a run became ready at.
    pub overtaken: i64,
}

impl Default for Wake {
    fn default() -> Self {
        Self {
            ready: false,
            timer: i64::MAX,
            lease: i64::MAX,
            inbox: BTreeSet::new(),
            schedule: false,
            blocked: Vec::new(),
            flow: News::default(),
            overtaken: i64::MAX,
        }
    }
}

/// How the writes of an attachment are taken back whose change is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TakeBack {
    /// With all of the transaction. Costs nothing until it happens.
    All,
    /// Each under a savepoint, which keeps a copy of every page that it changes.
    Each,
}

/// A transaction that has begun. Its methods take `&self`, because an attachment holds it too.
pub(crate) struct Group<'c> {
    pub conn: &'c Connection,
    /// The time of all of it, in microseconds.
    pub now: i64,
    pub payloads: &'c Payloads,
    rank: Cell<i64>,
    last_event: Cell<Option<i64>>,
    wake: RefCell<Wake>,
}

impl<'c> Group<'c> {
    pub(crate) fn new(conn: &'c Connection, payloads: &'c Payloads, now: i64, rank: i64) -> Self {
        Self {
            conn,
            now,
            payloads,
            rank: Cell::new(rank),
            last_event: Cell::default(),
            wake: RefCell::default(),
        }
    }

    /// Ends it: the last rank given out, and whom to wake.
    pub(crate) fn into_parts(self) -> (i64, Wake) {
        (self.rank.get(), self.wake.into_inner())
    }

    /// A place behind everything that became ready before. It is the time, comparable with the
    /// times of timers, made distinct for what becomes ready in one microsecond.
    pub(crate) fn next_rank(&self) -> i64 {
        self.next_rank_behind(i64::MIN)
    }

    /// The same, and behind `last` as well.
    pub(crate) fn next_rank_behind(&self, last: i64) -> i64 {
        let behind = self.rank.get().max(last).saturating_add(1);
        let rank = self.now.max(behind);
        self.rank.set(rank);
        self.note_rank(rank);
        rank
    }

    /// The number of the next event: above all that were stored before. Read once per
    /// transaction, and written back by [`finish`](Self::finish).
    pub(crate) fn next_event(&self) -> Result<i64, Fault> {
        const SQL: &str = "SELECT last FROM workflow_event_seq";
        let last = match self.last_event.get() {
            Some(last) => last,
            None => self.conn.prepare_cached(SQL)?.query_row([], |row| row.get(0))?,
        };
        self.last_event.set(Some(last + 1));
        Ok(last + 1)
    }

    /// Writes what was counted on the way.
    pub(crate) fn finish(&self) -> Result<(), Fault> {
        if let Some(last) = self.last_event.get() {
            self.execute("UPDATE workflow_event_seq SET last = ?1", [last])?;
        }
        Ok(())
    }

    pub(crate) fn note_ready(&self) {
        self.wake.borrow_mut().ready = true;
    }

    pub(crate) fn note_timer(&self, at: i64) {
        let mut wake = self.wake.borrow_mut();
        wake.timer = wake.timer.min(at);
    }

    pub(crate) fn note_lease(&self, until: i64) {
        let mut wake = self.wake.borrow_mut();
        wake.lease = wake.lease.min(until);
    }

    pub(crate) fn note_schedule(&self) {
        self.wake.borrow_mut().schedule = true;
    }

    /// A timer of a run with a flow key.
    pub(crate) fn note_keyed_timer(&self, at: i64) {
        self.note_timer(at);
        let news = &mut self.wake.borrow_mut().flow;
        news.keyed_timer = news.keyed_timer.min(at);
    }

    /// A run becomes ready at this place.
    pub(crate) fn note_rank(&self, rank: i64) {
        let mut wake = self.wake.borrow_mut();
        wake.overtaken = wake.overtaken.min(rank);
    }

    /// The first place that a run became ready at.
    pub(crate) fn overtaken(&self) -> i64 {
        self.wake.borrow().overtaken
    }

    /// A workflow was paused or resumed.
    pub(crate) fn note_flow(&self) {
        self.wake.borrow_mut().flow.all = true;
    }

    pub(crate) fn note_inbox(&self, run: RunId) {
        self.wake.borrow_mut().inbox.insert(run);
    }

    pub(crate) fn note_blocked(&self, workflow: String, hash: DefinitionHash) {
        self.wake.borrow_mut().blocked.push((workflow, hash));
    }

    /// Runs a statement out of the cache; answers how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, params: impl rusqlite::Params) -> Result<usize, Fault> {
        Ok(self.conn.prepare_cached(sql)?.execute(params)?)
    }

    /// Applies all of them, one after the other. Nothing when a refused one has left writes behind that cannot be
    /// taken back alone: then all of it has to be rolled back, and done again with [`TakeBack::Each`].
    pub(crate) fn members(&self, batch: &[Member], how: TakeBack) -> Result<Option<Vec<MemberResult>>, Fault> {
        let mut answers = Vec::with_capacity(batch.len());
        for member in batch {
            match self.member(member, how)? {
                Some(answer) => answers.push(answer),
                None => return Ok(None),
            }
        }
        for (member, answer) in batch.iter().zip(&mut answers) {
            self.bring_news(member, answer)?;
        }
        Ok(Some(answers))
    }

    /// Answers a run's worker what came in for it in this transaction, instead of telling it afterwards.
    pub(crate) fn bring_news(&self, member: &Member, answer: &mut MemberResult) -> Result<(), Fault> {
        let (Some(run), Ok(Outcome::Advanced { news, .. })) = (member.executing(), answer) else {
            return Ok(());
        };
        if !self.wake.borrow().inbox.contains(&run) {
            return Ok(());
        }
        let query = InboxQuery {
            run: Some(run),
            after: 0,
            limit: CLAIMED_EVENTS,
        };
        let now = read::inbox::read(self.conn, self.payloads, &query)?;
        if now.events.len() < CLAIMED_EVENTS {
            self.wake.borrow_mut().inbox.remove(&run);
            *news = Some(Box::new(now));
        }
        Ok(())
    }

    /// Applies a member; nothing when it is refused and its attachment's writes are still there.
    fn member(&self, member: &Member, how: TakeBack) -> Result<Option<MemberResult>, Fault> {
        let Some(attach) = &member.attach else {
            return change::apply(self, &member.change, None).map(Some);
        };
        let rank = self.rank.get();
        let answer = match how {
            TakeBack::Each => Some(self.under_savepoint(&member.change, attach)?),
            TakeBack::All => {
                let changes = self.conn.total_changes();
                let answer = change::apply(self, &member.change, Some(attach))?;
                let is_clean = answer.is_ok() || self.conn.total_changes() == changes;
                is_clean.then_some(answer)
            }
        };
        if matches!(answer, Some(Err(_))) {
            self.rank.set(rank);
        }
        Ok(answer)
    }

    fn under_savepoint(&self, change: &Change, attach: &Attachment) -> Result<MemberResult, Fault> {
        self.execute("SAVEPOINT member", [])?;
        let answer = change::apply(self, change, Some(attach))?;
        if answer.is_err() {
            self.execute("ROLLBACK TO member", [])?;
        }
        self.execute("RELEASE member", [])?;
        Ok(answer)
    }

    /// Looks at what decides how a run takes something in.
    pub(crate) fn receiver(&self, run: RunId) -> Result<Option<Receiver>, Fault> {
        const SQL: &str = "SELECT id, status, inbox, ready_rank, wake_at, buffered, held_in IS NOT NULL, \
             flow_key IS NOT NULL FROM workflow_run WHERE id = ?1";
        self.find_receiver(SQL, [run.0])
    }

    /// The live run that holds a key: keys are let go at a run's end.
    pub(crate) fn holder(&self, key: &CorrelationKey) -> Result<Option<Receiver>, Fault> {
        const SQL: &str = "SELECT r.id, r.status, r.inbox, r.ready_rank, r.wake_at, r.buffered, \
             r.held_in IS NOT NULL, r.flow_key IS NOT NULL \
             FROM workflow_key AS k CROSS JOIN workflow_run AS r ON r.id = k.run \
             WHERE k.namespace = ?1 AND k.key = ?2";
        self.find_receiver(SQL, [&key.namespace, &key.key])
    }

    fn find_receiver(&self, sql: &str, params: impl rusqlite::Params) -> Result<Option<Receiver>, Fault> {
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Receiver {
            run: column::run_id(row, 0)?,
            status: column::status(row, 1)?,
            inbox: row.get(2)?,
            rank: row.get(3)?,
            wake_at: row.get(4)?,
            buffered: row.get(5)?,
            held: row.get(6)?,
            keyed: row.get(7)?,
        }))
    }

    /// Counts `count` events that came in for the run, and lets it go on because of them: a waiting one is
    /// ready, an executing one is told.
    pub(crate) fn arrive(&self, to: &Receiver, count: i64) -> Result<(), Fault> {
        const BUMP: &str =
            "UPDATE workflow_run SET inbox = ?2, buffered = buffered + ?3, updated_at = ?4 WHERE id = ?1";
        const WAKE: &str = "UPDATE workflow_run SET inbox = ?2, buffered = buffered + ?3, updated_at = ?4, \
             ready_rank = ?5, wake_at = NULL WHERE id = ?1";
        let inbox = to.inbox + count;
        if to.status == RunStatus::Waiting && to.rank.is_none() && !to.held {
            let rank = self.rank_of(to)?;
            self.execute(WAKE, params![to.run.0, inbox, count, self.now, rank])?;
            return Ok(());
        }
        if to.status == RunStatus::Running {
            self.note_inbox(to.run);
        }
        self.execute(BUMP, params![to.run.0, inbox, count, self.now])?;
        Ok(())
    }

    /// The place of a run that becomes ready now. One that is ready keeps its own, and one whose timer was
    /// due already keeps that turn.
    pub(crate) fn rank_of(&self, to: &Receiver) -> Result<i64, Fault> {
        self.note_ready();
        if let Some(rank) = to.rank {
            return Ok(rank);
        }
        if to.keyed {
            return flow::rank(self, to.run);
        }
        let rank = self.next_rank();
        let Some(wake_at) = to.wake_at else { return Ok(rank) };
        self.note_rank(wake_at.min(rank));
        Ok(wake_at.min(rank))
    }
}

/// A run as far as it matters for what comes in for it.
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
