//! A process's own line to the shared store, on which calls are lost, late, doubted or fatal.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;
use lumina_workflow::store::{
    Change, Claim, Claimed, FlowQuery, FlowRow, Hint, Inbox, InboxQuery, Lease, Member, MemberResult, Next, Page,
    Purge, RunQuery, RunRow, ScheduleQuery, ScheduleRow, Store, StoreError, StoredRecord,
};
use lumina_workflow::{RunId, Runtime, Seq, What};

use crate::backend::Lost;
use crate::fault::CallFault;
use crate::life::Life;
use crate::stage::Stage;
use crate::trace::lock;
use crate::watch::{Inboxes, Who};

/// Which call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    Commit,
    Claim,
    Renew,
    Read,
}

impl Method {
    fn word(self) -> &'static str {
        match self {
            Self::Commit => "commit",
            Self::Claim => "claim",
            Self::Renew => "renew",
            Self::Read => "read",
        }
    }

    /// Whether it changes anything, so that its outcome can be unknown.
    fn writes(self) -> bool {
        self != Self::Read
    }
}

/// The line of one life of a process.
pub(crate) struct Line {
    stage: Arc<Stage>,
    life: Arc<Life>,
    /// Gone when the process has died, so that nothing keeps an old connection open.
    store: Mutex<Option<Arc<dyn Store>>>,
    /// Hints that come at all, of a hundred.
    hints: u64,
}

type Call<T> = BoxFuture<'static, Result<T, StoreError>>;

impl Line {
    pub fn new(stage: Arc<Stage>, life: Arc<Life>, store: Arc<dyn Store>, hints: u64) -> Arc<Self> {
        let store = Mutex::new(Some(store));
        Arc::new(Self {
            stage,
            life,
            store,
            hints,
        })
    }

    pub fn cut_for_good(&self) {
        lock(&self.store).take();
    }

    fn who(&self) -> Who {
        Who {
            process: self.life.process,
            life: self.life.number,
        }
    }

    /// Makes a call of the store; whoever is dead makes none.
    fn prepare<T: Send + 'static>(&self, make: impl FnOnce(Arc<dyn Store>) -> Call<T>) -> Call<T> {
        match lock(&self.store).clone() {
            Some(store) => make(store),
            None => Box::pin(std::future::pending()),
        }
    }

    /// Makes the call as the plan has it.
    async fn send<T: Send + 'static>(&self, method: Method, apply: Call<T>) -> Result<T, StoreError> {
        let stage = &self.stage;
        if self.life.is_dead() {
            return std::future::pending().await;
        }
        let (nth, fault) = stage.next_call(self.life.process, method);
        if let Some((number, fault)) = fault {
            let told = || format!("{} call {nth}, {}: {fault}", self.who(), method.word());
            stage.tell_fault(number, told);
            return self.fail(method, fault, apply).await;
        }
        if let Some(trouble) = stage.trouble(self.life.process, method) {
            return Err(trouble);
        }
        stage.linger(self.life.process).await;
        let answer = apply.await;
        stage.linger(self.life.process).await;
        answer
    }

    async fn fail<T: Send + 'static>(&self, method: Method, fault: CallFault, apply: Call<T>) -> Result<T, StoreError> {
        match fault {
            CallFault::CrashBefore => {
                drop(apply);
                self.die().await
            }
            CallFault::CrashAfter => {
                drop(apply.await);
                self.die().await
            }
            CallFault::CrashInFlight(later) => {
                self.stage.apply_later(later, apply);
                self.die().await
            }
            CallFault::Unavailable => Err(unavailable()),
            CallFault::UnknownLost if method.writes() => Err(unknown()),
            CallFault::UnknownApplied if method.writes() => {
                apply.await?;
                Err(unknown())
            }
            CallFault::UnknownLost | CallFault::UnknownApplied => Err(unavailable()),
            CallFault::Slow(time) => {
                self.stage.root.sleep(time).await;
                apply.await
            }
            CallFault::LateAnswer(time) => {
                let answer = apply.await;
                self.stage.root.sleep(time).await;
                answer
            }
            CallFault::FreezeBefore(time) => {
                self.freeze(time).await;
                apply.await
            }
            CallFault::FreezeAfter(time) => {
                let answer = apply.await;
                self.freeze(time).await;
                answer
            }
        }
    }

    async fn die<T>(&self) -> T {
        self.stage.crash(&self.life);
        std::future::pending().await
    }

    /// The task goes on when the process does.
    async fn freeze(&self, time: Duration) {
        self.stage.freeze(&self.life, time);
        self.stage.root.sleep(Duration::ZERO).await;
    }
}

/// What commands have written into histories by themselves. The store is inline, so nothing else comes first.
async fn note_commands(store: &dyn Store, stage: &Stage, batch: &[Member]) -> Result<(), StoreError> {
    for member in batch {
        if let Change::Command(command) = &member.change {
            let known = Seq(stage.watch.records(command.run).len() as u64);
            let written = store.history(command.run, known, 10).await?;
            stage.watch.commanded(command.run, written);
        }
    }
    Ok(())
}

/// The inboxes of the runs that are about to look away from theirs. The store is inline, so nothing comes between
/// this and the commit.
async fn read_inboxes(store: &dyn Store, batch: &[Member]) -> Result<Inboxes, StoreError> {
    let mut inboxes = Inboxes::new();
    for member in batch {
        let Change::Advance(advance) = &member.change else {
            continue;
        };
        let times_out = advance
            .records
            .iter()
            .any(|record| matches!(record.what, What::TimedOut));
        if times_out || matches!(advance.next, Next::Park { .. }) {
            let run = advance.lease.run;
            let query = InboxQuery {
                run: Some(run),
                after: 0,
                limit: 10_000,
            };
            inboxes.insert(run, store.inbox(query).await?);
        }
    }
    Ok(inboxes)
}

