//! The front door: register workflows, start runs, send events, look.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use uuid::Uuid;

use crate::error::Failure;
use crate::event::NewEvent;
use crate::flow::FlowLimits;
use crate::id::{DefinitionHash, RunId, Seq};
use crate::payload::{Payload, PayloadError};
use crate::runtime::Runtime;
use crate::schedule::START_KEY_PREFIX;
use crate::shell::Shell;
use crate::step::Step;
use crate::store::{
    Attachment, Change, Delivery, FlowCommand, FlowCommandKind, FlowQuery, FlowRow, Inbox, InboxQuery, Member, NewRun,
    Outcome, Page, Refusal, RunQuery, RunRow, RunStatus, Store, StoreError, StoredRecord,
};
use crate::worker::{Worker, WorkerOptions};
use crate::workflow::{Definition, Workflow};

mod builder;

pub use builder::EngineBuilder;

/// No start key and no flow key is longer: they hold outside ids.
pub const START_KEY_LIMIT: usize = 200;

/// What an engine could not do.
///
/// ```
/// # use lumina_workflow::EngineError;
/// use lumina_workflow::{testing::TestEngine, RunId};
/// let kit = TestEngine::new();
/// let engine = kit.engine();
/// let refused = kit.block_on(engine.cancel(RunId(uuid::Uuid::nil()), "ada"));
/// assert!(matches!(refused, Err(EngineError::Refused(_))));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The database did not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The database refused it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// A payload that does not fit.
    #[error("the payload {0}")]
    Payload(#[from] PayloadError),
    /// A name, id or key that is too long or empty.
    #[error("{0}")]
    Invalid(String),
    /// A workflow that this engine does not have.
    #[error("no workflow named {0} is registered here")]
    UnknownWorkflow(String),
    /// A step that the run's history does not have, or has more than once.
    #[error("run {run} cannot go back there: {problem}")]
    NoSuchStep {
        /// The run.
        run: RunId,
        /// What is the matter, in words.
        problem: String,
    },
    /// Going back would repeat an outside effect that has happened, or may have.
    #[error(
        "run {run} would repeat step {step}, an outside effect that has acted or may have; say that it may be repeated, if it may"
    )]
    WouldRepeat {
        /// The run.
        run: RunId,
        /// The step.
        step: String,
    },
}

/// How a run is started.
///
/// ```
/// use lumina_workflow::StartOptions;
/// use std::time::Duration;
///
/// let options = StartOptions::keyed("order-7").priority(5).flow_key("ada").delay(Duration::from_secs(60));
/// assert_eq!(options.key.as_deref(), Some("order-7"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StartOptions {
    /// Starts it once for this key, whoever asks and however often.
    pub key: Option<String>,
    /// Higher runs first; 0 is ordinary.
    pub priority: i16,
    /// Not before this time has passed.
    pub delay: Duration,
    /// Whose turn it takes among the runs of its workflow: a tenant, an account, a host.
    pub flow_key: Option<String>,
}

impl StartOptions {
    /// With a start key.
    #[must_use]
    pub fn keyed(key: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            ..Self::default()
        }
    }

    /// With a priority.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// With the key whose turn it takes.
    #[must_use]
    pub fn flow_key(mut self, key: impl Into<String>) -> Self {
        self.flow_key = Some(key.into());
        self
    }

    /// With a delay.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

/// What a start found or made.
///
/// An example is at [`Engine`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// A new run.
    New(RunId),
    /// The run that the start key had made before.
    Existing {
        /// That run.
        run: RunId,
        /// Whether it was started with the same input.
        same_input: bool,
    },
}

impl Started {
    /// The run's id, in either case.
    #[must_use]
    pub fn run(self) -> RunId {
        match self {
            Self::New(run) | Self::Existing { run, .. } => run,
        }
    }
}

