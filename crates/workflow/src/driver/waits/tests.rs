//! Which events end a wait, against every way in which they could be dealt out.

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::event::Target;
use crate::id::RunId;

fn word(of: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(of).prop_map(str::to_owned)
}

fn filters() -> impl Strategy<Value = Vec<Filter>> {
    let key = prop::option::of(word(&["x", "y"]));
    let filter = (word(&["a", "b"]), key).prop_map(|(event, key)| Filter { event, key });
    prop::collection::vec(filter, 1..5)
}

fn inbox() -> impl Strategy<Value = Unseen> {
    let key = prop::option::of(word(&["x", "y"]));
    let events = prop::collection::vec((word(&["a", "b", "c"]), key), 0..7);
    events.prop_map(|events| {
        events
            .into_iter()
            .zip(1..)
            .map(|(event, seq)| (seq, stored(event, seq)))
            .collect()
    })
}

fn stored((name, key): (String, Option<String>), seq: u64) -> StoredEvent {
    StoredEvent {
        seq,
        id: format!("e{seq}"),
        target: Target::Run(RunId(uuid::Uuid::nil())),
        name,
        key,
        payload: Payload::null(),
        received_at: Timestamp::UNIX_EPOCH,
        by: None,
    }
}

fn wait(matching: Matching, filters: &[Filter]) -> OpenWait {
    let opened = Opened {
        at: Timestamp::UNIX_EPOCH,
        deadline: Timestamp::UNIX_EPOCH,
    };
    OpenWait::new(matching, filters.to_vec(), opened, false)
}

/// Whether some way to give each filter an event of its own exists.
fn can_be_dealt(filters: &[Filter], inbox: &Unseen, given: &mut Vec<u64>) -> bool {
    let Some((first, rest)) = filters.split_first() else {
        return true;
    };
    inbox.values().any(|event| {
        if given.contains(&event.seq) || !first.takes(event) {
            return false;
        }
        given.push(event.seq);
        let dealt = can_be_dealt(rest, inbox, given);
        given.pop();
        dealt
    })
}

proptest! {
    /// Whenever all can be had they are, each filter an event of its own that it takes.
    #[test]
    fn all_are_found_when_they_are_there(filters in filters(), inbox in inbox()) {
        let found = wait(Matching::All, &filters).find(&inbox);
        prop_assert_eq!(found.is_some(), can_be_dealt(&filters, &inbox, &mut Vec::new()));
        let Some(taken) = found else { return Ok(()) };
        let distinct: std::collections::BTreeSet<_> = taken.iter().collect();
        prop_assert_eq!(distinct.len(), filters.len());
        for (filter, seq) in filters.iter().zip(&taken) {
            prop_assert!(filter.takes(&inbox[seq]));
        }
        // Of events that are alike, the lower one.
        for (filter, seq) in filters.iter().zip(&taken) {
            let alike = |event: &&StoredEvent| (&event.name, &event.key) == (&inbox[seq].name, &inbox[seq].key);
            let lower = inbox.values().filter(alike).find(|event| event.seq < *seq && !taken.contains(&event.seq));
            prop_assert!(lower.is_none(), "{filter:?} got {seq} and {lower:?} was left");
        }
    }

    /// The first of any is the lowest that one of the filters takes.
    #[test]
    fn the_first_of_any_is_the_lowest(filters in filters(), inbox in inbox()) {
        let found = wait(Matching::Any, &filters).find(&inbox);
        let lowest = inbox.values().find(|event| filters.iter().any(|filter| filter.takes(event)));
        prop_assert_eq!(found, lowest.map(|event| vec![event.seq]));
    }
}
