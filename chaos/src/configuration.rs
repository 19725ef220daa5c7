//! The files that configure a run: neither Lumina nor the sandbox is told anything another way.

use std::time::Duration;

use crate::place::Place;
use crate::scene::{Budget, Scene};

/// The sandbox accepts it, and signs callbacks with it.
pub const API_KEY: &str = "chaos-key-not-real";

/// Signs the bodies of subscribers.
pub const SUBSCRIBE_SECRET: &str = "a-secret-for-the-chaos-webhook";

/// Lumina's `lumina.toml`.
pub(crate) fn of_lumina(place: &Place, scene: &Scene, budget: Budget) -> String {
    let (times, serve, sandbox) = (&scene.times, place.serve, place.sandbox);
    format!(
        r#"[database]
url = "{database}"

[server]
address = "{serve}"

[webhooks]
secret = "{SUBSCRIBE_SECRET}"

[fullenrich]
api_key = "{API_KEY}"
base_url = "http://{sandbox}/api/v2"
webhook_url = "http://{serve}"
calls_per_minute = 100000
connect_timeout = "{connect}"
timeout = "{timeout}"

[enrichment]
deadline = "{deadline}"
reconcile_window = "{window}"
linger = "{linger}"
max_in_flight_batches = {max_in_flight}
sweep = "{sweep}"
schedule = "{sweep}"
probe = "{probe}"
late_poll = "{late_poll}"

[enrichment.poll]
first = "{poll_first}"
every = "{poll_every}"

[enrichment.retry]
first = "{retry}"
unreachable = "{unreachable}"

[enrichment.budget]
per_day = {per_day}
per_month = {per_month}

[worker]
lease = "{lease}"

[log]
filter = "info"
"#,
        database = place.database,
        connect = span(times.timeout / 2),
        lease = span(times.lease),
        timeout = span(times.timeout),
        deadline = span(times.deadline),
        window = span(times.window),
        linger = span(times.linger),
        max_in_flight = scene.max_in_flight,
        sweep = span(times.sweep),
        probe = span(times.probe),
        late_poll = span(times.late_poll),
        poll_first = span(times.poll_first),
        poll_every = span(times.poll_every),
        retry = span(times.retry),
        unreachable = span(times.unreachable),
        per_day = budget.per_day,
        per_month = budget.per_month,
    )
}

/// The sandbox's settings.
pub(crate) fn of_sandbox(scene: &Scene, seed: u64) -> String {
    let provider = &scene.provider;
    // TOML's numbers have a sign.
    let seed = seed >> 1;
    format!(
        r#"api_key = "{API_KEY}"
seed = {seed}
credits = 1000000
not_found_percent = 25
calls_per_minute = 100000
contacts_at_once = 1000
lookup_min = "{min}"
lookup_max = "{max}"
lookup_latency = "long_tailed"
callback_retry_every = "{retry}"
callback_timeout = "2s"

{moods}"#,
        min = span(provider.lookup_min),
        max = span(provider.lookup_max),
        retry = span(provider.callback_retry),
        moods = scene.moods.to_toml(),
    )
}

fn span(span: Duration) -> String {
    format!("{}ms", span.as_millis())
}
