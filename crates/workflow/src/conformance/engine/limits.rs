//! The size of payloads, at each way in.

use super::Make;
use super::groups::Bulky;
use super::script::{B, script};
use super::world::{World, event};
use crate::conformance::Act;
use crate::engine::{EngineError, StartOptions};
use crate::error::FailureKind;
use crate::payload::{PAYLOAD_HARD_LIMIT, Payload, PayloadError};

fn of(bytes: usize) -> Payload {
    Payload::from_stored("7".repeat(bytes))
}

/// Above the limit a payload is refused at the door, whoever made it, and the error says how large it
/// is, what is allowed and what to do; nothing is stored. What is exactly of the limit is taken.
pub fn a_payload_that_is_too_large_is_refused_at_the_door(make: Make<'_>) {
    let world = World::new(make);
    let process = world.boot(Bulky);
    let engine = &process.engine;
    let start = |input: String| world.run(engine.start::<Bulky>(&input, StartOptions::default()));
    let prepared = |bytes| {
        let mut new = engine
            .prepare::<Bulky>(&String::new(), StartOptions::default())
            .expect("it fits");
        new.input = of(bytes);
        world.run(engine.start_prepared(new))
    };
    let emit = |bytes| {
        let mut event = event("e", crate::CorrelationKey::new("orders", "7"), "ping", 0);
        event.payload = of(bytes);
        world.run(engine.emit(event))
    };
    let refusals = [
        start("x".repeat(PAYLOAD_HARD_LIMIT - 1)).map(|_| ()),
        prepared(PAYLOAD_HARD_LIMIT + 1).map(|_| ()),
        emit(PAYLOAD_HARD_LIMIT + 1).map(|_| ()),
    ];
    for refusal in refusals {
        let error = refusal.expect_err("it is too large");
        let size = PAYLOAD_HARD_LIMIT + 1;
        assert_eq!(error, EngineError::Payload(PayloadError::TooLarge { size }));
        assert_eq!(
            error.to_string(),
            "the payload is 1048577 bytes, above the limit of 1048576: store the bulk elsewhere and pass a reference"
        );
    }
    assert_eq!(world.all_runs().len(), 0);
    assert!(start("x".repeat(PAYLOAD_HARD_LIMIT - 2)).is_ok());
    assert!(prepared(PAYLOAD_HARD_LIMIT).is_ok());
    assert!(emit(PAYLOAD_HARD_LIMIT).is_ok());
}

/// A result that an attachment computes has the limit of any other: the step fails, and says so.
pub fn a_computed_result_that_is_too_large_fails_its_step(make: Make<'_>) {
    let world = World::new(make);
    let backend = world.backend.clone();
    world.boot(script!(
        [backend] | run,
        _ | {
            let writes = backend.attach(vec![Act::Put("cell", of(PAYLOAD_HARD_LIMIT + 1))]);
            run.step_in_tx::<u64>(B, writes).await
        }
    ));
    let run = world.start(1);
    let failure = world.end(run).expect_err("it does not fit");
    assert_eq!(
        (failure.kind, failure.step.as_deref()),
        (FailureKind::Failed, Some("b"))
    );
    let sentence = "an attachment's result is 1048577 bytes, above the limit of 1048576: store the bulk elsewhere";
    assert!(failure.message.contains(sentence), "{failure}");
    assert_eq!(world.backend.get("cell"), None);
}
