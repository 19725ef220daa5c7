//! What came in raw goes again; what was made of it stays.

use std::time::Duration;

use lumina::records::LeadQuery;
use lumina_fullenrich_sandbox::SandboxConfig;
use lumina_workflow::Runtime;

use super::world::{On, World, on_each_database, settings};

fn raw_answers(world: &World) -> u64 {
    world.count("SELECT count(*) FROM lumina.enrichment_answer")
}

fn raw_answers_are_deleted_after_their_time_and_leads_are_not(on: On) {
    let world = World::start(
        on,
        SandboxConfig {
            not_found_percent: 0,
            ..SandboxConfig::default()
        },
        settings(),
    );
    world.import((0..5).map(|number| format!("person{number}@gmail.com")));
    world.run_until_settled(Duration::from_secs(60));
    assert_eq!(raw_answers(&world), 6, "one for each contact, and the batch's");

    world.run(world.runtime.sleep(Duration::from_secs(25 * 3_600)));

    assert_eq!(raw_answers(&world), 0, "kept for a day here");
    let query = LeadQuery {
        limit: 10,
        ..LeadQuery::default()
    };
    assert_eq!(world.run(world.app().records.leads(query)).unwrap().len(), 5);
}

on_each_database![raw_answers_are_deleted_after_their_time_and_leads_are_not,];
