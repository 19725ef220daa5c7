//! What people do with schedules.

use std::time::Duration;

use super::{Calendar, trigger_key};
use crate::engine::{Engine, EngineError};
use crate::id::RunId;
use crate::store::{Change, NewRun, Outcome, Refusal, ScheduleChange, ScheduleQuery, ScheduleRow, StoreError};

/// Schedules are read so many at a time.
pub(super) const PAGE: usize = 100;

/// How often somebody else may change a schedule under a command before it gives up.
const TRIES: usize = 10;

impl Engine {
    /// All schedules that the database has, by name: those of other engines, and removed ones,
    /// as well.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schedules(&self) -> Result<Vec<ScheduleRow>, StoreError> {
        all_schedules(&*self.shell.store).await
    }

    /// A schedule, if there is one of this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schedule(&self, name: &str) -> Result<Option<ScheduleRow>, StoreError> {
        let query = ScheduleQuery {
            name: Some(name.to_owned()),
            limit: 1,
            ..ScheduleQuery::default()
        };
        Ok(self.shell.store.schedules(query).await?.pop())
    }

    /// Holds a schedule: from now on its ticks start nothing, and they are not made up for. Runs
    /// that it has started go on. True when it was not held before.
    ///
    /// # Errors
    /// When there is no such schedule, it was removed, or the database does not take it.
    pub async fn pause_schedule(&self, name: &str, by: &str) -> Result<bool, EngineError> {
        let (name, by) = (name.to_owned(), by.to_owned());
        self.change_schedule(ScheduleChange::Pause { name, by }).await
    }

    /// Lets a schedule go on with its first tick from now; those during the pause are dropped.
    /// True when it was held.
    ///
    /// # Errors
    /// As [`pause_schedule`](Self::pause_schedule).
    pub async fn resume_schedule(&self, name: &str, by: &str) -> Result<bool, EngineError> {
        for _ in 0..TRIES {
            let row = self.declared_schedule(name).await?;
            let calendar = Calendar::read(&row.spec).map_err(EngineError::Invalid)?;
            let next_at = calendar.next_after(self.shell.store.now().await?);
            let resume = ScheduleChange::Resume {
                name: name.to_owned(),
                by: by.to_owned(),
                revision: row.revision,
                next_at,
            };
            match self.change_schedule(resume).await {
                Err(EngineError::Refused(Refusal::ScheduleChanged(_))) => continue,
                answer => return answer,
            }
        }
        Err(Refusal::ScheduleChanged(name.to_owned()).into())
    }

    /// Starts a run of a schedule now, whatever runs already and also when it is held. Its next
    /// tick stays. Answers the run.
    ///
    /// # Errors
    /// As [`pause_schedule`](Self::pause_schedule), or when its workflow is not registered here.
    pub async fn trigger_schedule(&self, name: &str, by: &str) -> Result<RunId, EngineError> {
        let row = self.declared_schedule(name).await?;
        let shell = &self.shell;
        let unknown = || EngineError::UnknownWorkflow(row.workflow.clone());
        let definition = shell.definitions.get(row.workflow.as_str()).ok_or_else(unknown)?;
        let id = RunId(shell.runtime.new_id());
        let run = new_run(&row, id, definition.hash, shell.known_since, trigger_key(name, id));
        let (name, by) = (name.to_owned(), by.to_owned());
        self.change_schedule(ScheduleChange::Trigger { name, by, run }).await?;
        Ok(id)
    }

    async fn declared_schedule(&self, name: &str) -> Result<ScheduleRow, EngineError> {
        let row = self.schedule(name).await?.filter(|row| row.removed_at.is_none());
        row.ok_or_else(|| Refusal::UnknownSchedule(name.to_owned()).into())
    }

    async fn change_schedule(&self, change: ScheduleChange) -> Result<bool, EngineError> {
        match self.submit(Change::Schedule(change).into()).await? {
            Outcome::Scheduled { effective } => Ok(effective),
            other => unreachable!("a schedule's change is answered as one, not with {other:?}"),
        }
    }
}

/// A run of a schedule.
pub(super) fn new_run(
    row: &ScheduleRow,
    id: RunId,
    hash: crate::DefinitionHash,
    known_since: jiff::Timestamp,
    start_key: String,
) -> NewRun {
    NewRun {
        id,
        workflow: row.workflow.clone(),
        hash,
        start_key: Some(start_key),
        input: row.input.clone(),
        priority: row.spec.priority,
        delay: Duration::ZERO,
        known_since,
        parent: None,
        flow_key: None,
    }
}

/// All pages.
pub(super) async fn all_schedules(store: &dyn crate::store::Store) -> Result<Vec<ScheduleRow>, StoreError> {
    let mut all: Vec<ScheduleRow> = Vec::new();
    loop {
        let query = ScheduleQuery {
            name: None,
            after: all.last().map(|row| row.name.clone()),
            limit: PAGE,
        };
        let page = store.schedules(query).await?;
        let is_last = page.len() < PAGE;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}