/// A workflow that an engine has, as data.
///
/// An example is at [`Engine`].
#[derive(Debug, Clone, PartialEq)]
pub struct DefinitionInfo {
    /// Its name.
    pub name: &'static str,
    /// Its hash.
    pub hash: DefinitionHash,
    /// Its steps in the order of their declaration, with the durations that are in force.
    pub steps: Vec<(Step, Option<Duration>)>,
    /// Its limits that are in force.
    pub flow: FlowLimits,
}

/// The engine. Clones are the same one.
///
#[doc = include_str!("engine/example.md")]
#[derive(Clone)]
pub struct Engine {
    pub(crate) shell: Arc<Shell>,
}

/// An engine that may have been dropped: for what the engine itself holds on to, such as workflows.
///
/// ```
/// # use lumina_workflow::testing::TestEngine;
/// # let kit = TestEngine::new();
/// let engine = kit.engine();
/// let weak = engine.downgrade();
/// assert!(weak.upgrade().is_some());
/// ```
#[derive(Clone)]
pub struct WeakEngine(std::sync::Weak<Shell>);

impl WeakEngine {
    /// The engine, if it is still there.
    #[must_use]
    pub fn upgrade(&self) -> Option<Engine> {
        self.0.upgrade().map(|shell| Engine { shell })
    }
}

