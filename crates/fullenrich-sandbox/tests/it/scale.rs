//! The whole of a large list, on the virtual clock.

use lumina_fullenrich_sandbox::SandboxConfig;

use crate::world::{BATCH_URL, BULK, CONTACT_URL, World, batch, config, crowd, refs, secs};

/// Twenty-four hours' worth of look-ups under the provider's real limits. What is slow here would be quadratic.
#[test]
fn a_hundred_and_twenty_thousand_addresses() {
    let mut world = World::new(SandboxConfig {
        not_found_percent: 30,
        credits: 120_000,
        ..config()
    });
    for n in 0..1_200 {
        let mut body = batch(&refs(&crowd(&format!("r{n}x"), 100)));
        if n % 10 != 0 {
            body.as_object_mut().unwrap().remove("webhook_events");
        }
        while world.post(BULK, &body).status == 429 {
            world.advance(secs(1));
        }
    }
    world.advance(secs(24 * 60 * 60));
    let totals = world.totals();
    assert_eq!(
        (totals.lookups, totals.batches_ended, totals.address_count),
        (120_000, 1_200, 120_000)
    );
    assert_eq!(totals.most_contacts_at_once, 100);
    assert_eq!(totals.charged_twice_count, 0);
    assert_eq!(totals.balance + totals.charges, 120_000);
    assert!((82_000..86_000).contains(&totals.charges), "{totals:?}");
    assert_eq!(world.arrivals(BATCH_URL).len(), 1_200);
    assert_eq!(world.arrivals(CONTACT_URL).len(), 12_000);
}