/// Behind what is told of a call.
const LOST: &str = ", and nobody hears of it";

/// What a store whose own connections break has done, when it does not know itself.
fn lost<T>(stage: &Stage, answer: &Result<T, StoreError>) -> Option<Lost> {
    let unknown = matches!(answer, Err(StoreError::OutcomeUnknown(_)));
    unknown.then(|| stage.backend().lost()).flatten()
}

pub(crate) fn unavailable() -> StoreError {
    StoreError::Unavailable("the simulator has cut the line".to_owned())
}

fn unknown() -> StoreError {
    StoreError::OutcomeUnknown("the simulator has swallowed the answer".to_owned())
}

impl Store for Line {
    fn commit(&self, batch: Arc<[Member]>) -> BoxFuture<'_, Result<Vec<MemberResult>, StoreError>> {
        let (stage, who) = (self.stage.clone(), self.who());
        let apply = self.prepare(|store| {
            Box::pin(async move {
                let inboxes = read_inboxes(&*store, &batch).await?;
                let answer = store.commit(batch.clone()).await;
                let lost = lost(&stage, &answer).map(|lost| lost.results);
                let applied = lost.as_ref().map_or(batch.len(), Vec::len);
                let told = if lost.is_some() { LOST } else { "" };
                let done = lost.map_or_else(|| answer.clone(), Ok);
                stage.watch.committed(who, &batch[..applied], &inboxes, &done);
                if let Ok(results) = &done {
                    stage.tell(|| format!("{who} commit {}{told}", stage.watch.tell_commit(&batch, results)));
                }
                note_commands(&*store, &stage, &batch).await?;
                answer
            })
        });
        Box::pin(self.send(Method::Commit, apply))
    }

    fn claim(&self, claim: Claim) -> BoxFuture<'_, Result<Vec<Claimed>, StoreError>> {
        let (stage, who) = (self.stage.clone(), self.who());
        let apply = self.prepare(|store| {
            Box::pin(async move {
                let answer = store.claim(claim.clone()).await;
                let lost = lost(&stage, &answer).map(|lost| lost.claimed);
                let given = lost.as_ref().or(answer.as_ref().ok()).map_or(&[][..], |given| given);
                stage.watch.claimed(who, stage.root.elapsed(), &claim, given);
                if !given.is_empty() {
                    let told = if lost.is_some() { LOST } else { "" };
                    stage.tell(|| format!("{who} claim {}{told}", stage.watch.tell_claim(given)));
                }
                answer
            })
        });
        Box::pin(self.send(Method::Claim, apply))
    }

    fn renew(&self, held: Vec<Lease>, lease: Duration) -> BoxFuture<'_, Result<Vec<RunId>, StoreError>> {
        let stage = self.stage.clone();
        let apply = self.prepare(|store| {
            Box::pin(async move {
                let lost = store.renew(held.clone(), lease).await?;
                let (at, now) = (stage.root.elapsed(), stage.store_now());
                stage.watch.renewed(at, now, &held, lease, &lost);
                Ok(lost)
            })
        });
        Box::pin(self.send(Method::Renew, apply))
    }

    fn history(&self, run: RunId, after: Seq, limit: usize) -> BoxFuture<'_, Result<Vec<StoredRecord>, StoreError>> {
        let apply = self.prepare(|store| Box::pin(async move { store.history(run, after, limit).await }));
        Box::pin(self.send(Method::Read, apply))
    }

    fn runs(&self, query: RunQuery) -> BoxFuture<'_, Result<Page<RunRow>, StoreError>> {
        let apply = self.prepare(|store| Box::pin(async move { store.runs(query).await }));
        Box::pin(self.send(Method::Read, apply))
    }

    fn inbox(&self, query: InboxQuery) -> BoxFuture<'_, Result<Inbox, StoreError>> {
        let apply = self.prepare(|store| Box::pin(async move { store.inbox(query).await }));
        Box::pin(self.send(Method::Read, apply))
    }

    fn next_due(&self) -> BoxFuture<'_, Result<Option<Timestamp>, StoreError>> {
        let apply = self.prepare(|store| Box::pin(async move { store.next_due().await }));
        Box::pin(self.send(Method::Read, apply))
    }

    fn now(&self) -> BoxFuture<'_, Result<Timestamp, StoreError>> {
        let apply = self.prepare(|store| Box::pin(async move { store.now().await }));
        Box::pin(self.send(Method::Read, apply))
    }

    fn purge(&self, purge: Purge) -> BoxFuture<'_, Result<usize, StoreError>> {
        let apply = self.prepare(|store| Box::pin(async move { store.purge(purge).await }));
        Box::pin(self.send(Method::Read, apply))
    }

    fn schedules(&self, query: ScheduleQuery) -> BoxFuture<'_, Result<Vec<ScheduleRow>, StoreError>> {
        let apply = self.prepare(|store| Box::pin(async move { store.schedules(query).await }));
        Box::pin(self.send(Method::Read, apply))
    }

    fn flows(&self, query: FlowQuery) -> BoxFuture<'_, Result<Vec<FlowRow>, StoreError>> {
        let apply = self.prepare(|store| Box::pin(async move { store.flows(query).await }));
        Box::pin(self.send(Method::Read, apply))
    }

    fn hints(&self) -> BoxStream<'static, Hint> {
        let Some(store) = lock(&self.store).clone() else {
            return Box::pin(stream::pending());
        };
        let (process, stage, heard) = (self.life.process, self.stage.clone(), self.hints);
        let hints = store.hints();
        if heard >= 100 {
            return hints;
        }
        Box::pin(hints.filter(move |_| std::future::ready(stage.process_draws(process, heard))))
    }
}
