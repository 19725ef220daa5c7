//! The one connection that writes, and what it remembers between transactions.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use lumina_workflow::RunId;
use lumina_workflow::store::{Claim, Claimed, GROUP_MEMBERS, Hint, Lease, Member, MemberResult, Purge, StoreError};
use rusqlite::Connection;

use crate::blocked::Searched;
use crate::claim::{Found, Known};
use crate::fault::{Fault, of_commit};
use crate::flow::{News, Standing};
use crate::flush::{Flush, Flushing};
use crate::group::{Group, TakeBack, Wake};
use crate::migrate::{MigrateError, Script};
use crate::passed::Passed;
use crate::room::Room;
use crate::shared::Shared;
use crate::{attachment, change, checkpoint, claim, connect, migrate, purge};

/// After a foreign write, at most this many executing runs are told to look at their inbox;
/// more than that execute only in a fleet's worth of work, which looks often enough.
const NEWS_LIMIT: usize = 1_000;

/// A group of this size says that many runs are under way.
const BUSY_GROUP: usize = 100;

pub(crate) struct Writer {
    conn: Connection,
    shared: Arc<Shared>,
    rank: i64,
    searched: Searched,
    /// What is known of flow control, as of the last claim.
    standing: Option<Standing>,
    /// Which ready runs the last claimer need not look at.
    passed: Option<Passed>,
    /// What has happened to flow control since.
    news: News,
    overtaken: i64,
    data_version: i64,
    /// How many members the last group had.
    last_group: usize,
    flushing: Flushing,
    room: Room,
}

impl Writer {
    pub(crate) fn new(conn: Connection, shared: Arc<Shared>) -> Self {
        let mut writer = Self {
            flushing: Flushing::settled(),
            room: Room::beside(&shared.path),
            conn,
            shared,
            rank: i64::MIN,
            searched: Searched::default(),
            standing: None,
            passed: None,
            news: News::default(),
            overtaken: i64::MAX,
            data_version: 0,
            last_group: 0,
        };
        writer.data_version = writer.read_data_version().unwrap_or(0);
        writer
    }

    /// Whether groups are large, so that the next one is near.
    pub(crate) fn is_busy(&self) -> bool {
        self.last_group >= BUSY_GROUP
    }

    fn path(&self) -> &Path {
        &self.shared.path
    }

    /// A group: all members in one transaction.
    pub(crate) fn commit(&mut self, batch: &[Member]) -> Result<Vec<MemberResult>, StoreError> {
        check(batch)?;
        self.last_group = batch.len();
        if let [alone] = batch {
            return self.commit_alone(alone);
        }
        let answers = self.transact_if(Flush::Now, |group| {
            let answers = group.members(batch, TakeBack::All)?;
            let keep = answers.is_some();
            Ok((answers, keep))
        })?;
        match answers {
            Some(answers) => Ok(answers),
            None => self.commit_each(batch),
        }
    }

    /// Again, after a member was refused that had written: now each can be taken back alone.
    fn commit_each(&mut self, batch: &[Member]) -> Result<Vec<MemberResult>, StoreError> {
        let answers = self.transact(|group| group.members(batch, TakeBack::Each))?;
        Ok(answers.expect("what each has written is taken back"))
    }

    /// A member alone needs no savepoint: when it is refused, the transaction is rolled back.
    /// Under a savepoint every page that a large attachment changes would be written twice.
    fn commit_alone(&mut self, member: &Member) -> Result<Vec<MemberResult>, StoreError> {
        let answer = self.transact_if(Flush::Now, |group| {
            let mut answer = change::apply(group, &member.change, member.attach.as_ref())?;
            group.bring_news(member, &mut answer)?;
            let keep = answer.is_ok();
            Ok((answer, keep))
        });
        Ok(vec![answer?])
    }

    pub(crate) fn claim(&mut self, wanted: &Claim) -> Result<Vec<Claimed>, StoreError> {
        let known = self.recall(wanted);
        let blocked = known.blocked;
        let found = self.transact_if(Flush::Later, |group| Ok((claim::claim(group, wanted, known)?, true)))?;
        Ok(self.remember(wanted, blocked, found))
    }

