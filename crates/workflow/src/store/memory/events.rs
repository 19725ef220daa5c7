//! Events: stored once, routed to whoever their target is.

use jiff::Timestamp;

use super::state::{Event, Run, State, later};
use crate::event::{NewEvent, StoredEvent, Target};
use crate::id::RunId;
use crate::store::{Delivery, EVENT_BUFFER_LIMIT, Hint, Inbox, InboxQuery, Refusal, RunStatus};

impl State {
    /// Whether the event was stored before.
    pub fn knows(&self, event: &NewEvent) -> bool {
        self.event_ids.contains(&(event.target.clone(), event.id.clone()))
    }

    /// Stores an event that was not known, and routes it.
    pub fn emit(&mut self, event: &NewEvent, now: Timestamp) -> Delivery {
        if self.knows(event) {
            return Delivery::Duplicate;
        }
        let seq = self.next_number();
        self.event_ids.put((event.target.clone(), event.id.clone()), seq);
        self.events.put(
            seq,
            Event {
                stored: stored(event, seq, now),
                expires_at: later(now, event.kept_for),
            },
        );
        match self.holder(&event.target) {
            Some(run) => {
                self.route(seq, run, now);
                Delivery::Routed(run)
            }
            None => {
                self.unroute(seq);
                Delivery::Unrouted
            }
        }
    }

    /// Whether the target takes one more event.
    pub fn check_room(&self, target: &Target) -> Result<(), Refusal> {
        let (holder, count) = match self.holder(target) {
            Some(run) => (
                format!("the inbox of run {run}"),
                self.runs.get(&run).map_or(0, |run| run.row.buffered),
            ),
            None => {
                let waiting = self.awaited.range((target.clone(), 0)..=(target.clone(), u64::MAX));
                (format!("what waits for {target}"), waiting.count() as u64)
            }
        };
        match count < EVENT_BUFFER_LIMIT {
            true => Ok(()),
            false => Err(Refusal::InboxFull { holder }),
        }
    }

    /// Gives an unrouted event to a run, because somebody says so.
    pub fn route_by_hand(&mut self, seq: u64, to: RunId, by: &str, now: Timestamp) {
        self.forget_unrouted(seq);
        let mut event = self.events.get(&seq).expect("unrouted events are stored").clone();
        event.stored.by = Some(by.to_owned());
        self.events.put(seq, event);
        self.route(seq, to, now);
    }

    /// The run that has not ended and is the target, or holds its key.
    fn holder(&self, target: &Target) -> Option<RunId> {
        match target {
            Target::Run(id) => self
                .runs
                .get(id)
                .filter(|run| !run.row.status.is_end())
                .map(|run| run.row.id),
            Target::Key(key) => self.keys.get(key).copied(),
        }
    }

    fn route(&mut self, seq: u64, id: RunId, now: Timestamp) {
        self.inboxes.put((id, seq), ());
        let mut run = self.run(id).expect("events are routed to runs that exist");
        run.row.inbox += 1;
        run.row.buffered += 1;
        run.row.updated_at = now;
        match run.row.status {
            RunStatus::Waiting => self.make_ready(&mut run, now),
            RunStatus::Running => self.hints.push(Hint::Inbox(id)),
            _ => {}
        }
        self.save(run);
    }

    fn unroute(&mut self, seq: u64) {
        let event = self.events.get(&seq).expect("only stored events are unrouted");
        let (target, expires_at) = (event.stored.target.clone(), event.expires_at);
        self.unrouted.put(seq, ());
        self.awaited.put((target, seq), ());
        self.expiring.put((expires_at, seq), ());
    }

    /// Moves the unrouted events for a target into a run's inbox, in their order.
    pub fn adopt(&mut self, target: &Target, id: RunId, now: Timestamp) {
        for (_, seq) in self.awaited.keys((target.clone(), 0)..=(target.clone(), u64::MAX)) {
            self.forget_unrouted(seq);
            self.route(seq, id, now);
        }
    }

    fn forget_unrouted(&mut self, seq: u64) {
        let event = self.events.get(&seq).expect("unrouted events are stored");
        let (target, expires_at) = (event.stored.target.clone(), event.expires_at);
        self.unrouted.remove(&seq);
        self.awaited.remove(&(target, seq));
        self.expiring.remove(&(expires_at, seq));
    }

    /// Takes an event out of an inbox for good; its id stays known.
    pub fn consume(&mut self, id: RunId, seq: u64) {
        if self.inboxes.remove(&(id, seq)).is_some() {
            self.consumed.put((id, seq), ());
            let mut run = self.run(id).expect("whoever consumes exists");
            run.row.buffered -= 1;
            self.save(run);
        }
    }

    /// What is left in the inbox of a run that has ended belongs to nobody.
    pub fn empty_inbox(&mut self, id: RunId) {
        for key in self.inboxes.keys((id, 0)..=(id, u64::MAX)) {
            self.inboxes.remove(&key);
            self.unroute(key.1);
        }
    }

    /// Deletes an event that nobody has claimed.
    pub fn delete_unrouted(&mut self, seq: u64) {
        self.forget_unrouted(seq);
        self.delete_event(seq);
    }

    pub fn delete_event(&mut self, seq: u64) {
        if let Some(event) = self.events.remove(&seq) {
            self.event_ids.remove(&(event.stored.target, event.stored.id));
        }
    }

    pub fn inbox(&self, query: &InboxQuery) -> Inbox {
        let Some(id) = query.run else {
            let events = self
                .unrouted
                .range(query.after.saturating_add(1)..)
                .map(|(seq, ())| *seq);
            return Inbox {
                counter: 0,
                cancel_by: None,
                pause_by: None,
                events: self.stored_events(events, query.limit),
            };
        };
        let run = self.runs.get(&id);
        Inbox {
            counter: run.map_or(0, |run| run.row.inbox),
            cancel_by: run.and_then(Run::cancel_by),
            pause_by: run.and_then(|run| run.row.pause_by.clone()),
            events: self.inbox_events(id, query.after, query.limit),
        }
    }

    pub fn inbox_events(&self, id: RunId, after: u64, limit: usize) -> Vec<StoredEvent> {
        let range = (id, after.saturating_add(1))..=(id, u64::MAX);
        self.stored_events(self.inboxes.range(range).map(|((_, seq), ())| *seq), limit)
    }

    fn stored_events(&self, seqs: impl Iterator<Item = u64>, limit: usize) -> Vec<StoredEvent> {
        seqs.take(limit)
            .map(|seq| {
                self.events
                    .get(&seq)
                    .expect("an index names stored events")
                    .stored
                    .clone()
            })
            .collect()
    }
}

fn stored(event: &NewEvent, seq: u64, now: Timestamp) -> StoredEvent {
    StoredEvent {
        seq,
        id: event.id.clone(),
        target: event.target.clone(),
        name: event.name.clone(),
        key: event.key.clone(),
        payload: event.payload.clone(),
        received_at: now,
        by: event.by.clone(),
    }
}
