//! Waits and sleeps: matching events, deadlines.

use jiff::Timestamp;

use super::{Driver, Flow, loading};
use crate::board::{Deadline, Op};
use crate::event::StoredEvent;
use crate::history::What;
use crate::payload::Payload;
use crate::replay::Opened;
use crate::run::lock;
use crate::store::Next;

/// A wait whose event has not come.
pub(super) struct OpenWait {
    event: &'static str,
    event_key: Option<String>,
    pub deadline: Timestamp,
    opened_at: Timestamp,
    recorded: bool,
}

impl OpenWait {
    fn takes(&self, event: &StoredEvent) -> bool {
        event.name == self.event
            && self
                .event_key
                .as_ref()
                .is_none_or(|key| event.key.as_ref() == Some(key))
    }
}

impl Driver {
    /// Gives each newly reached step its place among what is open.
    pub(super) fn note_opened(&mut self) {
        let opened = lock(&self.board).take_opened();
        for ordinal in opened {
            let board = lock(&self.board);
            let known = board.known(ordinal).cloned();
            let slot = board.slot(ordinal);
            let (op, kind, name) = (slot.op.clone(), slot.step.kind, slot.step.name.clone());
            let open = slot_is_live(&known) && board.is_open(ordinal);
            drop(board);
            match op {
                _ if !open => {}
                Op::Wait { event_key, deadline } => {
                    let recorded = known.and_then(|known| known.opened);
                    let wait = self.make_wait(&name, event_key, deadline, recorded);
                    self.waits.insert(ordinal, wait);
                }
                Op::Sleep(deadline) => self.note_sleep(ordinal, deadline, known.and_then(|known| known.opened)),
                Op::Act { .. } | Op::InTx(_) => self.note_attempt(ordinal, kind, known),
            }
        }
    }

    fn make_wait(
        &self,
        name: &str,
        event_key: Option<String>,
        deadline: Option<Deadline>,
        recorded: Option<Opened>,
    ) -> OpenWait {
        let plan = &self.definition.steps[name];
        let declared = Deadline::After(plan.timeout.expect("a wait is registered with a deadline"));
        let fresh = || self.open(deadline.unwrap_or(declared));
        let Opened {
            at: opened_at,
            deadline,
        } = recorded.unwrap_or_else(fresh);
        OpenWait {
            event: plan.step.event.expect("a wait is declared with its event"),
            event_key,
            deadline,
            opened_at,
            recorded: recorded.is_some(),
        }
    }

    fn open(&self, deadline: Deadline) -> Opened {
        let at = self.now();
        Opened {
            at,
            deadline: resolve(deadline, at),
        }
    }

    fn note_sleep(&mut self, ordinal: u32, deadline: Deadline, recorded: Option<Opened>) {
        let opened = recorded.unwrap_or_else(|| self.open(deadline));
        if recorded.is_none() {
            self.record(
                ordinal,
                What::Opened {
                    deadline: opened.deadline,
                },
                opened.at,
            );
        }
        self.sleeps.insert(ordinal, opened);
    }

    /// Writes down the deadlines of waits that did not find their event at once.
    pub(super) fn record_open_waits(&mut self) {
        let fresh: Vec<_> = self
            .waits
            .iter()
            .filter(|(_, wait)| !wait.recorded)
            .map(|(ordinal, _)| *ordinal)
            .collect();
        for ordinal in fresh {
            let wait = self.waits.get_mut(&ordinal).expect("it was just found there");
            wait.recorded = true;
            let (deadline, opened_at) = (wait.deadline, wait.opened_at);
            self.record(ordinal, What::Opened { deadline }, opened_at);
        }
    }

    /// Gives the lowest event that some wait takes to the wait that was reached first. Which
    /// one that is follows from the inbox alone, so the record may wait for the next commit.
    pub(super) fn take_event(&mut self) -> bool {
        let found = self.events.values().find_map(|event| {
            let wait = self.waits.iter().find(|(_, wait)| wait.takes(event))?;
            Some((event.seq, *wait.0))
        });
        let Some((seq, ordinal)) = found else { return false };
        let event = self.events.remove(&seq).expect("it was just found there");
        let wait = self.waits.remove(&ordinal).expect("it was just found there");
        self.consumed.push(seq);
        self.complete(
            ordinal,
            What::Received {
                events: vec![event.id],
                payload: event.payload,
            },
            wait.opened_at,
        );
        true
    }