    /// A claim and a group in one transaction, which is one flush of the disk instead of two. The claim comes first:
    /// it goes by what is known since the transaction before.
    pub(crate) fn claim_and_commit(
        &mut self,
        wanted: &Claim,
        batch: &[Member],
    ) -> (Result<Vec<Claimed>, StoreError>, Result<Vec<MemberResult>, StoreError>) {
        if let Err(error) = check(batch) {
            return (self.claim(wanted), Err(error));
        }
        self.last_group = batch.len();
        let known = self.recall(wanted);
        let blocked = known.blocked;
        let both = self.transact_if(Flush::Now, |group| {
            let found = claim::claim(group, wanted, known)?;
            let answers = group.members(batch, TakeBack::All)?;
            let keep = answers.is_some();
            Ok(((found, answers), keep))
        });
        match both {
            Ok((found, Some(answers))) => (Ok(self.remember(wanted, blocked, found)), Ok(answers)),
            Ok((_, None)) => (self.claim(wanted), self.commit_each(batch)),
            Err(error @ StoreError::OutcomeUnknown(_)) => (Err(error.clone()), Err(error)),
            // What is wrong with the one must not be the other's fault.
            Err(_) => (self.claim(wanted), self.commit(batch)),
        }
    }

    /// What earlier claims have found out, for the next one.
    fn recall(&mut self, wanted: &Claim) -> Known {
        self.overtaken = i64::MAX;
        self.shared.unasked.store(true, Ordering::SeqCst);
        Known {
            blocked: self.searched.is_worth_it(&wanted.definitions),
            standing: std::mem::take(&mut self.news).apply(self.standing.take()),
            passed: Passed::of(self.passed.take(), wanted),
        }
    }

    fn remember(&mut self, wanted: &Claim, blocked: bool, found: Found) -> Vec<Claimed> {
        let (claimed, standing, mut passed) = found;
        passed.go_back(self.overtaken);
        self.passed = Some(passed);
        let all_looked_at = wanted.definitions.iter().all(|(name, _)| !standing.is_paused(name));
        self.standing = Some(standing);
        if blocked && all_looked_at && claimed.len() < wanted.limit {
            self.searched.found_no_more(&wanted.definitions);
        }
        claimed
    }

    pub(crate) fn renew(&mut self, held: &[Lease], by: Duration) -> Result<Vec<RunId>, StoreError> {
        self.transact(|group| claim::renew(group, held, by))
    }

    pub(crate) fn purge(&mut self, what: &Purge) -> Result<usize, StoreError> {
        self.transact(|group| purge::purge(group, what))
    }

