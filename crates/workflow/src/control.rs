//! What people can do with runs: end them, hold them, let them go on, send them back.

use std::collections::BTreeSet;

use crate::driver::read_history;
use crate::engine::{Engine, EngineError};
use crate::history::{Phase, Record, What};
use crate::id::{RunId, Seq};
use crate::replay::{self, Known, Replay, StepEnd};
use crate::step::{StepKey, StepKind};
use crate::store::{Change, Command, CommandKind, Outcome, Refusal, RunRow, RunStatus, UnroutedCommand};

/// Whether a run that is sent back may do again what it has done outside.
///
/// An example is at [`RestartFrom`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MayRepeat {
    /// Only what is known not to have happened.
    #[default]
    Nothing,
    /// Outside effects that have happened, or may have: a person has made sure that this is right.
    Effects,
}

/// From where a run is done again.
///
/// ```
/// # use lumina_workflow::testing::TestEngine;
/// use lumina_workflow::{MayRepeat, RestartFrom};
/// # use lumina_workflow::{Failure, Run, Step, Workflow};
/// # const ASK: Step = Step::action("ask");
/// # const ANSWER: Step = Step::wait("wait-for-answer", "answer").timeout("1d");
/// # struct Survey;
/// # impl Workflow for Survey {
/// #     const NAME: &'static str = "survey";
/// #     const STEPS: &'static [Step] = &[ASK, ANSWER];
/// #     type Input = ();
/// #     type Output = ();
/// #     async fn run(&self, run: &Run, (): ()) -> Result<(), Failure> {
/// #         run.step(ASK, |_| async { Ok(()) }).await?;
/// #         run.wait(ANSWER).await
/// #     }
/// # }
/// # let kit = TestEngine::new().register(Survey);
/// # let run = kit.start::<Survey>(&());
/// # kit.settle();
/// # let engine = kit.engine();
/// # kit.block_on(async {
/// engine.pause(run, "ada").await?;
/// engine.restart(run, &RestartFrom::Beginning, "ada", MayRepeat::Nothing).await?;
/// # Ok::<(), lumina_workflow::EngineError>(())
/// # })?;
/// kit.settle();
/// assert_eq!(kit.attempts(ASK), 2);
/// # Ok::<(), lumina_workflow::EngineError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestartFrom {
    /// From its first line.
    Beginning,
    /// From a step of the main function: the only one of this name, or the one with this key.
    Step {
        /// The step's name.
        name: String,
        /// Its key.
        key: Option<StepKey>,
    },
}

/// A step's place in the history, from which on nothing counts.
struct Turn {
    step: u32,
    at: Seq,
}

/// Finds the place that a run is to go back to.
type FindTurn<'a> = dyn Fn(&RunRow, &[Record], &Replay) -> Result<Turn, EngineError> + Sync + 'a;

impl Engine {
    /// Asks a run to end. Waits, sleeps and backoff end at once, attempts by themselves; then `on_failure`
    /// runs. True when this was the first request.
    ///
    /// # Errors
    /// When there is no such run, it has ended, or the database does not take it.
    pub async fn cancel(&self, run: RunId, by: &str) -> Result<bool, EngineError> {
        self.command(run, CommandKind::Cancel, by).await
    }

    /// Asks a run to pause: no timer of it fires, and what comes in is kept. What is under way ends first. True when this
    /// was the first request.
    ///
    /// # Errors
    /// When there is no such run, it has ended or is blocked, or the database does not take it.
    pub async fn pause(&self, run: RunId, by: &str) -> Result<bool, EngineError> {
        self.command(run, CommandKind::Pause, by).await
    }

    /// Lets a paused run go on, or a blocked one try again.
    ///
    /// # Errors
    /// When there is no such run, it is neither paused nor blocked, or the database does not take it.
    pub async fn resume(&self, run: RunId, by: &str) -> Result<bool, EngineError> {
        self.command(run, CommandKind::Resume, by).await
    }

    /// Lets a failed run try again from the step that it failed in, with what the steps before have answered; and a
    /// blocked one as [`resume`](Self::resume) does. What follows is done again, so it may have to be said that outside
    /// effects may be repeated.
    ///
    /// # Errors
    /// When there is no such run, it has not failed, no step of it has, an effect would be repeated, or the database
    /// does not take it.
    pub async fn retry(&self, run: RunId, by: &str, may_repeat: MayRepeat) -> Result<bool, EngineError> {
        let row = self.row(run).await?;
        match row.status {
            RunStatus::Blocked => self.resume(run, by).await,
            RunStatus::Failed => self.go_back(run, by, may_repeat, &find_failed).await,
            status => Err(Refusal::WrongStatus {
                run,
                status,
                problem: "only a failed or blocked run can be retried; restart it from a step instead",
            }
            .into()),
        }
    }

