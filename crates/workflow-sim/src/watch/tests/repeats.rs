//! What is applied again, because nobody knew that it had been.

use lumina_workflow::StoredEvent;
use lumina_workflow::store::Inbox;

use super::*;

/// The run is parked under this epoch, while this is in its inbox.
fn park(watch: &Watch, epoch: u64, events: Vec<StoredEvent>) {
    let advance = Advance {
        lease: Lease {
            run: id(1),
            epoch: Epoch(epoch),
        },
        seq: Seq(0),
        records: Vec::new(),
        consumed: Vec::new(),
        keys: Vec::new(),
        starts: Vec::new(),
        emits: Vec::new(),
        guard: None,
        next: Next::Park { wake_at: None },
    };
    let inbox = Inbox {
        counter: 0,
        cancel_by: None,
        pause_by: None,
        events,
    };
    let outcome = Outcome::Advanced {
        inbox: 0,
        payload: None,
        news: None,
    };
    let member = Member::from(Change::Advance(advance));
    watch.committed(P0, &[member], &Inboxes::from([(id(1), inbox)]), &Ok(vec![Ok(outcome)]));
}

/// A park without records that is applied a second time looks away from nothing: an event that came after the first
/// time was seen by nobody. One under another epoch is another.
#[test]
fn a_park_that_is_applied_again_overlooks_nothing() {
    let event = StoredEvent {
        seq: 1,
        id: "e".to_owned(),
        target: id(1).into(),
        name: "a".to_owned(),
        key: None,
        payload: number(1),
        received_at: moment(0),
        by: None,
    };
    let watch = running();
    for epoch in [1, 2] {
        let wait = Waiting {
            phase: Phase::Main,
            step: "s1".to_owned(),
            key: "#1".to_owned(),
        };
        let expected = super::super::overlooked::Expected {
            all: false,
            events: vec![("a".to_owned(), None)],
        };
        watch.expect_event(id(1), (Epoch(epoch), wait), expected);
    }
    park(&watch, 1, Vec::new());
    park(&watch, 1, vec![event.clone()]);
    assert!(watch.is_good(), "{:?}", watch.violations());
    claim(&watch, P0, id(1), 1, 2, &[]);
    park(&watch, 2, vec![event]);
    let found = watch.violations();
    assert!(
        matches!(&found[..], [only] if only.contains("was parked although an event was there")),
        "{found:?}"
    );
}
