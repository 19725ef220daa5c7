//! Nobody is bought again within `enrichment.refresh_after`, whichever door they come through.

use std::time::Duration;

use lumina::records::{Channel, JobId, Records};
use lumina_enrichment::email::EmailAddress;
use lumina_enrichment::subscriber::NewSubscriber;
use lumina_workflow::Runtime;
use serde_json::Value;

use super::provider::person;
use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A door: a webhook, a file, and a request to look up whoever was not yet.
#[derive(Debug, Clone, Copy)]
enum Door {
    Webhook,
    File,
    Enrich,
}

impl Town {
    /// Comes in through a door, in other letters than the first time. How many lookups that created.
    fn enter(&self, door: Door, address: &str) -> u64 {
        let app = self.world.app();
        let channel = match door {
            Door::Webhook => Channel::Webhook,
            Door::File => Channel::File,
            Door::Enrich => {
                let ids = vec![JobId(self.world.runtime.new_id())];
                let create = app
                    .engine
                    .transact(self.world.runtime.new_id(), Records::create_jobs(ids));
                return self.world.run(create).unwrap().decode().unwrap();
            }
        };
        let email = EmailAddress::parse(address).unwrap();
        let row = NewSubscriber::new(email, "test", &app.classifier);
        let taken = lumina::ingest::ingest(app, vec![row], u64::MAX, channel, None);
        self.world.run(taken).unwrap().jobs
    }
}

/// Little happens by itself, so that days pass quickly.
fn quiet_town(on: On) -> Town {
    Town::with(on, |settings| {
        settings.sweep_every = 10 * DAY;
        settings.late_poll = 10 * DAY;
        settings.refresh_after = 6 * DAY;
    })
}

fn an_address_is_bought_once_whichever_door_it_comes_through(on: On) {
    let town = quiet_town(on);
    town.provider.next([Fate::Accepted, Fate::AcceptedUnheard, Fate::Lost]);
    town.send(0..2);
    town.hush();
    let post = town.provider.accepted()[0].clone();
    town.call_back(&post.body("FINISHED", |email| {
        Some(if email.starts_with("person0") {
            person(email)
        } else {
            Value::Null
        })
    }));
    town.expect_jobs(&[("enriched", 1), ("not_found", 1)]);
    for after in [Duration::ZERO, 4 * DAY] {
        town.pass(after);
        for door in [Door::Webhook, Door::File, Door::Enrich] {
            for address in ["Person0@Gmail.com", "per.son1+news@googlemail.com"] {
                assert_eq!(town.enter(door, address), 0, "{address} by {door:?} after {after:?}");
            }
        }
    }
    town.pass(3 * DAY);
    assert_eq!(
        town.enter(Door::File, "person0@gmail.com"),
        0,
        "a file refreshes nobody"
    );
    assert_eq!(
        town.enter(Door::Webhook, "person0@gmail.com"),
        1,
        "who signs up again after so long is looked up anew"
    );
    assert_eq!(town.enter(Door::Webhook, "person0@gmail.com"), 0, "and once");
}

/// What may have been charged and was not answered is not bought again through any door, however long ago it was.
fn a_stale_lookup_is_bought_again_through_no_door(on: On) {
    let mut town = quiet_town(on);
    town.send(0..1);
    town.hush();
    town.pass(2 * DAY);
    town.expect_jobs(&[("stale", 1)]);
    for is_much_later in [false, true] {
        match is_much_later {
            false => town.pass(MINUTE),
            true => town.world.pass_months(12 * DAY),
        }
        for door in [Door::Webhook, Door::File, Door::Enrich] {
            assert_eq!(town.enter(door, "person0@gmail.com"), 0, "by {door:?}");
        }
    }
    assert_eq!(town.provider.posts().len(), 1);
}

on_each_database![
    an_address_is_bought_once_whichever_door_it_comes_through,
    a_stale_lookup_is_bought_again_through_no_door,
];