    pub(crate) fn migrate(&mut self, owner: &str, scripts: &[Script]) -> Result<Vec<&'static str>, MigrateError> {
        let failed = |error| MigrateError::Failed {
            path: self.shared.path.clone(),
            what: "asking for durable writes".to_owned(),
            error,
        };
        self.flushing.set(&self.conn, Flush::Now).map_err(failed)?;
        let now = self.shared.clock.now().as_microsecond();
        migrate::apply(&mut self.conn, &self.shared.path, now, owner, scripts)
    }

    /// A durable transaction: all of it, or nothing.
    fn transact<T>(&mut self, body: impl FnOnce(&Group<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.transact_if(Flush::Now, |group| Ok((body(group)?, true)))
    }

    /// A transaction that is kept only if the body says so.
    fn transact_if<T>(
        &mut self,
        flush: Flush,
        body: impl FnOnce(&Group<'_>) -> Result<(T, bool), Fault>,
    ) -> Result<T, StoreError> {
        self.begin(flush).map_err(|fault| fault.to_store(self.path()))?;
        // The time is asked for under the lock, so that times follow the order of commits.
        let now = self.shared.clock.now().as_microsecond();
        let group = Group::new(&self.conn, &self.shared.payloads, now, self.rank);
        let answer = body(&group).and_then(|answer| group.finish().map(|()| answer));
        let (rank, wake) = group.into_parts();
        let answer = match answer {
            Ok((answer, true)) => answer,
            Ok((answer, false)) => {
                self.roll_back();
                return Ok(answer);
            }
            Err(fault) => {
                self.roll_back();
                return Err(fault.to_store(self.path()));
            }
        };
        if let Err(error) = self
            .conn
            .prepare_cached("COMMIT")
            .and_then(|mut commit| commit.execute([]))
        {
            self.roll_back();
            return Err(of_commit(&error, self.path()));
        }
        self.rank = rank;
        self.tell(wake);
        Ok(answer)
    }

    fn begin(&mut self, flush: Flush) -> Result<(), Fault> {
        self.flushing.set(&self.conn, flush)?;
        self.conn.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        Ok(())
    }

    /// After an error SQLite may have rolled back already. When even this fails, the next
    /// BEGIN does as well, and says so.
    pub(crate) fn roll_back(&self) {
        if !self.conn.is_autocommit()
            && let Err(error) = self.conn.execute_batch("ROLLBACK")
        {
            tracing::error!(database = %self.path().display(), %error, "a transaction could not be rolled back");
        }
    }

    fn tell(&mut self, wake: Wake) {
        for (workflow, hash) in &wake.blocked {
            self.searched.note(workflow, *hash);
        }
        match &mut self.passed {
            Some(passed) => passed.go_back(wake.overtaken),
            // A claim has it, and gives it back when this is told.
            None => self.overtaken = self.overtaken.min(wake.overtaken),
        }
        self.news.all |= wake.flow.all;
        self.news.keyed_timer = self.news.keyed_timer.min(wake.flow.keyed_timer);
        let earlier = self.shared.is_news(wake.timer, wake.lease);
        if wake.schedule {
            self.shared.hints.send(Hint::Schedule);
        }
        self.send(wake.ready || earlier, wake.inbox);
    }

    fn send(&self, ready: bool, inbox: BTreeSet<RunId>) {
        if ready {
            self.shared.hints.send(Hint::Ready);
        }
        for run in inbox {
            self.shared.hints.send(Hint::Inbox(run));
        }
    }

    /// Notices what other processes have committed since it was last asked, and passes it on.
    pub(crate) fn notice_others(&mut self) {
        let Ok(version) = self.read_data_version() else { return };
        if version == self.data_version {
            return;
        }
        self.data_version = version;
        self.news.all = true;
        self.passed = None;
        let news = claim::running_with_news(&self.conn, NEWS_LIMIT).unwrap_or_default();
        self.shared.hints.send(Hint::Schedule);
        self.send(true, news.into_iter().collect());
    }

    /// A number that changes whenever another connection has committed.
    fn read_data_version(&self) -> rusqlite::Result<i64> {
        self.conn
            .prepare_cached("PRAGMA data_version")?
            .query_row([], |row| row.get(0))
    }

    /// Makes room in the log's file for the commits to come, while nobody waits for one.
    pub(crate) fn make_room(&mut self) {
        let log = self.shared.wal_pages.load(Ordering::SeqCst) * connect::FRAME_BYTES;
        let Some(wanted) = self.room.wanted(log) else { return };
        // Under the write lock nobody adds to the log.
        if self.begin(Flush::Now).is_err() {
            return;
        }
        if let Err(error) = self.room.make(wanted) {
            tracing::debug!(database = %self.path().display(), %error, "the write-ahead log's file could not be prolonged");
        }
        self.roll_back();
    }

    /// What SQLite says of how it flushes: 1 is NORMAL, 2 is FULL.
    #[cfg(test)]
    pub(crate) fn synchronous(&self) -> i64 {
        let level = self.conn.query_row("PRAGMA synchronous", [], |row| row.get(0));
        level.expect("a setting can be read")
    }

    /// Asks for no more checkpoints, which ends the thread that does them.
    pub(crate) fn dismiss_checkpointer(&mut self) {
        if let Err(error) = checkpoint::stop_counting(&mut self.conn) {
            tracing::error!(database = %self.path().display(), %error, "the checkpointer could not be dismissed");
        }
    }

    /// Writes back what is left of the log while nobody commits, so that the next commit can
    /// begin it anew.
    pub(crate) fn finish_checkpoint(&mut self) {
        checkpoint::run(&self.conn, &self.shared);
    }
}

/// What only a caller's mistake can bring about is told before anything is applied.
fn check(batch: &[Member]) -> Result<(), StoreError> {
    let broken = |problem: String| Err(StoreError::Broken(problem));
    if batch.len() > GROUP_MEMBERS {
        return broken(format!(
            "a group has {} members, {GROUP_MEMBERS} are allowed",
            batch.len()
        ));
    }
    let mut subjects = BTreeSet::new();
    if let Some(run) = batch
        .iter()
        .filter_map(Member::subject)
        .find(|run| !subjects.insert(*run))
    {
        return broken(format!("run {run} is the subject of two members of one group"));
    }
    if batch
        .iter()
        .filter_map(|member| member.attach.as_ref())
        .any(|attach| !attachment::is_ours(attach))
    {
        return broken("an attachment was made for another kind of store".to_owned());
    }
    Ok(())
}
