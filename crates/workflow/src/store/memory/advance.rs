//! A step forward in a run: its guards in their order, then all that it changes.

use jiff::Timestamp;

use super::schedules::is_scheduled;
use super::state::{Place, Run, State};
use crate::clock::truncate;
use crate::event::{CorrelationKey, Target};
use crate::history::{Phase, Record, What};
use crate::id::{RunId, Seq};
use crate::payload::Payload;
use crate::store::{Advance, Attachment, Ending, Hint, MemberResult, Next, Outcome, Refusal, RunStatus};

impl State {
    pub fn advance(&mut self, advance: &Advance, attach: Option<&Attachment>, now: Timestamp) -> MemberResult {
        let id = advance.lease.run;
        let run = self.run(id).ok_or(Refusal::UnknownRun(id))?;
        if run.row.epoch != advance.lease.epoch {
            return Err(Refusal::LeaseLost(id));
        }
        if let Some(answer) = self.first_answer(&run, advance, attach.is_some()) {
            return Ok(answer);
        }
        self.check_guards(&run, advance)?;
        let payload = self.run_attachment(attach, now)?;
        self.write_records(advance, payload.as_ref());
        advance.consumed.iter().for_each(|seq| self.consume(id, *seq));
        advance.keys.iter().for_each(|key| self.hold_key(key, id, now));
        advance.starts.iter().for_each(|new| {
            self.start(new, now);
        });
        advance.emits.iter().for_each(|event| {
            self.emit(event, now);
        });
        let inbox = self.go_on(advance, run.row.inbox, now);
        Ok(Outcome::Advanced {
            inbox,
            payload,
            news: None,
        })
    }

    /// The answer of the first time, when this was applied before.
    ///
    /// Without records that shows only in a run that was given back: under one lease that
    /// happens once, so it was this change that did it.
    fn first_answer(&self, run: &Run, advance: &Advance, attached: bool) -> Option<Outcome> {
        if run.row.seq != advance.seq.plus(advance.records.len()) {
            return None;
        }
        let applied = match advance.records.is_empty() {
            true => was_given_back(run.row.status, &advance.next),
            false => self
                .places(advance)
                .all(|(place, record)| self.is_stored(place, record, attached)),
        };
        let computed = self
            .places(advance)
            .filter(|(_, record)| attached && takes_result(record));
        let payload = computed.filter_map(|(place, _)| self.stored_payload(place)).next();
        applied.then_some(Outcome::Advanced {
            inbox: run.answered,
            payload,
            news: None,
        })
    }

