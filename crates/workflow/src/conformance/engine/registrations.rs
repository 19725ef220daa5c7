//! Registration: declarations that cannot work are refused, naming the step.

use std::sync::Arc;
use std::time::Duration;

use super::Make;
use super::script::{PING, PONG, Script, script};
use super::world::{MINUTE, World};
use crate::engine::{Engine, EngineBuilder};
use crate::error::Failure;
use crate::event::EVENT_NAME_LIMIT;
use crate::retry::Retry;
use crate::run::Run;
use crate::step::{STEP_NAME_LIMIT, Step};
use crate::workflow::{DefinitionError, Overrides, Workflow};

const LONG: &str = match std::str::from_utf8(&[b'x'; STEP_NAME_LIMIT + 1]) {
    Ok(text) => text,
    Err(_) => "",
};
const LONG_EVENT: &str = match std::str::from_utf8(&[b'x'; EVENT_NAME_LIMIT + 1]) {
    Ok(text) => text,
    Err(_) => "",
};

macro_rules! declared {
    ($($name:ident = [$($step:expr),*];)*) => {$(
        struct $name;

        impl Workflow for $name {
            const NAME: &'static str = "declared";
            const STEPS: &'static [Step] = &[$($step),*];
            type Input = ();
            type Output = ();

            async fn run(&self, _: &Run, (): ()) -> Result<(), Failure> {
                Ok(())
            }
        }
    )*};
}

declared! {
    Twice = [Step::action("same"), Step::sleep("same")];
    NoDeadline = [Step::wait("endless", "ping")];
    NoAttempts = [Step::action("never").retry(Retry::exponential(0))];
    BadTimeout = [Step::action("odd").timeout("soon")];
    BadFirst = [Step::action("odd").retry(Retry::constant(2).first("later"))];
    BadCap = [Step::action("odd").retry(Retry::constant(2).cap("-5s"))];
    ZeroTimeout = [Step::action("none").timeout("0s")];
    TooLong = [Step::action(LONG)];
    Nameless = [Step::action("")];
    NamelessEvent = [Step::wait("silent", "").timeout("1h")];
    LongEvent = [Step::wait("loud", LONG_EVENT).timeout("1h")];
    Sound = [Step::action("sound").timeout("5s"), Step::wait("heard", "ping").timeout("90d")];
}

fn builder(world: &World) -> EngineBuilder {
    Engine::builder(world.store(), Arc::new(world.runtime.clone()))
}

/// Every declaration that cannot work, and what its error says.
pub fn a_declaration_that_cannot_work_is_refused(make: Make<'_>) {
    let world = World::new(make);
    let found = |registered: Result<EngineBuilder, DefinitionError>| registered.err().map(|error| error.to_string());
    let rows = [
        (found(builder(&world).register(Twice)), "same", "twice"),
        (found(builder(&world).register(NoDeadline)), "endless", "deadline"),
        (found(builder(&world).register(NoAttempts)), "never", "zero attempts"),
        (found(builder(&world).register(BadTimeout)), "odd", "soon"),
        (found(builder(&world).register(BadFirst)), "odd", "later"),
        (found(builder(&world).register(BadCap)), "odd", "-5s"),
        (found(builder(&world).register(ZeroTimeout)), "none", "zero"),
        (found(builder(&world).register(TooLong)), LONG, "100"),
        (found(builder(&world).register(Nameless)), "", "1 to 100"),
        (found(builder(&world).register(NamelessEvent)), "silent", "event"),
        (found(builder(&world).register(LongEvent)), "loud", "event"),
    ];
    for (error, step, word) in rows {
        let error = error.unwrap_or_else(|| panic!("step {step} is refused"));
        assert!(
            error.contains("declared") && error.contains(step) && error.contains(word),
            "{error}"
        );
    }
    assert_eq!(found(builder(&world).register(Sound)), None);
}

/// Two workflows of one name are refused, and durations for steps that are not declared.
pub fn a_registration_that_cannot_work_is_refused(make: Make<'_>) {
    let world = World::new(make);
    let twice = builder(&world).register(Sound).expect("sound").register(Twice);
    assert!(twice.is_err());
    let twice = builder(&world)
        .register(Sound)
        .expect("sound")
        .register(Sound)
        .err()
        .expect("refused");
    assert!(twice.to_string().contains("declared"), "{twice}");
    let stranger = builder(&world).register_with(Sound, &Overrides::default().timeout(&PING, MINUTE));
    assert!(stranger.err().expect("refused").to_string().contains("wait-ping"));
    let stranger = builder(&world).register_with(Sound, &Overrides::default().first_delay(&PING, MINUTE));
    assert!(stranger.err().expect("refused").to_string().contains("wait-ping"));
    let zero = builder(&world).register_with(Sound, &Overrides::default().timeout(&Sound::STEPS[0], Duration::ZERO));
    assert!(zero.is_err(), "a configured timeout of zero as well");
    let rescued = Overrides::default().timeout(&NoDeadline::STEPS[0], MINUTE);
    assert!(
        builder(&world).register_with(NoDeadline, &rescued).is_ok(),
        "configuration can give a deadline"
    );
}

/// A configured duration is in force, is shown, and does not change the definition's hash.
pub fn a_configured_duration_is_in_force(make: Make<'_>) {
    let world = World::new(make);
    let script = || {
        script!(
            [] | run,
            _ | { Ok(run.wait_or_timeout::<u64>(PONG).await?.unwrap_or(404)) }
        )
    };
    let plain = world.boot_idle(script());
    let overrides = Overrides::default().timeout(&PONG, MINUTE);
    let engine = builder(&world).register_with(script(), &overrides).expect("sound");
    let engine = world.run(engine.build()).expect("the store answers");
    assert_eq!(plain.definitions()[0].hash, engine.definitions()[0].hash);
    let shown = engine.definitions()[0]
        .steps
        .iter()
        .find(|(step, _)| *step == PONG)
        .expect("declared")
        .1;
    assert_eq!(shown, Some(MINUTE));
    let _worker = engine.start_worker(super::world::options());
    let run = world
        .run(engine.start::<Script>(&1, Default::default()))
        .expect("it starts")
        .run();
    assert_eq!(world.end(run), Ok(404));
    assert_eq!(world.ended_after(run), MINUTE);
}