impl Engine {
    /// A handle that does not keep it alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakEngine {
        WeakEngine(Arc::downgrade(&self.shell))
    }

    /// Begins an engine on a store.
    #[must_use]
    pub fn builder(store: Arc<dyn Store>, runtime: Arc<dyn Runtime>) -> EngineBuilder {
        EngineBuilder::new(store, runtime)
    }

    /// Starts a worker that executes runs of the registered workflows.
    #[must_use]
    pub fn start_worker(&self, options: WorkerOptions) -> Worker {
        Worker::start(self.shell.clone(), options)
    }

    /// Starts a run. It is durable when this returns.
    ///
    /// # Errors
    /// When the input does not fit into a payload, or the database does not take it.
    pub async fn start<W: Workflow>(&self, input: &W::Input, options: StartOptions) -> Result<Started, EngineError> {
        self.start_prepared(self.prepare::<W>(input, options)?).await
    }

    /// Makes a run without starting it, for a transaction of the caller's own: the store's
    /// crate starts it there.
    ///
    /// # Errors
    /// When the workflow is not registered here, or the input or the key do not fit.
    pub fn prepare<W: Workflow>(&self, input: &W::Input, options: StartOptions) -> Result<NewRun, EngineError> {
        let unknown = || EngineError::UnknownWorkflow(W::NAME.to_owned());
        let definition = self.shell.definitions.get(W::NAME).ok_or_else(unknown)?;
        check_key("a start key", options.key.as_deref())?;
        if options
            .key
            .as_ref()
            .is_some_and(|key| key.starts_with(START_KEY_PREFIX))
        {
            let problem = format!("a start key that begins with {START_KEY_PREFIX} is for runs of schedules alone");
            return Err(EngineError::Invalid(problem));
        }
        check_key("a flow key", options.flow_key.as_deref())?;
        Ok(NewRun {
            id: RunId(self.shell.runtime.new_id()),
            workflow: W::NAME.to_owned(),
            hash: definition.hash,
            start_key: options.key,
            input: Payload::encode(input)?,
            priority: options.priority,
            delay: options.delay,
            known_since: self.shell.known_since,
            parent: None,
            flow_key: options.flow_key,
        })
    }

    /// Starts a prepared run.
    ///
    /// # Errors
    /// When its input is above the limit, or the database does not take it.
    pub async fn start_prepared(&self, new: NewRun) -> Result<Started, EngineError> {
        let run = new.id;
        new.input.measure("a run's input")?;
        match self.submit(Change::Start(new).into()).await? {
            // Its own id is found when the answer to its first try was lost: then it is new.
            Outcome::Existing { run: found, same_input } if found != run => {
                Ok(Started::Existing { run: found, same_input })
            }
            _ => Ok(Started::New(run)),
        }
    }

    /// Sends an event. It is durable when this returns.
    ///
    /// # Errors
    /// When a name is too long or the payload above the limit, or the database does not take it.
    pub async fn emit(&self, event: NewEvent) -> Result<Delivery, EngineError> {
        if let Some(problem) = event.problem() {
            return Err(EngineError::Invalid(problem));
        }
        event.payload.measure("an event's payload")?;
        match self.submit(Change::Emit(event).into()).await? {
            Outcome::Emitted(delivery) => Ok(delivery),
            other => unreachable!("an emit is answered as one, not with {other:?}"),
        }
    }

    /// Commits application writes through the pipeline, once per id however often it is asked.
    ///
    /// # Errors
    /// When the attachment refuses, or the database does not take it.
    ///
    /// ```
    /// # use lumina_workflow::{store::memory, testing::TestEngine, Payload};
    /// # let kit = TestEngine::new();
    /// # let engine = kit.engine();
    /// # kit.block_on(async {
    /// let once = uuid::Uuid::from_u128(7);
    /// let write = memory::attach(|tx| {
    ///     tx.put("greeting", Payload::encode("hello").expect("a text has a JSON form"));
    ///     Ok(Payload::null())
    /// });
    /// engine.transact(once, write.clone()).await?;
    /// engine.transact(once, write).await?; // answered, and not done again
    /// # Ok::<(), lumina_workflow::EngineError>(())
    /// # })?;
    /// assert_eq!(kit.memory().get("greeting"), Some(Payload::encode("hello")?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn transact(&self, id: Uuid, attachment: Attachment) -> Result<Payload, EngineError> {
        let member = Member {
            change: Change::Nothing { id },
            attach: Some(attachment),
        };
        match self.submit(member).await? {
            Outcome::Done { payload } => Ok(payload.unwrap_or_else(Payload::null)),
            other => unreachable!("an attachment alone is answered as one, not with {other:?}"),
        }
    }

    /// Stops a whole workflow: none of its runs is claimed any more until it is resumed, except
    /// to be cancelled. What is being executed goes on until it waits or ends. False when it was paused already.
    ///
    /// # Errors
    /// When the name or `by` is empty or too long, or the database does not take it.
    pub async fn pause_workflow(&self, name: &str, by: &str) -> Result<bool, EngineError> {
        self.steer(name, FlowCommandKind::Pause, by).await
    }

    /// Lets a paused workflow go on. False when it was not paused.
    ///
    /// # Errors
    /// As [`pause_workflow`](Self::pause_workflow).
    pub async fn resume_workflow(&self, name: &str, by: &str) -> Result<bool, EngineError> {
        self.steer(name, FlowCommandKind::Resume, by).await
    }

    async fn steer(&self, workflow: &str, what: FlowCommandKind, by: &str) -> Result<bool, EngineError> {
        check_key("a workflow's name", Some(workflow))?;
        check_key("a name", Some(by))?;
        let command = FlowCommand {
            workflow: workflow.to_owned(),
            what,
            by: by.to_owned(),
        };
        match self.submit(Change::Flow(command).into()).await? {
            Outcome::Commanded { effective } => Ok(effective),
            other => unreachable!("a command is answered as one, not with {other:?}"),
        }
    }

    pub(crate) async fn submit(&self, member: Member) -> Result<Outcome, EngineError> {
        Ok(self.shell.pipeline.submit(member).await??)
    }

    /// A run, if there is one with this id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn run(&self, id: RunId) -> Result<Option<RunRow>, StoreError> {
        let query = RunQuery {
            id: Some(id),
            limit: 1,
            ..RunQuery::default()
        };
        Ok(self.shell.store.runs(query).await?.items.into_iter().next())
    }

    /// Runs that fit, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn runs(&self, query: RunQuery) -> Result<Page<RunRow>, StoreError> {
        self.shell.store.runs(query).await
    }

    /// A run's history from after a place on, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn history(&self, run: RunId, after: Seq, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        self.shell.store.history(run, after, limit).await
    }

    /// Events that nobody has consumed: a run's, or for `None` those without a run.
    ///
    /// # Errors
    /// When the database does not answer.
    ///
    /// ```
    /// # use lumina_workflow::{store::InboxQuery, testing::TestEngine, CorrelationKey};
    /// # let kit = TestEngine::new();
    /// # kit.emit(CorrelationKey::new("carrier", "parcel-7"), "delivered", &());
    /// # let engine = kit.engine();
    /// # kit.block_on(async {
    /// let unrouted = engine.inbox(InboxQuery { run: None, after: 0, limit: 100 }).await?;
    /// assert_eq!(unrouted.events[0].name, "delivered");
    /// # Ok::<(), lumina_workflow::store::StoreError>(())
    /// # })?;
    /// # Ok::<(), lumina_workflow::store::StoreError>(())
    /// ```
    pub async fn inbox(&self, query: InboxQuery) -> Result<Inbox, StoreError> {
        self.shell.store.inbox(query).await
    }

    /// What is counted for flow control: of all workflows, or of one with its keys.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flows(&self, query: FlowQuery) -> Result<Vec<FlowRow>, StoreError> {
        self.shell.store.flows(query).await
    }

    /// The workflows that are registered here.
    #[must_use]
    pub fn definitions(&self) -> Vec<DefinitionInfo> {
        let tell = |d: &Arc<Definition>| DefinitionInfo {
            name: d.name,
            hash: d.hash,
            flow: d.flow,
            steps: d.order.iter().map(|step| (*step, d.steps[step.name].timeout)).collect(),
        };
        self.shell.definitions.values().map(tell).collect()
    }

    /// Waits until a run has ended, and tells how. The end of a run that this process executes is noticed at once,
    /// another one's within a second, or a sixtieth of the time that was waited.
    ///
    /// # Errors
    /// When there is no such run, or the database does not answer.
    pub async fn wait_for_end(&self, run: RunId) -> Result<Result<Payload, Failure>, EngineError> {
        let mut pause = Duration::from_millis(5);
        let mut waited = Duration::ZERO;
        let mut listening = self.shell.ends.listen(run);
        loop {
            let row = self.run(run).await?.ok_or(Refusal::UnknownRun(run))?;
            if let Some(ending) = ending_of(row) {
                return Ok(ending);
            }
            let mut ended = std::pin::pin!(listening.ended().fuse());
            futures_util::select_biased! {
                ending = ended => return Ok(ending.into_result()),
                () = self.shell.runtime.sleep(pause).fuse() => {}
            }
            // What other processes end is only looked for: after hours nobody minds a minute.
            waited += pause;
            pause = (pause * 2).min((waited / 60).clamp(Duration::from_secs(1), Duration::from_secs(60)));
        }
    }

    /// False while the database does not take what is written.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.shell.pipeline.is_healthy()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.shell.store
    }

    /// The runtime.
    #[must_use]
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.shell.runtime
    }
}

/// How a run has ended, if it has.
fn ending_of(row: RunRow) -> Option<Result<Payload, Failure>> {
    match row.status {
        RunStatus::Completed => Some(Ok(row.output.unwrap_or_else(Payload::null))),
        RunStatus::Failed | RunStatus::Cancelled => Some(Err(row
            .failure
            .unwrap_or_else(|| Failure::new("the cause was not recorded")))),
        _ => None,
    }
}

/// Keys hold outside ids, and strangers choose them.
fn check_key(what: &str, key: Option<&str>) -> Result<(), EngineError> {
    match key {
        Some(key) if key.is_empty() || key.len() > START_KEY_LIMIT => Err(EngineError::Invalid(format!(
            "{what} must have 1 to {START_KEY_LIMIT} bytes, this has {}",
            key.len()
        ))),
        _ => Ok(()),
    }
}
