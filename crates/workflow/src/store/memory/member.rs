//! One member of a group: applied as a whole, or not at all.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jiff::Timestamp;
use uuid::Uuid;

use super::state::{Place, State};
use super::{Tx, Writes};
use crate::RunId;
use crate::error::StepError;
use crate::payload::Payload;
use crate::store::{
    Attachment, CLAIMED_EVENTS, Change, Delivery, FlowCommand, Hint, InboxQuery, Member, MemberResult, NewEvent,
    NewRun, Outcome, Refusal, RunStatus,
};

pub(super) type Attach<'a> = Option<&'a Attachment>;

impl State {
    /// A group. What came in for a run in it comes along with that run's own answer.
    pub fn apply_all(&mut self, batch: &[Member], now: Timestamp) -> Vec<MemberResult> {
        let mut answers: Vec<MemberResult> = batch.iter().map(|member| self.apply(member, now)).collect();
        for (member, answer) in batch.iter().zip(&mut answers) {
            if let (Some(run), Ok(outcome)) = (member.executing(), answer) {
                self.bring_news(run, outcome);
            }
        }
        answers
    }

    fn bring_news(&mut self, run: RunId, answer: &mut Outcome) {
        let hint = Hint::Inbox(run);
        let Outcome::Advanced { news, .. } = answer else {
            return;
        };
        if !self.hints.contains(&hint) {
            return;
        }
        let query = InboxQuery {
            run: Some(run),
            after: 0,
            limit: CLAIMED_EVENTS,
        };
        let now = self.inbox(&query);
        if now.events.len() < CLAIMED_EVENTS {
            self.hints.retain(|other| *other != hint);
            *news = Some(Box::new(now));
        }
    }

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
            Change::Unrouted(command) => self.unrouted_command(command, attach, now),
            Change::Schedule(change) => self.change_schedule(change, attach, now),
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
            Ok(result) => {
                let admit = |payload: Payload| payload.admit("an attachment's result").map(|()| Some(payload));
                result.and_then(admit).map_err(Refusal::Attachment)
            }
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
        self.check_room(&event.target)?;
        self.run_attachment(attach, now)?;
        Ok(Outcome::Emitted(self.emit(event, now)))
    }

    fn steer_with(&mut self, command: &FlowCommand, attach: Attach<'_>, now: Timestamp) -> MemberResult {
        let effective = self.can_steer(command);
        if effective {
            self.run_attachment(attach, now)?;
            self.steer(command, now);
        }
        Ok(Outcome::Commanded { effective })
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
