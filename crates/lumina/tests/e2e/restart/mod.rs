//! `kill -9` at the worst moments, and at random ones: nothing is lost, nobody is paid for twice.

mod chosen;
mod random;

use crate::support::World;

/// How many people are looked up.
const PEOPLE: u32 = 300;

/// A provider that answers after 3 s and looks at everybody at once.
const SANDBOX: &str = r#"
calls_per_minute = 100000
contacts_at_once = 1000
lookup_min = "3s"
lookup_max = "3s"
callback_retry_every = "200ms"
"#;

/// The same, but a batch that was accepted is answered only so much later.
const LATE_ANSWER: &str = "answer_min = \"20s\"\nanswer_max = \"20s\"\n";

/// A world in which what is lost is asked for soon.
fn start_world(sandbox: &str) -> World {
    let mut world = World::start(sandbox);
    let settings = [
        ("enrichment.reconcile_window", "10s"),
        ("enrichment.poll.first", "2s"),
        ("enrichment.poll.every", "1s"),
        ("enrichment.sweep", "500ms"),
        ("enrichment.schedule", "500ms"),
    ];
    settings.iter().for_each(|(key, value)| world.place.set(key, value));
    world
}
