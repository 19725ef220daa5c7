//! Events: where each one goes, and who consumes it.

use lumina_workflow::store::{Delivery, Next};
use lumina_workflow::{CorrelationKey, Event, NewEvent, Payload, Record, RunId, Target, What};

use super::{EventPlace, EventSeen, Standing, State};

impl State {
    /// An event was stored, or was there already.
    pub(super) fn stored(&mut self, event: &NewEvent, delivery: Delivery) {
        let place = (event.target.clone(), event.id.clone());
        let known = self.events.contains_key(&place);
        if known != (delivery == Delivery::Duplicate) {
            self.blame(format!(
                "event {} was stored before: {known}, and is {delivery:?}",
                event.id
            ));
        }
        if !known && self.goes_astray(&event.target, delivery) {
            self.blame(format!("event {} went astray: it is {delivery:?}", event.id));
        }
        let payload = event.payload.as_str().to_owned();
        self.events.entry(place).or_insert(EventSeen { payload });
    }

    /// A run that has not ended, or holds the key, gets it; nobody else does.
    fn goes_astray(&self, target: &Target, delivery: Delivery) -> bool {
        let holder = match target {
            Target::Run(run) => self.runs.get(run).map(|known| (*run, known)),
            Target::Key(key) => self.keys.get(key).and_then(|run| Some((*run, self.runs.get(run)?))),
        };
        match (holder, delivery) {
            (Some((run, known)), _) if !matches!(known.standing, Standing::Ended(_)) => {
                delivery != Delivery::Routed(run)
            }
            (Some(_), Delivery::Routed(_)) => true,
            (None, Delivery::Routed(_)) => matches!(target, Target::Key(_)),
            _ => false,
        }
    }

    /// Keys are a run's own from the record on with which they were registered until its end.
    pub(super) fn hold(&mut self, id: RunId, keys: &[CorrelationKey], next: &Next) -> Vec<String> {
        let mut problems = Vec::new();
        for key in keys {
            self.run(id).keys.insert(key.clone());
            let before = self.keys.insert(key.clone(), id);
            if before.is_some_and(|holder| holder != id) {
                problems.push(format!("key {} was registered while another run held it", key.key));
            }
        }
        if matches!(next, Next::Finish(_)) {
            self.keys.retain(|_, holder| *holder != id);
        }
        problems
    }

    /// Each event is consumed once over all histories, and is what was sent.
    pub(super) fn consume(&mut self, id: RunId, records: &[Record]) {
        for record in records {
            let What::Received { events, payload } = &record.what else {
                continue;
            };
            for event in events {
                let problem = self.consume_one(id, record, &event.id, payload);
                problem.into_iter().for_each(|problem| self.blame(problem));
            }
        }
    }

    fn consume_one(&mut self, id: RunId, record: &Record, event: &str, payload: &Payload) -> Option<String> {
        let name = self.run(id).name();
        let ordinal = record.step.as_ref().map_or(0, |step| step.ordinal);
        let at = (record.phase, ordinal, record.epoch);
        let known: Vec<_> = self
            .events
            .keys()
            .filter(|(_, known)| known == event)
            .cloned()
            .collect();
        if known.is_empty() && self.attachments_send {
            let place = (Target::Run(id), event.to_owned());
            let before = self.consumed.insert(place, (id, at)).filter(|by| *by != (id, at));
            return before.map(|_| format!("{name}: event {event} was consumed before"));
        }
        if known.is_empty() {
            return Some(format!("{name}: consumed event {event}, which nobody sent"));
        }
        // An id is unique per target: to this run, or to some key that it holds.
        let own = known.into_iter().filter(|(target, _)| match target {
            Target::Run(run) => *run == id,
            Target::Key(_) => true,
        });
        let own: Vec<_> = own.collect();
        let free = |place: &&EventPlace| self.consumed.get(*place).is_none_or(|by| *by == (id, at));
        let Some(place) = own.iter().find(free).or(own.first()).cloned() else {
            return Some(format!("{name}: consumed event {event} of another run"));
        };
        if self.events[&place].payload != told(payload, event) {
            return Some(format!("{name}: event {event} is not what was sent"));
        }
        match self.consumed.insert(place, (id, at)) {
            Some(before) if before != (id, at) => Some(format!("{name}: event {event} was consumed before")),
            _ => None,
        }
    }
}

/// What a record tells of one of its events: all of it, or the event's part when there may be several.
fn told(payload: &Payload, event: &str) -> String {
    let several = payload.decode::<Vec<Event>>();
    let events = several.or_else(|_| payload.decode::<Event>().map(|event| vec![event]));
    let own = events.into_iter().flatten().find(|told| told.id == event);
    own.map_or_else(|| payload.as_str().to_owned(), |told| told.payload.as_str().to_owned())
}
