//! Money.

use lumina_fullenrich_sandbox::SandboxConfig;

use super::{looked_up, records};
use crate::world::{World, config, crowd, refs, secs};

const ONE: &str = "a@readers.example";

facts! {
    /// - **1 credit for a person found, 0 for none.**
    fn a_credit_a_person() {
        for (not_found_percent, everybody) in [(0, true), (40, false)] {
            let (world, answer) = looked_up(SandboxConfig { not_found_percent, ..config() }, 100);
            let full = |profile: &&serde_json::Value| profile.as_object().is_some_and(|fields| !fields.is_empty());
            let found = records(&answer).iter().map(|record| &record["profile"]).filter(full).count() as u64;
            assert_eq!(found == 100, everybody);
            assert_eq!((world.totals().charges, world.totals().balance), (found, 5_000 - found));
            assert_eq!(answer["cost"]["credits"], found);
        }
    }

    /// - A batch that cannot be paid for is **accepted** and fails minutes later with CREDITS_INSUFFICIENT [c]: look at the balance before, and expect it after.
    fn a_batch_that_cannot_be_paid_for() {
        let mut world = World::new(SandboxConfig { credits: 0, ..config() });
        assert_eq!(world.get("/api/v2/account/credits").json["balance"], 0.0);
        let id = world.start_for(&[ONE]);
        assert_eq!(world.read(&id).json["status"], "IN_PROGRESS");
        world.advance(secs(90));
        assert_eq!(world.read(&id).json["status"], "CREDITS_INSUFFICIENT");
        assert_eq!(world.totals().charges, 0);
    }

    /// - **No idempotency key.** Every POST is a new batch.
    fn every_post_is_a_new_batch() {
        let mut world = World::new(config());
        let ids = [world.start_for(&[ONE]), world.start_for(&[ONE])];
        assert_ne!(ids[0], ids[1]);
        assert_eq!(world.totals().batch_count, 2);
    }

    /// The same address again within 3 months costs 0 only once the first lookup has *finished*; two at the same time are both charged; duplicates within a batch are charged.
    fn repeats() {
        const DAY: u64 = 24 * 60 * 60;
        let charges = |between: &[u64]| {
            let mut world = World::new(config());
            world.start_for(&[ONE]);
            for span in between {
                world.advance(secs(*span));
                world.start_for(&["A@Readers.example"]);
            }
            world.advance(secs(90));
            world.account(ONE)
        };
        assert_eq!(charges(&[90]), (2, 1), "a repeat of a finished lookup is free");
        assert_eq!(charges(&[90, 89 * DAY]), (3, 1), "for three months");
        assert_eq!(charges(&[90, 91 * DAY]), (3, 2), "and no longer");
        assert_eq!(charges(&[0]), (2, 2), "of a running one it is charged");
        assert_eq!(charges(&[20]), (2, 2), "to its last moment");
        assert_eq!(charges(&[20, 90]), (3, 2));
        let mut world = World::new(config());
        world.start_for(&[ONE, "A@Readers.example"]);
        world.advance(secs(90));
        assert_eq!(world.account(ONE), (2, 2));
    }

    /// - Results are kept 3 months.
    fn results_are_kept() {
        let mut world = World::new(config());
        let id = world.start_for(&refs(&crowd("r", 3)));
        world.advance(secs(90));
        let day = secs(24 * 60 * 60);
        world.advance(day * 89);
        assert_eq!(world.read(&id).json["status"], "FINISHED");
        world.advance(day * 2);
        assert_eq!(world.read(&id).status, 404);
    }
}
