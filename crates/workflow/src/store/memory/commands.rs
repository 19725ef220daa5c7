//! Commands: what somebody wishes of a run, or of an event that nobody has claimed.

use jiff::Timestamp;

use super::member::Attach;
use super::state::{Place, Run, State};
use crate::event::{CorrelationKey, Target};
use crate::history::Phase;
use crate::id::{Epoch, RunId};
use crate::store::control::{self, Effect, Standing};
use crate::store::{Command, CommandKind, Hint, MemberResult, Outcome, Refusal, RunStatus, UnroutedCommand};

impl State {
    pub fn command(&mut self, command: &Command, attach: Attach<'_>, now: Timestamp) -> MemberResult {
        let run = self.run(command.run).ok_or(Refusal::UnknownRun(command.run))?;
        let effect = control::judge(command, &standing(&run))?;
        if effect == Effect::Rewind {
            self.check_keys_of(command.run)?;
        }
        let effective = effect != Effect::Nothing;
        if effective {
            self.run_attachment(attach, now)?;
            self.obey(command, effect, now);
        }
        Ok(Outcome::Commanded { effective })
    }

    fn obey(&mut self, command: &Command, effect: Effect, now: Timestamp) {
        let mut run = self.run(command.run).expect("an attachment deletes no run");
        if matches!(effect, Effect::Wake | Effect::Hold | Effect::Rewind) && matches!(run.place, Place::Held { .. }) {
            // Whatever limit held it, this goes before it; the run keeps its place.
            self.let_go(&mut run, now);
        }
        run.row.inbox += 1;
        run.row.updated_at = now;
        note_wish(&mut run, command);
        self.note_in_history(&mut run, command, effect, now);
        match effect {
            Effect::Nothing => {}
            Effect::Tell => self.hints.push(Hint::Inbox(command.run)),
            Effect::Wake => {
                leave_pause(&mut run, now);
                self.make_ready(&mut run, now);
            }
            Effect::Unblock => self.unblock(&mut run, now),
            Effect::Hold => hold(&mut run, now),
            Effect::Release => self.release_paused(&mut run, now),
            Effect::Rewind => self.rewind(&mut run, now),
        }
        self.save(run);
        if effect == Effect::Rewind {
            self.adopt(&Target::Run(command.run), command.run, now);
            self.hold_keys_again(command.run, now);
        }
    }

    /// What changed the run at once is part of its history, under an epoch of its own.
    fn note_in_history(&mut self, run: &mut Run, command: &Command, effect: Effect, now: Timestamp) {
        let epoch = Epoch(run.row.epoch.0 + 1);
        let Some(record) = control::record(command, effect, run.row.phase, epoch, now) else {
            return;
        };
        run.row.epoch = epoch;
        run.row.seq = run.row.seq.plus(1);
        self.records.put((run.row.id, run.row.seq), record);
    }

    fn unblock(&mut self, run: &mut Run, now: Timestamp) {
        run.row.status = RunStatus::Waiting;
        run.row.blocked = None;
        run.misfits.clear();
        run.any_hash = true;
        self.make_ready(run, now);
    }

    fn release_paused(&mut self, run: &mut Run, now: Timestamp) {
        let resume_at = run.resume_at;
        leave_pause(run, now);
        match resume_at {
            Some(time) if time > now => self.set_timer(run, time),
            _ => self.make_ready(run, now),
        }
    }

    fn rewind(&mut self, run: &mut Run, now: Timestamp) {
        if let Some(ended) = run.row.finished_at.take() {
            self.ended.remove(&(ended, run.row.id));
        }
        let row = &mut run.row;
        row.phase = Phase::Main;
        (row.output, row.failure, row.failing_since) = (None, None, None);
        (row.cancel_by, row.pause_by, row.paused_at, row.begun_at) = (None, None, None, None);
        run.resume_at = None;
        run.place = Place::Nowhere;
        self.unblock(run, now);
    }

    /// The keys that the run held when it ended: still its own, so nobody else may have them.
    fn check_keys_of(&self, id: RunId) -> Result<(), Refusal> {
        let taken = self.keys_known(id).into_iter().find_map(|key| {
            let by = self.keys.get(&key).copied().filter(|by| *by != id)?;
            Some(Refusal::KeyTaken { key, by })
        });
        taken.map_or(Ok(()), Err)
    }

    fn hold_keys_again(&mut self, id: RunId, now: Timestamp) {
        for key in self.keys_known(id) {
            self.keys.put(key.clone(), id);
            self.adopt(&Target::Key(key), id, now);
        }
    }

    /// All keys that the run holds, or held until it ended.
    pub fn keys_known(&self, id: RunId) -> Vec<CorrelationKey> {
        let first = (id, CorrelationKey::new("", ""));
        let known = self.keys_of.range(first..).map(|((run, key), ())| (run, key));
        known
            .take_while(|(run, _)| **run == id)
            .map(|(_, key)| key.clone())
            .collect()
    }

    pub fn unrouted_command(&mut self, command: &UnroutedCommand, attach: Attach<'_>, now: Timestamp) -> MemberResult {
        if !self.unrouted.contains(&command.seq) {
            return Err(Refusal::UnknownEvent(command.seq));
        }
        if let Some(to) = command.to {
            self.check_receiver(to)?;
        }
        self.run_attachment(attach, now)?;
        match command.to {
            Some(to) => self.route_by_hand(command.seq, to, &command.by, now),
            None => self.delete_unrouted(command.seq),
        }
        Ok(Outcome::Handled)
    }

    fn check_receiver(&self, to: RunId) -> Result<(), Refusal> {
        let run = self.runs.get(&to).ok_or(Refusal::UnknownRun(to))?;
        if run.row.status.is_end() {
            return Err(Refusal::WrongStatus {
                run: to,
                status: run.row.status,
                problem: "it has ended, so it takes no event",
            });
        }
        self.check_room(&Target::Run(to))
    }
}

fn standing(run: &Run) -> Standing {
    Standing {
        status: run.row.status,
        phase: run.row.phase,
        cancel_asked: run.row.cancel_by.is_some(),
        pause_asked: run.row.pause_by.is_some(),
        seq: run.row.seq,
    }
}

fn note_wish(run: &mut Run, command: &Command) {
    match command.what {
        CommandKind::Cancel => {
            run.row.cancel_by = Some(command.by.clone());
            run.row.pause_by = None;
        }
        CommandKind::Pause => run.row.pause_by = Some(command.by.clone()),
        CommandKind::Resume | CommandKind::Rewind { .. } => run.row.pause_by = None,
    }
}

fn hold(run: &mut Run, now: Timestamp) {
    run.resume_at = match run.place {
        Place::Due(time) if run.row.status == RunStatus::Pending => Some(time),
        _ => None,
    };
    run.row.status = RunStatus::Paused;
    run.row.paused_at = Some(now);
    run.row.due_at = None;
    run.place = Place::Nowhere;
}

/// The time of `on_failure` stood still meanwhile.
fn leave_pause(run: &mut Run, now: Timestamp) {
    run.resume_at = None;
    let Some(paused_at) = run.row.paused_at.take() else {
        return;
    };
    run.row.status = match run.row.begun_at {
        Some(_) => RunStatus::Waiting,
        None => RunStatus::Pending,
    };
    if let Some(since) = &mut run.row.failing_since {
        *since = since.saturating_add(now.duration_since(paused_at)).unwrap_or(now);
    }
}
