//! One member of a group: applied as a whole, or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use uuid::Uuid;

use super::state::{Place, Run, State};
use super::{Tx, Writes};
use crate::error::StepError;
use crate::payload::Payload;
use crate::store::{
    Attachment, Change, Command, CommandKind, Delivery, FlowCommand, Hint, Member, MemberResult, NewEvent, NewRun,
    Outcome, Refusal, RunStatus,
};
use crate::{Phase, RunId};

type Attach<'a> = Option<&'a Attachment>;

impl State {
    /// An attachment belongs to its change: where the change was applied before, or changes
    /// nothing, it does not run.
    pub fn apply(&mut self, member: &Member, now: Timestamp) -> MemberResult {
        let attach = member.attach.as_ref();
        let answer = match &member.change {
            Change::Nothing { id } => self.answer_once(*id, attach, now),
            Change::Start(new) => self.start_with(new, attach, now),
            Change::Advance(advance) => self.advance(advance, attach, now),
            Change::Emit(event) => self.emit_with(event, attach, now),
            Change::Command(command) => self.command(command, attach, now),
            Change::Flow(command) => self.steer_with(command, attach, now),
        };
        match answer {
            Ok(_) => self.keep(),
            Err(_) => self.take_back(),
        }
        answer
    }

    /// Runs the application's writes, if there are any.
    pub fn run_attachment(&mut self, attach: Attach<'_>, now: Timestamp) -> Result<Option<Payload>, Refusal> {
        let Some(attach) = attach else { return Ok(None) };
        let writes = attach.open::<Writes>().expect("the group was checked");
        let mut tx = Tx::new(self, now);
        match catch_unwind(AssertUnwindSafe(|| writes(&mut tx))) {
            Ok(result) => result.map(Some).map_err(Refusal::Attachment),
            Err(_) => Err(Refusal::Attachment(StepError::fail(
                "the code of an attachment panicked",
            ))),
        }
    }

    fn answer_once(&mut self, id: Uuid, attach: Attach<'_>, now: Timestamp) -> MemberResult {
        if let Some(payload) = self.answers.get(&id) {
            return Ok(Outcome::Done {
                payload: payload.clone(),
            });
        }
        let payload = self.run_attachment(attach, now)?;
        self.answers.put(id, payload.clone());
        self.answers_by_age.put((now, id), ());
        Ok(Outcome::Done { payload })
    }

    fn start_with(&mut self, new: &NewRun, attach: Attach<'_>, now: Timestamp) -> MemberResult {
        if let Some(existing) = self.existing(new) {
            return Ok(existing);
        }
        self.run_attachment(attach, now)?;
        Ok(self.start(new, now))
    }

    fn emit_with(&mut self, event: &NewEvent, attach: Attach<'_>, now: Timestamp) -> MemberResult {
        if self.knows(event) {
            return Ok(Outcome::Emitted(Delivery::Duplicate));
        }
        self.run_attachment(attach, now)?;
        Ok(Outcome::Emitted(self.emit(event, now)))
    }

    fn command(&mut self, command: &Command, attach: Attach<'_>, now: Timestamp) -> MemberResult {
        let run = self.run(command.run).ok_or(Refusal::UnknownRun(command.run))?;
        let effective = match command.what {
            CommandKind::Cancel => can_cancel(&run)?,
            CommandKind::Retry => can_retry(&run)?,
        };
        if effective {
            self.run_attachment(attach, now)?;
            self.obey(command, now);
        }
        Ok(Outcome::Commanded { effective })
    }

    fn obey(&mut self, command: &Command, now: Timestamp) {
        let mut run = self.run(command.run).expect("an attachment deletes no run");
        if command.what == CommandKind::Cancel {
            run.row.cancel_by = Some(command.by.clone());
        }
        run.row.inbox += 1;
        run.row.updated_at = now;
        match run.row.status {
            RunStatus::Pending | RunStatus::Waiting if matches!(run.place, Place::Held { .. }) => {
                self.let_go(&mut run, now);
            }
            RunStatus::Pending | RunStatus::Waiting => self.make_ready(&mut run, now),
            RunStatus::Blocked => self.unblock(&mut run, now),
            RunStatus::Running => self.hints.push(Hint::Inbox(command.run)),
            _ => {}
        }
        self.save(run);
    }

    fn steer_with(&mut self, command: &FlowCommand, attach: Attach<'_>, now: Timestamp) -> MemberResult {
        let effective = self.can_steer(command);
        if effective {
            self.run_attachment(attach, now)?;
            self.steer(command, now);
        }
        Ok(Outcome::Commanded { effective })
    }

    fn unblock(&mut self, run: &mut Run, now: Timestamp) {
        run.row.status = RunStatus::Waiting;
        run.row.blocked = None;
        run.misfits.clear();
        run.any_hash = true;
        self.make_ready(run, now);
    }

    /// Makes a run ready before its time: one that waits for a timer, or for its delayed start.
    pub fn make_due(&mut self, id: RunId, now: Timestamp) -> bool {
        let Some(mut run) = self.run(id) else { return false };
        let early = matches!(run.row.status, RunStatus::Pending | RunStatus::Waiting);
        if !early || matches!(run.place, Place::Ready { .. } | Place::Held { .. }) {
            return false;
        }
        run.row.updated_at = now;
        self.make_ready(&mut run, now);
        self.save(run);
        true
    }
}

fn can_cancel(run: &Run) -> Result<bool, Refusal> {
    let asked = run.row.cancel_by.is_some();
    match run.row.status.is_end() {
        true => Err(wrong_status(run, "it has ended, so it cannot be cancelled")),
        false => Ok(!asked && run.row.phase == Phase::Main),
    }
}

fn can_retry(run: &Run) -> Result<bool, Refusal> {
    match run.row.status {
        RunStatus::Blocked => Ok(true),
        _ => Err(wrong_status(run, "only a blocked run can be retried")),
    }
}

fn wrong_status(run: &Run, problem: &'static str) -> Refusal {
    Refusal::WrongStatus {
        run: run.row.id,
        status: run.row.status,
        problem,
    }
}
