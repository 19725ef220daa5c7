//! The commit pipeline: all changes of all runs of a process, in groups.
//!
//! A lone change is committed at once. What queues up while a group is being flushed forms the
//! next one, so that one flush of the disk serves many runs when there are many. Where the store is a server, further
//! groups may be on their way meanwhile, when many changes wait.

use std::collections::BTreeSet;
use std::mem;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{Either, pending, select};
use futures_util::stream::FuturesUnordered;
use tokio::sync::{mpsc, oneshot};

use crate::RunId;
use crate::runtime::Runtime;
use crate::store::{GROUP_BYTES, GROUP_MEMBERS, Member, MemberResult, Store, StoreError};

/// How many changes may wait; then whoever has another one waits with it.
const QUEUE: usize = 4 * GROUP_MEMBERS;

/// How many groups of changes a process commits at once: a number that may be changed while an engine works, as a store
/// does that knows how many other processes there are.
///
/// ```
/// use lumina_workflow::CommitsAtOnce;
/// use std::num::NonZeroUsize;
///
/// let at_once = CommitsAtOnce::new(NonZeroUsize::MIN);
/// // A builder that is given a clone goes by what is said of it later.
/// let given = at_once.clone();
/// at_once.set(NonZeroUsize::new(3).unwrap());
/// assert_eq!(given.get().get(), 3);
/// ```
#[derive(Debug, Clone)]
pub struct CommitsAtOnce(Arc<AtomicUsize>);

impl CommitsAtOnce {
    /// So many, until another number is set.
    #[must_use]
    pub fn new(count: NonZeroUsize) -> Self {
        Self(Arc::new(AtomicUsize::new(count.get())))
    }

    /// From now on so many. Groups that are on their way are not called back.
    pub fn set(&self, count: NonZeroUsize) {
        self.0.store(count.get(), Ordering::Relaxed);
    }

    /// How many now.
    #[must_use]
    pub fn get(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.0.load(Ordering::Relaxed)).expect("nobody can set it to none")
    }
}

impl From<NonZeroUsize> for CommitsAtOnce {
    fn from(count: NonZeroUsize) -> Self {
        Self::new(count)
    }
}

/// How many groups are on their way at once.
#[derive(Debug, Clone)]
pub(crate) struct Pace {
    /// So many at most.
    pub at_once: CommitsAtOnce,
    /// A further one when so many changes wait for it: one flush serves them all.
    pub crowd: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            at_once: NonZeroUsize::MIN.into(),
            crowd: 64,
        }
    }
}

/// Between two tries to learn what became of a commit.
const ASK_AGAIN: Duration = Duration::from_millis(200);

type Reply = oneshot::Sender<Result<MemberResult, StoreError>>;

struct Submission {
    member: Member,
    reply: Reply,
}

/// The way into the store for every change.
pub(crate) struct Pipeline {
    queue: mpsc::Sender<Submission>,
    healthy: Arc<AtomicBool>,
}

impl Pipeline {
    /// Starts it as a task. It ends when the last handle is gone and the queue is empty.
    pub fn start(store: Arc<dyn Store>, runtime: &Arc<dyn Runtime>, pace: Pace) -> Self {
        let (queue, receive) = mpsc::channel(QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        let committer = Committer {
            store,
            runtime: runtime.clone(),
            healthy: healthy.clone(),
        };
        let pump = Pump {
            committer,
            receive,
            pace,
            forming: Group::default(),
            left_over: None,
            busy: BTreeSet::new(),
        };
        runtime.spawn_ahead(Box::pin(pump.run()));
        Self { queue, healthy }
    }

    /// Hands a change in, and waits until it is durable or refused.
    pub async fn submit(&self, member: Member) -> Result<MemberResult, StoreError> {
        let closed = || StoreError::Unavailable("the engine has been shut down".to_owned());
        let (reply, answer) = oneshot::channel();
        self.queue
            .send(Submission { member, reply })
            .await
            .map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    /// False after a commit that failed, until the next one that succeeds.
    pub fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }
}

/// What the pump waits for.
enum Event {
    /// A group was committed, or could not be; it was about these runs.
    Ended(BTreeSet<RunId>),
    Came(Submission),
    /// Nobody hands in anything any more.
    Closed,
}

/// Puts groups together, and has so many of them committed at once.
struct Pump {
    committer: Committer,
    receive: mpsc::Receiver<Submission>,
    pace: Pace,
    /// The next group.
    forming: Group,
    /// What does not fit into it.
    left_over: Option<Submission>,
    /// The subjects of the groups that are being committed: no two groups at once are about one run.
    busy: BTreeSet<RunId>,
}

impl Pump {
    async fn run(mut self) {
        let (mut under_way, mut is_closed) = (FuturesUnordered::new(), false);
        while !(is_closed && self.forming.is_empty() && under_way.is_empty()) {
            if self.is_due(under_way.len()) {
                let group = mem::take(&mut self.forming);
                self.busy.extend(&group.subjects);
                under_way.push(self.committer.clone().commit_apart(group));
                self.take_left_over();
                continue;
            }
            match self.next(&mut under_way, is_closed).await {
                Event::Ended(subjects) => {
                    self.busy.retain(|run| !subjects.contains(run));
                    self.take_left_over();
                }
                Event::Came(submission) => self.take(submission),
                Event::Closed => is_closed = true,
            }
        }
    }