    /// Sends a run back to a step of its main function, whatever became of it. What the steps before have answered
    /// stays; what was recorded later stays in the history and counts no more. Children that have not ended are
    /// cancelled; as they may act outside until then, that has to be allowed too, unless their workflow declares
    /// neither outside effects nor children. A run that is executed must be paused first.
    ///
    /// # Errors
    /// When there is no such run or step, an effect would be repeated, another run holds one of its keys by now, or
    /// the database does not take it.
    pub async fn restart(
        &self,
        run: RunId,
        from: &RestartFrom,
        by: &str,
        may_repeat: MayRepeat,
    ) -> Result<bool, EngineError> {
        self.go_back(run, by, may_repeat, &|row, _, replay| find_step(row.id, from, replay))
            .await
    }

    /// Decides by the history, and decides again when that has grown meanwhile.
    async fn go_back(
        &self,
        run: RunId,
        by: &str,
        may_repeat: MayRepeat,
        find: &FindTurn<'_>,
    ) -> Result<bool, EngineError> {
        let mut asked: Option<(Seq, What)> = None;
        loop {
            let row = self.row(run).await?;
            let records = read_history(&**self.store(), run).await?;
            if asked.is_some_and(|(seq, what)| records.get(seq.0 as usize).is_some_and(|next| next.what == what)) {
                // The answer to the first time was lost, and the second time came too late.
                return Ok(true);
            }
            let before = Replay::fold(&records, Phase::Main);
            let Turn { step, at } = find(&row, &records, &before)?;
            let mut after = before.clone();
            after.go_back(step, at);
            if may_repeat == MayRepeat::Nothing
                && let Some(step) = self.find_repeated(&records, &before, &after).await?
            {
                return Err(EngineError::WouldRepeat { run, step });
            }
            let seq = Seq(records.len() as u64);
            match self.command(run, CommandKind::Rewind { step, at, seq }, by).await {
                Err(EngineError::Refused(Refusal::OutOfSequence { .. })) => {
                    let by = by.to_owned();
                    asked = Some((seq, What::Rewound { by, step, at }));
                }
                Err(other) => return Err(other),
                Ok(effective) => {
                    self.leave_children(run, &records, &after).await;
                    return Ok(effective);
                }
            }
        }
    }

    /// The step that would do again what was done outside, be it itself or by a child. Of what the error handler has
    /// done nothing stays: if the run fails again, that is done again.
    async fn find_repeated(
        &self,
        records: &[Record],
        before: &Replay,
        after: &Replay,
    ) -> Result<Option<String>, EngineError> {
        if let Some(step) = self.find_repeated_of(before, after).await? {
            return Ok(Some(step));
        }
        let handler = Replay::fold(records, Phase::OnFailure);
        self.find_repeated_of(&handler, &Replay::default()).await
    }

    async fn find_repeated_of(&self, before: &Replay, after: &Replay) -> Result<Option<String>, EngineError> {
        for (ordinal, known) in &before.steps {
            let stays = after.steps.get(ordinal);
            let acted = match known.child {
                Some(child) if stays.and_then(|known| known.child) != Some(child) => self.may_have_acted(child).await?,
                _ => stays.is_none() && known.may_have_acted(),
            };
            if acted {
                return Ok(Some(known.step.name.clone()));
            }
        }
        Ok(None)
    }

    /// Whether a run, or one that it has started, has done something outside, or may have, as one whose history was
    /// purged may, and one that has not ended may until it is cancelled.
    async fn may_have_acted(&self, run: RunId) -> Result<bool, EngineError> {
        let mut open = vec![run];
        while let Some(run) = open.pop() {
            let row = self.run(run).await?;
            if row.is_none_or(|row| self.may_still_act(&row)) {
                return Ok(true);
            }
            let records = read_history(&**self.store(), run).await?;
            if has_acted(&records) {
                return Ok(true);
            }
            open.extend(records.iter().filter_map(|record| match record.what {
                What::ChildStarted { run } => Some(run),
                _ => None,
            }));
        }
        Ok(false)
    }

    /// Whether a run has not ended, and its workflow has outside effects, or children that may have.
    fn may_still_act(&self, row: &RunRow) -> bool {
        let definition = self.shell.definitions.get(row.workflow.as_str());
        let acts = |kind| matches!(kind, StepKind::Effect | StepKind::Child);
        let harmless = definition.is_some_and(|of| of.order.iter().all(|step| !acts(step.kind)));
        !row.status.is_end() && !harmless
    }

    /// Cancels the children of what counts no more. What this does not come to, whoever executes the run next does.
    async fn leave_children(&self, run: RunId, records: &[Record], after: &Replay) {
        let kept: BTreeSet<RunId> = after.live_children().map(|(_, child)| child).collect();
        for child in &replay::running(records) - &kept {
            if let Err(error) = self.cancel(child, &format!("run {run}")).await {
                tracing::debug!(%run, %child, %error, "a child that was left behind could not be cancelled from here");
            }
        }
    }