    /// The records of a change with the places that they take.
    fn places<'a>(&self, advance: &'a Advance) -> impl Iterator<Item = ((RunId, Seq), &'a Record)> + use<'a> {
        let (run, before) = (advance.lease.run, advance.seq);
        advance
            .records
            .iter()
            .enumerate()
            .map(move |(index, record)| ((run, before.plus(index + 1)), record))
    }

    fn is_stored(&self, place: (RunId, Seq), record: &Record, attached: bool) -> bool {
        let Some(stored) = self.records.get(&place) else {
            return false;
        };
        match attached && takes_result(record) {
            true => stored == &with_result(record, self.stored_payload(place).as_ref()),
            false => stored == record,
        }
    }

    fn stored_payload(&self, place: (RunId, Seq)) -> Option<Payload> {
        match &self.records.get(&place)?.what {
            What::Completed { payload, .. } => payload.clone(),
            _ => None,
        }
    }

    fn check_guards(&self, run: &Run, advance: &Advance) -> Result<(), Refusal> {
        let id = run.row.id;
        if run.row.seq != advance.seq {
            return Err(Refusal::OutOfSequence {
                run: id,
                found: run.row.seq,
            });
        }
        if run.row.status != RunStatus::Running {
            return Err(Refusal::LeaseLost(id));
        }
        if advance.guard.is_some_and(|seen| seen != run.row.inbox) {
            return Err(Refusal::InboxChanged { inbox: run.row.inbox });
        }
        let holder = |key: &CorrelationKey| self.keys.get(key).copied().filter(|holder| *holder != id);
        match advance.keys.iter().find_map(|key| Some((key, holder(key)?))) {
            Some((key, by)) => Err(Refusal::KeyTaken { key: key.clone(), by }),
            None => Ok(()),
        }
    }

    fn write_records(&mut self, advance: &Advance, result: Option<&Payload>) {
        for (place, record) in self.places(advance) {
            let record = match takes_result(record) {
                true => with_result(record, result),
                false => record.clone(),
            };
            self.records.put(place, record);
        }
    }

    fn hold_key(&mut self, key: &CorrelationKey, id: RunId, now: Timestamp) {
        self.keys.put(key.clone(), id);
        self.keys_of.put((id, key.clone()), ());
        self.adopt(&Target::Key(key.clone()), id, now);
    }

    /// Writes the row. The inbox counter afterwards is the answer.
    fn go_on(&mut self, advance: &Advance, seen: u64, now: Timestamp) -> u64 {
        let id = advance.lease.run;
        let mut run = self.run(id).expect("an attachment deletes no run");
        run.row.seq = advance.seq.plus(advance.records.len());
        run.row.updated_at = now;
        run.answered = run.row.inbox;
        match &advance.next {
            Next::Running => {}
            Next::Park { wake_at } => self.park(&mut run, *wake_at, seen, now),
            Next::Release => self.release(&mut run, now),
            Next::Failing { cause } => {
                run.row.phase = Phase::OnFailure;
                run.row.failure.get_or_insert_with(|| cause.clone());
                run.row.failing_since.get_or_insert(now);
            }
            Next::Pause { by } => {
                run.row.status = RunStatus::Paused;
                (run.row.pause_by, run.row.paused_at) = (Some(by.clone()), Some(now));
                run.row.due_at = None;
                run.place = Place::Nowhere;
            }
            Next::Finish(ending) => self.finish(&mut run, ending, now),
            Next::Block { reason, hash } => {
                run.row.status = RunStatus::Blocked;
                run.row.blocked = Some(reason.clone());
                run.row.due_at = None;
                run.misfits.insert(*hash);
                run.place = Place::Blocked;
                self.hints.push(Hint::Ready);
            }
        }
        let inbox = run.row.inbox;
        self.save(run);
        inbox
    }

    /// What its own change has brought in makes it ready at once: nobody has looked at it.
    fn park(&mut self, run: &mut Run, wake_at: Option<Timestamp>, seen: u64, now: Timestamp) {
        run.row.status = RunStatus::Waiting;
        run.row.due_at = None;
        match wake_at {
            _ if run.row.inbox != seen => self.become_ready(run, now),
            Some(time) => self.set_timer(run, truncate(time)),
            None => run.place = Place::Nowhere,
        }
    }

    fn release(&mut self, run: &mut Run, now: Timestamp) {
        run.row.status = RunStatus::Waiting;
        self.become_ready(run, now);
    }

    /// It was executed until now, so its turn begins now, whenever its lease ended.
    fn become_ready(&mut self, run: &mut Run, now: Timestamp) {
        run.place = Place::Nowhere;
        self.make_ready(run, now);
    }

    fn finish(&mut self, run: &mut Run, ending: &Ending, now: Timestamp) {
        let id = run.row.id;
        run.row.finished_at = Some(now);
        run.row.due_at = None;
        run.row.pause_by = None;
        run.row.buffered = 0;
        run.place = Place::Nowhere;
        match ending {
            Ending::Completed(output) => {
                run.row.status = RunStatus::Completed;
                run.row.output = Some(output.clone());
            }
            Ending::Failed(failure) => {
                run.row.status = RunStatus::Failed;
                run.row.failure = Some(failure.clone());
            }
            Ending::Cancelled(failure) => {
                run.row.status = RunStatus::Cancelled;
                run.row.failure = Some(failure.clone());
            }
        }
        self.give_back(run, now);
        self.ended.put((now, id), ());
        if is_scheduled(&run.row) {
            self.hints.push(Hint::Schedule);
        }
        self.empty_inbox(id);
        for key in self.keys_known(id) {
            self.keys.remove(&key);
        }
    }
}

fn takes_result(record: &Record) -> bool {
    matches!(record.what, What::Completed { payload: None, .. })
}

fn with_result(record: &Record, result: Option<&Payload>) -> Record {
    let mut record = record.clone();
    if let What::Completed { payload, .. } = &mut record.what {
        *payload = result.cloned();
    }
    record
}

fn was_given_back(status: RunStatus, next: &Next) -> bool {
    match next {
        Next::Running | Next::Failing { .. } => false,
        Next::Park { .. } | Next::Release | Next::Block { .. } => {
            matches!(status, RunStatus::Waiting | RunStatus::Blocked)
        }
        Next::Pause { .. } => status == RunStatus::Paused,
        Next::Finish(Ending::Completed(_)) => status == RunStatus::Completed,
        Next::Finish(Ending::Failed(_)) => status == RunStatus::Failed,
        Next::Finish(Ending::Cancelled(_)) => status == RunStatus::Cancelled,
    }
}
