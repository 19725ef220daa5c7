//! The commit pipeline: all changes of all runs of a process, in groups.
//!
//! A lone change is committed at once. What queues up while a group is being flushed forms the
//! next one, so that one flush of the disk serves many runs when there are many.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::runtime::Runtime;
use crate::store::{GROUP_BYTES, GROUP_MEMBERS, Member, MemberResult, Store, StoreError};

/// How many changes may wait; then whoever has another one waits with it.
const QUEUE: usize = 4 * GROUP_MEMBERS;

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
    pub fn start(store: Arc<dyn Store>, runtime: &Arc<dyn Runtime>) -> Self {
        let (queue, receive) = mpsc::channel(QUEUE);
        let healthy = Arc::new(AtomicBool::new(true));
        let pump = Pump {
            store,
            runtime: runtime.clone(),
            receive,
            left_over: None,
            healthy: healthy.clone(),
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

struct Pump {
    store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    receive: mpsc::Receiver<Submission>,
    /// What did not fit into the last group.
    left_over: Option<Submission>,
    healthy: Arc<AtomicBool>,
}

impl Pump {
    async fn run(mut self) {
        while let Some(first) = self.next().await {
            let (members, replies) = self.gather(first);
            self.commit_apart(members, replies).await;
        }
    }

    /// Commits them together. When the database can never take that, because of one of them, the halves are tried:
    /// whoever cannot be taken fails alone.
    async fn commit_apart(&self, members: Vec<Member>, replies: Vec<Reply>) {
        let mut groups: Vec<(Arc<[Member]>, Vec<Reply>)> = vec![(members.into(), replies)];
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
    }

    async fn next(&mut self) -> Option<Submission> {
        match self.left_over.take() {
            Some(submission) => Some(submission),
            None => self.receive.recv().await,
        }
    }

    /// Takes what is there, up to the limits of a group and never the same run twice.
    fn gather(&mut self, first: Submission) -> (Vec<Member>, Vec<Reply>) {
        let mut group = Group::default();
        let mut next = Some(first);
        while let Some(submission) = next.take() {
            if let Err(too_much) = group.take(submission) {
                self.left_over = Some(too_much);
                break;
            }
            next = self.receive.try_recv().ok();
        }
        (group.members, group.replies)
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
    subjects: BTreeSet<crate::RunId>,
    bytes: usize,
}

impl Group {
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
