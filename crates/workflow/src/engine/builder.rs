//! What an engine is made of: its store, its workflows, its schedules.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Engine;
use crate::ends::Ends;
use crate::payload::Payload;
use crate::pipeline::{CommitsAtOnce, Pace, Pipeline};
use crate::runtime::Runtime;
use crate::schedule::{Declared, Schedule};
use crate::shell::Shell;
use crate::store::{Store, StoreError};
use crate::workflow::{Definition, DefinitionError, Overrides, Workflow};

/// Collects workflows for an [`Engine`].
///
#[doc = include_str!("builder_example.md")]
pub struct EngineBuilder {
    store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    definitions: BTreeMap<&'static str, Arc<Definition>>,
    schedules: BTreeMap<String, Declared>,
    pace: Pace,
    #[cfg(feature = "testing")]
    interceptor: Option<Arc<dyn crate::intercept::Interceptor>>,
}

impl EngineBuilder {
    pub(super) fn new(store: Arc<dyn Store>, runtime: Arc<dyn Runtime>) -> Self {
        Self {
            store,
            runtime,
            definitions: BTreeMap::new(),
            schedules: BTreeMap::new(),
            pace: Pace::default(),
            #[cfg(feature = "testing")]
            interceptor: None,
        }
    }

    /// Registers a workflow.
    ///
    /// # Errors
    /// When its declaration cannot work; the error names the step.
    pub fn register<W: Workflow>(self, workflow: W) -> Result<Self, DefinitionError> {
        self.register_with(workflow, &Overrides::default())
    }

    /// Registers a workflow with durations and limits from configuration.
    ///
    /// # Errors
    /// As [`register`](Self::register).
    pub fn register_with<W: Workflow>(mut self, workflow: W, overrides: &Overrides) -> Result<Self, DefinitionError> {
        let definition = Definition::read(workflow, overrides)?;
        if self.definitions.insert(W::NAME, Arc::new(definition)).is_some() {
            return Err(DefinitionError::DuplicateWorkflow {
                workflow: W::NAME.to_owned(),
            });
        }
        Ok(self)
    }

    /// The same workflows as an engine before had.
    #[cfg(feature = "testing")]
    pub(crate) fn with_definitions(mut self, definitions: BTreeMap<&'static str, Arc<Definition>>) -> Self {
        self.definitions = definitions;
        self
    }

    /// How many groups of changes this process commits at once, no two of which are about one run; one by default. A
    /// store that has one writer gains nothing from more. One that is a server does under load: while it makes one group
    /// durable, it works on another; how many are best it may know itself, and say by a [`CommitsAtOnce`].
    #[must_use]
    pub fn commits_at_once(mut self, count: impl Into<CommitsAtOnce>) -> Self {
        self.pace.at_once = count.into();
        self
    }

    /// How many changes have to wait before a further group is committed at once; fewer than otherwise, for tests in
    /// which nothing ever is a crowd.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn crowd(mut self, changes: usize) -> Self {
        self.pace.crowd = changes;
        self
    }

    /// Puts a test's hand between the engine and the code of its steps. The last one given counts.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn intercept(mut self, interceptor: Arc<dyn crate::intercept::Interceptor>) -> Self {
        self.interceptor = Some(interceptor);
        self
    }

    /// Declares a schedule that starts runs of a workflow with this input. The workflow has to
    /// be registered before.
    ///
    /// # Errors
    /// When it cannot work; the error names the schedule.
    pub fn schedule<W: Workflow>(mut self, schedule: Schedule, input: &W::Input) -> Result<Self, DefinitionError> {
        let (name, spec, at_start) = schedule.finish()?;
        let wrong = |problem: String| DefinitionError::Schedule {
            schedule: name.clone(),
            problem,
        };
        if !self.definitions.contains_key(W::NAME) {
            return Err(wrong(format!("the workflow {} is not registered", W::NAME)));
        }
        let input = Payload::encode(input).map_err(|e| wrong(format!("its input {e}")))?;
        let workflow = W::NAME;
        let declared = Declared {
            workflow,
            spec,
            input,
            at_start,
        };
        match self.schedules.insert(name.clone(), declared) {
            None => Ok(self),
            Some(_) => Err(wrong("is declared twice".to_owned())),
        }
    }

    /// The engine. It executes nothing until a worker is started.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn build(self) -> Result<Engine, StoreError> {
        let known_since = self.store.now().await?;
        let pipeline = Pipeline::start(self.store.clone(), &self.runtime, self.pace);
        Ok(Engine {
            shell: Arc::new(Shell {
                store: self.store,
                runtime: self.runtime,
                definitions: self.definitions,
                schedules: self.schedules,
                pipeline,
                ends: Ends::default(),
                known_since,
                #[cfg(feature = "testing")]
                interceptor: self.interceptor,
            }),
        })
    }
}
