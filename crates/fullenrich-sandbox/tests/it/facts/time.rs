//! Limits and time.

use serde_json::json;

use crate::world::{BATCH_URL, BULK, World, batch, config, crowd, refs, secs};

facts! {
    /// - **60 calls a minute**, all endpoints together, fixed window on the calendar minute.
    fn sixty_calls_a_minute() {
        let mut world = World::new(config());
        world.advance(secs(50));
        let id = world.start_for(&["a@readers.example"]);
        for n in 0..59 {
            let status = match n % 4 {
                0 => world.get("/api/v2/account/credits").status,
                1 => world.get("/api/v2/account/keys/verify").status,
                2 => world.read(&id).status,
                _ => world.post(BULK, &batch(&["b@readers.example"])).status,
            };
            assert_eq!(status, 200, "{n}");
        }
        assert_eq!(world.get("/api/v2/account/credits").status, 429);
        assert_eq!(world.post(BULK, &batch(&["c@readers.example"])).status, 429);
        world.advance(secs(9));
        assert_eq!(world.get("/api/v2/account/credits").status, 429, "ten seconds are not a minute");
        world.advance(secs(1));
        assert_eq!(world.get("/api/v2/account/credits").status, 200, "a minute of the clock has begun");
    }

    /// 100 contacts looked up at once per workspace; the rest queue.
    fn a_hundred_at_once() {
        let mut world = World::new(config());
        world.start_for(&refs(&crowd("a", 70)));
        let second = world.start_for(&refs(&crowd("b", 70)));
        let third = world.start_for(&refs(&crowd("c", 10)));
        let totals = world.totals();
        assert_eq!((totals.contacts_in_flight, totals.contacts_waiting), (100, 50));
        assert_eq!(world.read(&second).json["status"], "IN_PROGRESS");
        assert_eq!(world.read(&third).json["status"], "CREATED");
        world.advance(secs(240));
        assert_eq!((world.totals().lookups, world.totals().most_contacts_at_once), (150, 100));
    }

    /// A contact takes 30 to 90 s, a batch of 100 usually under 4 minutes, no promise.
    fn how_long_it_takes() {
        let mut world = World::new(config());
        let id = world.start_for(&refs(&crowd("r", 100)));
        world.advance(secs(29));
        assert_eq!(world.totals().lookups, 0);
        world.advance(secs(31));
        assert!((1..100).contains(&world.totals().lookups));
        world.advance(secs(30));
        assert_eq!(world.totals().lookups, 100);
        assert_eq!(world.read(&id).json["status"], json!("FINISHED"));
        assert_eq!(world.arrivals(BATCH_URL).len(), 1);
        let mut slow = World::new(config().with_lookup_delay(secs(600)));
        let id = slow.start_for(&["a@readers.example"]);
        slow.advance(secs(300));
        assert_eq!(slow.read(&id).json["status"], "IN_PROGRESS");
    }
}
