//! A large list through the provider's real limits.

use std::time::Duration;

use lumina_enrichment::job::JobStatus;
use lumina_fullenrich_sandbox::SandboxConfig;
use lumina_workflow::store::RunStatus;

use super::world::{On, World, settings};

const ADDRESSES: u64 = 120_000;

/// 60 calls a minute, 100 contacts at once, 30 to 90 s each: more than a day of lookups, in
/// which no batch may time out while it waits for its turn.
#[test]
fn of_120_000_addresses_none_times_out_none_is_bought_twice_and_none_fails() {
    let world = World::start(
        On::File,
        SandboxConfig {
            credits: 2 * ADDRESSES,
            ..SandboxConfig::default()
        },
        settings(),
    );
    world.import((0..ADDRESSES).map(|number| format!("person{number}@gmail.com")));

    let census = world.run_until_settled(Duration::from_secs(1_800));

    let answered = census.of_status(JobStatus::Enriched) + census.of_status(JobStatus::NotFound);
    assert_eq!(answered, ADDRESSES, "{census:?}");
    assert_eq!(world.runs(RunStatus::Failed), [], "no run fails");
    let report = world.sandbox.report();
    assert!(
        report.charged_twice.is_empty(),
        "bought twice: {:?}",
        report.charged_twice
    );
    assert_eq!(
        census.credits_used,
        census.of_status(JobStatus::Enriched),
        "a credit for each person found"
    );
    assert!(
        report.totals.calls.most_in_a_minute <= 60,
        "the provider's limit is kept"
    );
}
