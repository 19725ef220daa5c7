//! What is applied again, because nobody knew that it had been.

use super::*;

/// The run is parked under this epoch, while this is in its inbox.
fn park(watch: &Watch, epoch: u64, events: Vec<StoredEvent>) {
    let lease = Lease {
        run: id(1),
        epoch: Epoch(epoch),
    };
    let inboxes = Inboxes::from([(id(1), inbox_of(events))]);
    advance_seeing(watch, P0, lease, 0, &[], Next::Park { wake_at: None }, &inboxes);
}

/// A park without records that is applied a second time looks away from nothing: an event that came after the first
/// time was seen by nobody. One under another epoch is another.
#[test]
fn a_park_that_is_applied_again_overlooks_nothing() {
    let watch = running();
    for epoch in [1, 2] {
        wait_for(&watch, epoch, "a");
    }
    park(&watch, 1, Vec::new());
    park(&watch, 1, vec![stored_event()]);
    assert!(watch.is_good(), "{:?}", watch.violations());
    claim(&watch, P0, id(1), 1, 2, &[]);
    park(&watch, 2, vec![stored_event()]);
    let found = watch.violations();
    assert!(
        matches!(&found[..], [only] if only.contains("was parked although an event was there")),
        "{found:?}"
    );
}
