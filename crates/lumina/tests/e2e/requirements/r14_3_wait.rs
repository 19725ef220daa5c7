//! 14.3: the workflow waits for the provider's callback.

use std::time::Duration;

use jiff::SignedDuration;

use super::workflow_id;
use crate::support::{Call, Workflow, World, until_within};

/// A provider that never gets anywhere.
const BUSY: &str = "calls_per_minute = 100000\nlookup_min = \"10h\"\nlookup_max = \"10h\"\n";

#[test]
fn requirement_14_3_the_workflow_waits_for_the_callback_across_a_restart() {
    let world = World::start(BUSY);
    let mut server = world.place.serve();
    let id = workflow_id(&server.subscribe("sarah.dev@gmail.com")).to_owned();
    let waiting = server.workflow_when(&id, "waiting");
    assert_eq!(waiting.words("wait-for-webhook"), ["opened"]);
    assert_waits_a_day(&waiting);
    assert_eq!(world.place.database().jobs(), [("submitted".to_owned(), 1)].into());
    assert_eq!(server.show("/api/dashboard/metrics")["pendingCount"], 1);

    // A wait is a row: the process may go.
    server.process.kill();
    let server = world.place.serve();
    let moved = until_within(Duration::from_millis(500), || {
        Some(server.workflow(&id)).filter(|workflow| workflow.0 != waiting.0)
    });
    assert!(moved.is_none(), "nothing happens while nothing comes: {moved:?}");
    assert_eq!(world.gateway.count(Call::Submit), 1);
    assert_eq!(world.gateway.count(Call::Read), 0, "the provider is not asked");
    server.stop();
}

/// The deadline counts from the POST.
fn assert_waits_a_day(waiting: &Workflow) {
    let submitted = waiting.of_step("submit-to-fullenrich");
    let posted = submitted.last().unwrap()["payload"]["accepted"]["postedAt"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let deadline = Workflow::time(waiting.of_step("wait-for-webhook")[0], "/detail/deadline");
    let off = (deadline.duration_since(posted) - SignedDuration::from_hours(24)).abs();
    assert!(off < SignedDuration::from_millis(1), "{waiting:?}");
}
