//! `lumina answers`: what the provider said, and one that nobody claims routed anew.

use lumina_fullenrich_sandbox::sign;
use serde_json::{Value, json};

use crate::support::{Finished, SANDBOX_KEY, Serve, World, post, until_true};

/// Nobody is looked up within the test.
const SLOW: &str = "calls_per_minute = 100000\nlookup_min = \"10m\"\nlookup_max = \"10m\"\n";

/// An id that this provider never gives.
const ELSEWHERE: &str = "2db5ea61-1752-42cf-8ea1-ab1da060cd0a";

fn answers(world: &World, arguments: &[&str]) -> Finished {
    world.place.run(&[&["answers"], arguments].concat())
}

/// The final answer of the only batch, under an id that it was not accepted under.
fn make_body(world: &World) -> String {
    let database = world.place.database();
    let id = |sql: &str| {
        uuid::Uuid::from_slice(&database.value::<Vec<u8>>(sql))
            .unwrap()
            .to_string()
    };
    let custom = json!({
        "lumina_run": id("SELECT run FROM enrichment_post"), "lumina_job": id("SELECT id FROM enrichment_job"),
        "lumina_attempt": "1",
    });
    json!({
        "id": ELSEWHERE, "name": "Lumina", "status": "FINISHED", "cost": {"credits": 1},
        "data": [{"input": {"email": "invented0@gmail.com"}, "custom": custom, "profile": {"full_name": "Sarah Dev"}}],
    })
    .to_string()
}

fn deliver(server: &Serve, body: &str) -> Value {
    let call = post("/api/webhooks/enrichment")
        .header("x-signature-sha1", &sign(SANDBOX_KEY, body.as_bytes()))
        .body(body);
    server.call_openly(&call).ok()
}

#[test]
fn an_answer_that_nobody_claims_is_listed_shown_and_routed_anew() {
    let world = World::start(SLOW);
    let server = world.place.serve();
    assert!(answers(&world, &["list"]).ok().contains("No answers."));
    world.import(0..1);
    let database = world.place.database();
    until_true("the batch to be out", || database.count("enrichment") == 1);
    let body = make_body(&world);
    assert_eq!(deliver(&server, &body)["status"], "unrouted");

    let listed = answers(&world, &["list", "--unclaimed", "--json"]).json();
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&listed[0]["state"], &listed[0]["enrichmentId"], &listed[0]["source"]),
        (&json!("unclaimed"), &json!(ELSEWHERE), &json!("callback"))
    );
    let table = answers(&world, &["list"]);
    assert!(
        table.ok().contains(&format!("Next: lumina answers replay {id}")),
        "{table:?}"
    );
    assert_eq!(answers(&world, &["list", "--limit", "0", "--json"]).json(), json!([]));
    let unrouted = || world.place.run(&["workflows", "unrouted", "--json"]).json();
    assert_eq!(unrouted()[0]["for"], json!(format!("fullenrich/{ELSEWHERE}")));

    let shown = answers(&world, &["show", &id, "--json"]).json();
    assert_eq!(
        (&shown["cost"], &shown["people"][0]["fullName"]),
        (&json!(1), &json!("Sarah Dev"))
    );
    assert_eq!(
        (&shown["people"][0]["email"], &shown["people"][0]["found"]),
        (&json!("invented0@gmail.com"), &json!(true))
    );
    let told = answers(&world, &["show", &id]);
    assert!(
        told.ok().contains("no batch of ours is known") && told.out.contains("Sarah Dev"),
        "{told:?}"
    );
    assert_eq!(answers(&world, &["show", &id, "--raw"]).ok(), body, "as it came");

    let nobody = answers(&world, &["replay", &id]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.out.contains("Still nobody claims it"), "{nobody:?}");

    // As after a crash at the wrong moment: nobody remembers what the batch was accepted as.
    let forget = "UPDATE enrichment_post SET state = 'unknown', enrichment_id = NULL; DELETE FROM enrichment";
    database.open_to_write().execute_batch(forget).unwrap();
    let replayed = answers(&world, &["replay", &id, "--json"]).json();
    assert_eq!(replayed["fate"], "routed");
    server.workflow_when(replayed["workflowId"].as_str().unwrap(), "completed");
    assert_eq!(database.leads(), ["invented0@gmail.com"]);
    assert_eq!(answers(&world, &["list", "--unclaimed", "--json"]).json(), json!([]));
    assert_eq!(answers(&world, &["show", &id, "--json"]).json()["state"], "applied");
    let left = unrouted();
    let events = left.as_array().unwrap();
    assert!(
        events.iter().all(|event| event["event"] != "enrichment-complete"),
        "its event has done its duty: {left}"
    );
    answers(&world, &["replay", &id]).assert_failed("was applied at");
    answers(&world, &["show", ELSEWHERE]).assert_failed(&format!("there is no answer {ELSEWHERE}"));
    server.stop();
}