    /// Ends the wait or sleep that is due longest, if one is. The code sees it only after the
    /// commit, and the commit holds only if nothing came in meanwhile.
    pub(super) async fn expire(&mut self) -> Flow<bool> {
        let now = self.now();
        let waits = self.waits.iter().map(|(ordinal, wait)| (wait.deadline, *ordinal));
        let sleeps = self.sleeps.iter().map(|(ordinal, sleep)| (sleep.deadline, *ordinal));
        let due = waits.chain(sleeps).min().filter(|(deadline, _)| *deadline <= now);
        let Some((_, ordinal)) = due else { return Ok(false) };
        let (what, opened_at) = match self.sleeps.get(&ordinal) {
            Some(sleep) => (
                What::Completed {
                    attempt: 0,
                    payload: Some(Payload::null()),
                },
                sleep.at,
            ),
            None => (What::TimedOut, self.waits[&ordinal].opened_at),
        };
        self.record_open_waits();
        self.record(ordinal, what.clone(), opened_at);
        if !self.commit_guarded(Next::Running).await? {
            self.pending.pop();
            return Ok(true);
        }
        self.waits.remove(&ordinal);
        self.sleeps.remove(&ordinal);
        self.completions
            .extend(crate::replay::completion(&what).map(|told| (ordinal, told)));
        Ok(true)
    }

    /// Reads what came in since.
    pub(super) async fn read_inbox(&mut self) -> Flow<()> {
        let run = self.lease.run;
        let query = crate::store::InboxQuery {
            run: Some(run),
            after: 0,
            limit: 1,
        };
        let seen = loop {
            let read = async {
                let head = self.shell.store.inbox(query.clone()).await?;
                let events = loading::read_events(&self.shell, run, 0).await?;
                Ok::<_, crate::store::StoreError>((head, events))
            };
            match read.await {
                Ok(seen) => break seen,
                Err(error) => self.pause_after(&error).await?,
            }
        };
        let (head, events) = seen;
        self.inbox = head.counter;
        self.inbox_stale = false;
        self.cancel_by = head.cancel_by;
        self.events = events
            .into_iter()
            .filter(|(seq, _)| !self.consumed.contains(seq))
            .collect();
        Ok(())
    }

    /// The next time at which something ends or begins by itself.
    pub(super) fn next_time(&self) -> Option<Timestamp> {
        let waits = self.waits.values().map(|wait| wait.deadline);
        let sleeps = self.sleeps.values().map(|sleep| sleep.deadline);
        waits
            .chain(sleeps)
            .chain(self.delays.values().copied())
            .chain(self.handler_deadline())
            .min()
    }

    /// Something is open that can still end by itself or by an event.
    pub(super) fn has_open(&self) -> bool {
        !self.waits.is_empty() || !self.sleeps.is_empty() || !self.delays.is_empty()
    }

    /// Forgets what the code has dropped. An outside effect that acts goes on, and its end is
    /// recorded.
    pub(super) fn note_abandoned(&mut self) {
        let abandoned = lock(&self.board).take_abandoned();
        for ordinal in abandoned {
            let was_open = self.waits.remove(&ordinal).is_some()
                | self.sleeps.remove(&ordinal).is_some()
                | self.delays.remove(&ordinal).is_some()
                | self.to_start.remove(&ordinal);
            if was_open || self.stop_attempt(ordinal) {
                self.record(ordinal, What::Abandoned, self.now());
            }
        }
    }
}

fn slot_is_live(known: &Option<crate::replay::Known>) -> bool {
    known.as_ref().is_none_or(|known| !known.completed && !known.abandoned)
}

fn resolve(deadline: Deadline, now: Timestamp) -> Timestamp {
    match deadline {
        Deadline::At(time) => crate::clock::truncate(time),
        Deadline::After(duration) => crate::clock::truncate(now.saturating_add(duration).unwrap_or(Timestamp::MAX)),
    }
}