    /// What happens next. Nothing more is taken in while something does not fit.
    async fn next<C>(&mut self, under_way: &mut FuturesUnordered<C>, is_closed: bool) -> Event
    where
        C: Future<Output = BTreeSet<RunId>>,
    {
        let takes_in = self.left_over.is_none() && !is_closed;
        let ended = pin!(async {
            match under_way.next().await {
                Some(subjects) => subjects,
                None => pending().await,
            }
        });
        let came = pin!(async {
            match takes_in {
                true => self.receive.recv().await,
                false => pending().await,
            }
        });
        match select(ended, came).await {
            Either::Left((subjects, _)) => Event::Ended(subjects),
            Either::Right((submission, _)) => submission.map_or(Event::Closed, Event::Came),
        }
    }

    /// Whether the group is committed now.
    fn is_due(&self, under_way: usize) -> bool {
        let is_crowd = self.forming.members.len() >= self.pace.crowd || self.left_over.is_some();
        !self.forming.is_empty() && (under_way == 0 || (under_way < self.pace.at_once.get().get() && is_crowd))
    }

    /// Takes it and what else is there, up to the limits of a group and never the same run twice.
    fn take(&mut self, first: Submission) {
        let mut next = Some(first);
        while let Some(submission) = next.take() {
            let is_busy = submission.member.subject().is_some_and(|run| self.busy.contains(&run));
            match is_busy {
                true => self.left_over = Some(submission),
                false => self.left_over = self.forming.take(submission).err(),
            }
            if self.left_over.is_none() {
                next = self.receive.try_recv().ok();
            }
        }
    }

    fn take_left_over(&mut self) {
        if let Some(submission) = self.left_over.take() {
            self.take(submission);
        }
    }
}

/// Commits groups.
#[derive(Clone)]
struct Committer {
    store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    healthy: Arc<AtomicBool>,
}

impl Committer {
    /// Commits them together. When the database can never take that, because of one of them, the halves are tried:
    /// whoever cannot be taken fails alone. Answers the runs that it was about.
    async fn commit_apart(self, group: Group) -> BTreeSet<RunId> {
        let mut groups: Vec<(Arc<[Member]>, Vec<Reply>)> = vec![(group.members.into(), group.replies)];
        while let Some((members, mut replies)) = groups.pop() {
            let answer = self.commit(members.clone()).await;
            self.healthy.store(answer.is_ok(), Ordering::Release);
            if matches!(answer, Err(StoreError::Broken(_))) && members.len() > 1 {
                let (first, second) = members.split_at(members.len() / 2);
                let later = replies.split_off(first.len());
                groups.extend([(second.into(), later), (first.into(), replies)]);
            } else {
                answer_all(replies, answer);
            }
        }
        group.subjects
    }

    /// Commits. While the outcome is unknown the same group is applied again, which is safe.
    async fn commit(&self, members: Arc<[Member]>) -> Result<Vec<MemberResult>, StoreError> {
        loop {
            match self.store.commit(members.clone()).await {
                Err(StoreError::OutcomeUnknown(problem)) => {
                    self.healthy.store(false, Ordering::Release);
                    tracing::warn!(problem, "the outcome of a commit is unknown; it is applied again");
                    self.runtime.sleep(ASK_AGAIN).await;
                }
                answer => return answer,
            }
        }
    }
}

#[derive(Default)]
struct Group {
    members: Vec<Member>,
    replies: Vec<Reply>,
    subjects: BTreeSet<RunId>,
    bytes: usize,
}

impl Group {
    fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn take(&mut self, submission: Submission) -> Result<(), Submission> {
        let size = submission.member.size();
        let subject = submission.member.subject();
        let full = self.members.len() >= GROUP_MEMBERS || (!self.members.is_empty() && self.bytes + size > GROUP_BYTES);
        if full || subject.is_some_and(|run| self.subjects.contains(&run)) {
            return Err(submission);
        }
        self.bytes += size;
        self.subjects.extend(subject);
        self.members.push(submission.member);
        self.replies.push(submission.reply);
        Ok(())
    }
}

/// A reply that nobody waits for any more is not needed: what was committed is durable.
fn answer_all(replies: Vec<Reply>, answer: Result<Vec<MemberResult>, StoreError>) {
    match answer {
        Ok(results) => {
            assert_eq!(results.len(), replies.len(), "a store answers for each member");
            for (reply, result) in replies.into_iter().zip(results) {
                let _ = reply.send(Ok(result));
            }
        }
        Err(error) => {
            for reply in replies {
                let _ = reply.send(Err(error.clone()));
            }
        }
    }
}