    /// Gives an event that nobody has claimed to a run.
    ///
    /// # Errors
    /// When there is no such event or run, the run has ended, or the database does not take it.
    pub async fn reroute(&self, seq: u64, to: RunId, by: &str) -> Result<(), EngineError> {
        self.handle_unrouted(seq, Some(to), by).await
    }

    /// Deletes an event that nobody has claimed.
    ///
    /// # Errors
    /// When there is no such event, or the database does not take it.
    pub async fn discard(&self, seq: u64, by: &str) -> Result<(), EngineError> {
        self.handle_unrouted(seq, None, by).await
    }

    async fn handle_unrouted(&self, seq: u64, to: Option<RunId>, by: &str) -> Result<(), EngineError> {
        let by = by.to_owned();
        let change = Change::Unrouted(UnroutedCommand { seq, to, by });
        self.submit(change.into()).await.map(drop)
    }

    async fn row(&self, run: RunId) -> Result<RunRow, EngineError> {
        Ok(self.run(run).await?.ok_or(Refusal::UnknownRun(run))?)
    }

    async fn command(&self, run: RunId, what: CommandKind, by: &str) -> Result<bool, EngineError> {
        let by = by.to_owned();
        match self.submit(Change::Command(Command { run, what, by }).into()).await? {
            Outcome::Commanded { effective } => Ok(effective),
            other => unreachable!("a command is answered as one, not with {other:?}"),
        }
    }
}

/// Whether a history has an outside effect that has happened, or may have, counted or not.
fn has_acted(records: &[Record]) -> bool {
    let ended = |record: &Record| match &record.what {
        What::Completed { .. } => true,
        What::Failed { failure, .. } => failure.is_unknown(),
        _ => false,
    };
    let of_effect = |record: &&Record| record.step.as_ref().is_some_and(|step| step.kind == StepKind::Effect);
    let open = |phase| {
        let replay = Replay::fold(records, phase);
        replay.steps.into_values().any(|known| known.may_have_acted())
    };
    records.iter().filter(of_effect).any(ended) || open(Phase::Main) || open(Phase::OnFailure)
}

/// The step that the run has failed in: the last one that failed as the run did, else with the name that its failure
/// has, else the last.
fn find_failed(row: &RunRow, records: &[Record], replay: &Replay) -> Result<Turn, EngineError> {
    let named = row.failure.as_ref().and_then(|failure| failure.step.as_deref());
    let message = row.failure.as_ref().map(|failure| failure.message.as_str());
    let told = |at: Seq| match &records[at.0 as usize - 1].what {
        What::Failed { failure, .. } => message == Some(failure.message.as_str()),
        _ => false,
    };
    let failed = |known: &Known| match known.end {
        Some((StepEnd::Failed(_), at)) => Some(at),
        _ => None,
    };
    let all = replay.steps.iter().filter_map(|(ordinal, known)| {
        let at = failed(known)?;
        let named = named == Some(known.step.name.as_str());
        Some((named && told(at), named, at, *ordinal))
    });
    match all.max() {
        Some((.., at, step)) => Ok(Turn { step, at }),
        None if records
            .iter()
            .all(|record| !matches!(record.what, What::Failing { .. })) =>
        {
            Err(no_step(row.id, "it has not failed".to_owned()))
        }
        None => Err(no_step(
            row.id,
            "no step of it has failed, its code has: restart it from a step that is to be done again".to_owned(),
        )),
    }
}

fn find_step(run: RunId, from: &RestartFrom, replay: &Replay) -> Result<Turn, EngineError> {
    let RestartFrom::Step { name, key } = from else {
        return Ok(Turn { step: 1, at: Seq(1) });
    };
    let wanted = |known: &Known| known.step.name == *name && key.as_ref().is_none_or(|key| *key == known.step.key);
    let mut found = replay.steps.iter().filter(|(_, known)| wanted(known));
    let turn = |(ordinal, known): (&u32, &Known)| Turn {
        step: *ordinal,
        at: known.first,
    };
    match (found.next(), found.next()) {
        (Some(only), None) => Ok(turn(only)),
        (None, _) => Err(no_step(run, format!("it has no step {name}{}", tell_key(key.as_ref())))),
        (Some(_), Some(_)) => {
            let keys = replay.steps.values().filter(|known| wanted(known));
            let keys: Vec<String> = keys.map(|known| known.step.key.to_string()).collect();
            let problem = format!(
                "step {name} was reached more than once, as {}: say which",
                keys.join(", ")
            );
            Err(no_step(run, problem))
        }
    }
}

fn tell_key(key: Option<&StepKey>) -> String {
    key.map_or_else(String::new, |key| format!(" ({key})"))
}

fn no_step(run: RunId, problem: String) -> EngineError {
    EngineError::NoSuchStep { run, problem }
}
