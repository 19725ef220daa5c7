//! What a client asks of the store, from outside of the process.

use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;

use super::{History, TestEngine};
use crate::engine::{StartOptions, Started};
use crate::event::{NewEvent, Target};
use crate::id::{RunId, Seq};
use crate::payload::Payload;
use crate::store::{
    Change, Command, CommandKind, Delivery, Inbox, InboxQuery, Outcome, RunQuery, RunRow, RunStatus, StoreError,
};
use crate::workflow::Workflow;

/// # Starting, telling, looking
///
/// These reach the store whether the process is alive or not, and nothing goes on because of
/// them until the test lets it.
///
/// ```
/// # use lumina_workflow::testing::TestEngine;
/// # use lumina_workflow::store::{Delivery, RunStatus};
/// # use lumina_workflow::{Failure, NewEvent, Payload, Run, StartOptions, Step, Workflow};
/// const ANSWER: Step = Step::wait("wait-for-answer", "answer").timeout("7d");
/// # struct Question;
/// # impl Workflow for Question {
/// #     const NAME: &'static str = "question";
/// #     const STEPS: &'static [Step] = &[ANSWER];
/// #     type Input = ();
/// #     type Output = bool;
/// #     async fn run(&self, run: &Run, (): ()) -> Result<bool, Failure> {
/// #         run.wait(ANSWER).await
/// #     }
/// # }
/// let kit = TestEngine::new().register(Question);
/// let run = kit.start::<Question>(&());
/// let again = kit.start_with::<Question>(&(), StartOptions::keyed("q-7"));
/// assert_eq!(kit.start_with::<Question>(&(), StartOptions::keyed("q-7")).run(), again.run());
///
/// kit.crash();
/// assert_eq!(kit.emit(run, "answer", &true), Delivery::Routed(run));
/// assert!(kit.cancel(again.run()));
/// kit.restart();
/// kit.settle();
/// assert_eq!((kit.status(run), kit.status(again.run())), (RunStatus::Completed, RunStatus::Cancelled));
///
/// // An event with an id of its own is stored once; for a run that is over it goes nowhere.
/// let late = NewEvent::new("answer-9", run, "answer", Payload::encode(&false)?);
/// assert_eq!(kit.send(late), Delivery::Unrouted);
/// assert_eq!((kit.inbox(None).events.len(), kit.row(run).inbox), (1, 1));
/// # Ok::<(), lumina_workflow::PayloadError>(())
/// ```
impl TestEngine {
    /// Starts a run.
    #[track_caller]
    pub fn start<W: Workflow>(&self, input: &W::Input) -> RunId {
        self.start_with::<W>(input, StartOptions::default()).run()
    }

    /// Starts a run in this way.
    #[track_caller]
    pub fn start_with<W: Workflow>(&self, input: &W::Input, options: StartOptions) -> Started {
        let prepared = self.engine().prepare::<W>(input, options);
        let new = prepared.unwrap_or_else(|problem| panic!("{} cannot be started: {problem}", W::NAME));
        let run = new.id;
        match self.commit(Change::Start(new)) {
            Outcome::Existing { run, same_input } => Started::Existing { run, same_input },
            _ => Started::New(run),
        }
    }

    /// Sends an event, with an id that no other has: `event-1`, `event-2` and so on.
    #[track_caller]
    pub fn emit<T: Serialize + ?Sized>(&self, target: impl Into<Target>, name: &str, body: &T) -> Delivery {
        let number = self.events.get() + 1;
        self.events.set(number);
        let body = Payload::encode(body).unwrap_or_else(|problem| panic!("the body of {name} {problem}"));
        self.send(NewEvent::new(format!("event-{number}"), target, name, body))
    }

    /// Sends an event as it is.
    #[track_caller]
    pub fn send(&self, event: NewEvent) -> Delivery {
        if let Some(problem) = event.problem() {
            panic!("{problem}");
        }
        match self.commit(Change::Emit(event)) {
            Outcome::Emitted(delivery) => delivery,
            other => unreachable!("an emit is answered as one, not with {other:?}"),
        }
    }

    /// Asks a run to end, in the name of `test`. True when this was the first request.
    #[track_caller]
    pub fn cancel(&self, run: RunId) -> bool {
        self.command(run, CommandKind::Cancel)
    }

    /// Wishes something of a run, in the name of `test`. True when it changed anything.
    #[track_caller]
    pub fn command(&self, run: RunId, what: CommandKind) -> bool {
        let by = "test".to_owned();
        match self.commit(Change::Command(Command { run, what, by })) {
            Outcome::Commanded { effective } => effective,
            other => unreachable!("a command is answered as one, not with {other:?}"),
        }
    }

    /// The run as the store shows it.
    #[must_use]
    #[track_caller]
    pub fn row(&self, run: RunId) -> RunRow {
        let query = RunQuery {
            id: Some(run),
            limit: 1,
            ..RunQuery::default()
        };
        let found = inline(self.store.runs(query)).items.into_iter().next();
        found.unwrap_or_else(|| panic!("there is no run {run}"))
    }

    /// What the run is doing.
    #[must_use]
    #[track_caller]
    pub fn status(&self, run: RunId) -> RunStatus {
        self.row(run).status
    }

    /// What happened in the run so far.
    #[must_use]
    #[track_caller]
    pub fn history(&self, run: RunId) -> History {
        let stored = inline(self.store.history(run, Seq(0), usize::MAX >> 1));
        History::new(self.row(run), stored.into_iter().map(|stored| stored.record).collect())
    }

    /// Events that nobody has consumed: the run's, or for `None` those without a run.
    #[must_use]
    #[track_caller]
    pub fn inbox(&self, run: Option<RunId>) -> Inbox {
        inline(self.store.inbox(InboxQuery {
            run,
            after: 0,
            limit: usize::MAX >> 1,
        }))
    }

    #[track_caller]
    fn commit(&self, change: Change) -> Outcome {
        let answers = inline(self.store.commit(Arc::new([change.into()])));
        let answer = answers.into_iter().next().expect("a store answers for each member");
        answer.unwrap_or_else(|refusal| panic!("{refusal}"))
    }
}

#[track_caller]
fn inline<T>(asked: BoxFuture<'_, Result<T, StoreError>>) -> T {
    let answer = asked.now_or_never().expect("a store of a test answers inline");
    answer.unwrap_or_else(|error| panic!("the store refused: {error}"))
}
