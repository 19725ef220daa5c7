//! Outside effects: recorded before they act, never blindly repeated.

use super::Make;
use super::latch::Latch;
use super::ledger::Doing;
use super::script::{A, B, EFFECT, NAP, Script, script};
use super::world::{HOUR, MINUTE, SECOND, World};
use crate::attempt::Attempt;
use crate::error::StepError;
use crate::history::What;
use crate::runtime::Runtime;

/// An outside effect's start is on record before its code runs.
pub fn an_effects_start_is_recorded_before_it_acts(make: Make<'_>) {
    let world = World::new(make);
    let (ledger, store) = (world.ledger.clone(), world.store());
    world.boot(script!(
        [ledger, store] | run,
        _ | {
            run.step(EFFECT, move |attempt: Attempt| {
                let (ledger, store) = (ledger.clone(), store.clone());
                async move {
                    let history = store
                        .history(attempt.run(), crate::Seq(0), 10)
                        .await
                        .map_err(StepError::unknown)?;
                    let started = history.iter().any(|stored| {
                        stored.record.what
                            == What::AttemptStarted {
                                attempt: attempt.number(),
                            }
                    });
                    ledger.note(if started { "after" } else { "before" });
                    if attempt.number() == 1 {
                        Err(StepError::retry("again"))
                    } else {
                        Ok(7u64)
                    }
                }
            })
            .await
        }
    ));
    let run = world.start(1);
    assert_eq!(world.end(run), Ok(7));
    assert_eq!(ledger.all(), ["after", "after"]);
}

/// A process that dies during an effect leaves it unknown: the code is told, and it is not run again.
pub fn an_unresolved_effect_is_told_and_not_repeated(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            match run.step(EFFECT, ledger.takes(EFFECT, 20 * SECOND, 7)).await {
                Err(failure) if failure.is_unknown() => run.step(A, ledger.does(A, 9)).await,
                other => other,
            }
        }
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.pass(10 * SECOND);
    world.kill();
    world.boot(script.clone());
    assert_eq!(world.end(run), Ok(9));
    assert_eq!(ledger.all(), ["effect", "a"]);
    assert_eq!(
        world.told(run),
        ["effect: started 1", "effect: failed unknown", "a: done 1"]
    );
}

/// An effect that learns only after its start that it may not act yet has used no attempt up, over restarts as well.
pub fn a_started_effects_deferral_uses_no_attempt_up(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            run.step(EFFECT, move |attempt: Attempt| {
                ledger.note(format!("attempt {}", attempt.number()));
                let busy = ledger.count("attempt 1") <= 5;
                async move {
                    if busy {
                        Err(StepError::defer(MINUTE, "429").with_code(429))
                    } else {
                        Ok(7u64)
                    }
                }
            })
            .await
        }
    );
    world.boot(script.clone());
    let run = world.start(1);
    for _ in 0..6 {
        world.pass(40 * SECOND);
        world.kill();
        world.boot(script.clone());
    }
    assert_eq!(world.end(run), Ok(7));
    assert_eq!(ledger.all(), ["attempt 1"; 6]);
    let minutes: Vec<u64> = ledger
        .times("attempt 1")
        .iter()
        .map(|time| time.as_secs() / 60)
        .collect();
    assert_eq!(minutes, [0, 1, 2, 3, 4, 5], "each keeps its time");
    world.check_histories();
}

/// Runs an effect against a nap that ends first, and then works for an hour.
fn outrun(world: &World, code: impl Fn(Attempt) -> Doing + Send + Sync + 'static + Clone, gate: &Latch) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger, code, gate] | run,
        _ | {
            let gate = gate.clone();
            let gate = move || {
                let gate = gate.clone();
                async move {
                    gate.pass().await;
                    Ok::<(), StepError>(())
                }
            };
            let effect = run.gated_step(EFFECT, gate, move |attempt, ()| code(attempt));
            let nap = run.sleep(NAP, 10 * SECOND);
            futures_util::future::select(effect, nap).await;
            run.step(B, ledger.takes(B, HOUR, 1)).await
        }
    )
}

/// The code has dropped an effect that is under way: it goes on, its end is recorded, and it is
/// not attempted again.
pub fn a_dropped_effect_ends_and_is_not_attempted_again(make: Make<'_>) {
    let world = World::new(make);
    let (ledger, open) = (world.ledger.clone(), Latch::closed());
    open.open();
    let runtime = world.runtime.clone();
    let code = move |_: Attempt| -> Doing {
        let (ledger, runtime) = (ledger.clone(), runtime.clone());
        Box::pin(async move {
            ledger.note("effect");
            runtime.sleep(20 * SECOND).await;
            ledger.note("effect ended");
            Err(StepError::retry("it did not happen"))
        })
    };
    world.boot(outrun(&world, code, &open));
    let run = world.start(1);
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(world.ledger.all(), ["effect", "b", "effect ended", "b ended"]);
    let told = world.told(run);
    let ends = told.iter().filter(|line| line.starts_with("effect: ")).count();
    assert_eq!(ends, 2, "its start and its end are on record: {told:?}");
}

/// The code has dropped an effect that waited at its gate: it never acts.
pub fn an_effect_dropped_at_its_gate_never_acts(make: Make<'_>) {
    let world = World::new(make);
    let (ledger, gate) = (world.ledger.clone(), Latch::closed());
    let code = move |_: Attempt| -> Doing {
        ledger.note("effect");
        Box::pin(async { Ok(1) })
    };
    world.boot(outrun(&world, code, &gate));
    let run = world.start(1);
    world.pass(MINUTE);
    gate.open();
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(world.ledger.count("effect"), 0);
    assert!(
        world.told(run).contains(&"effect: abandoned".to_owned()),
        "{:?}",
        world.told(run)
    );
}
