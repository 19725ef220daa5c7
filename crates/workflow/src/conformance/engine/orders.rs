//! Order: what ran at the same time ends in the same order each time the code is executed.

use std::sync::{Arc, Mutex};

use futures_util::future::{join_all, join3};
use futures_util::stream::{FuturesUnordered, StreamExt};
use futures_util::{FutureExt, select_biased};

use super::Make;
use super::everywhere::{ALL_FAULTS, Scenario, client};
use super::script::{A, B, C, CLEAN, CODED, EFFECT, LIMITED, NAP, PING, PONG, RETRIED, Script, script};
use super::world::{MINUTE, SECOND, World, event};
use crate::engine::StartOptions;
use crate::error::StepError;
use crate::run::Run;
use crate::store::RunStatus;

/// The order in which things ended, as a number.
#[derive(Clone, Default)]
struct Order(Arc<Mutex<u64>>);

impl Order {
    fn note(&self, digit: u64) {
        let mut order = self.0.lock().expect("nobody panics while holding it");
        *order = *order * 10 + digit;
    }

    fn read(&self) -> u64 {
        *self.0.lock().expect("nobody panics while holding it")
    }
}

/// Records the order that the code saw; each later execution must see the same.
async fn settle_order(run: &Run, order: &Order) -> Result<u64, crate::Failure> {
    let seen = order.read();
    let recorded = run
        .step(CLEAN, move |_| async move { Ok::<u64, StepError>(seen) })
        .await?;
    assert_eq!(
        recorded,
        order.read(),
        "the code has seen another order than when it was recorded"
    );
    Ok(recorded)
}

/// Steps, waits and a sleep at the same time, each noted as it ends.
fn joined(world: &World) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        _ | {
            let order = Order::default();
            let slow = run.step(A, ledger.takes(A, 2 * SECOND, 1)).map(|_| order.note(1));
            let quick = run.step(B, ledger.does(B, 1)).map(|_| order.note(2));
            let tried = run
                .step(RETRIED, ledger.tries(RETRIED, vec![Err(StepError::retry("x")), Ok(1)]))
                .map(|_| order.note(3));
            let ping = run.wait_or_timeout::<u64>(PING).map(|_| order.note(4));
            let pong = run.wait_or_timeout::<u64>(PONG.within(MINUTE)).map(|_| order.note(5));
            let nap = run.sleep(NAP, 3 * SECOND).map(|()| order.note(6));
            join3(
                join_all([slow.boxed(), quick.boxed(), tried.boxed()]),
                join_all([ping.boxed(), pong.boxed()]),
                nap,
            )
            .await;
            let recorded = settle_order(run, &order).await?;
            run.step(C, ledger.does(C, 1)).await?;
            Ok(recorded)
        }
    )
}

/// The same, awaited as they come.
fn unordered(world: &World) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        _ | {
            let order = Order::default();
            let mut open = FuturesUnordered::new();
            open.push(run.step(A, ledger.takes(A, 2 * SECOND, 1)).map(|_| 1).boxed());
            open.push(run.step(B, ledger.does(B, 1)).map(|_| 2).boxed());
            open.push(run.wait_or_timeout::<u64>(PING).map(|_| 3).boxed());
            open.push(run.sleep(NAP, 3 * SECOND).map(|()| 4).boxed());
            while let Some(digit) = open.next().await {
                order.note(digit);
                if digit == 2 {
                    open.push(run.step(LIMITED, ledger.takes(LIMITED, SECOND, 1)).map(|_| 5).boxed());
                }
            }
            let recorded = settle_order(run, &order).await?;
            run.step(C, ledger.does(C, 1)).await?;
            Ok(recorded)
        }
    )
}

/// A race: the losers are dropped, and each round is noted by its winner.
fn selected(world: &World) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        _ | {
            let order = Order::default();
            let mut slow = run.step(A, ledger.takes(A, 2 * SECOND, 1)).fuse();
            let mut ping = run.wait_or_timeout::<u64>(PING).fuse();
            let mut nap = run.sleep(NAP, 5 * SECOND).fuse();
            let mut quick = run.step(B, ledger.takes(B, SECOND, 1)).fuse();
            for _ in 0..2 {
                select_biased! {
                    _ = slow => order.note(1),
                    _ = ping => order.note(2),
                    () = nap => order.note(3),
                    _ = quick => order.note(4),
                }
            }
            drop((slow, ping, nap, quick));
            let recorded = settle_order(run, &order).await?;
            run.step(C, ledger.does(C, 1)).await?;
            Ok(recorded)
        }
    )
}

fn play(make: Make<'_>, script: &dyn Fn(&World) -> Script) {
    let scenario = Scenario {
        script,
        client: &client(|world, engine| {
            Box::pin(async move {
                let run = engine.start::<Script>(&1, StartOptions::keyed("k")).await?.run();
                crate::Runtime::sleep(&world.runtime, SECOND / 2).await;
                engine.emit(event("e", run, "ping", 1)).await?;
                for look in 1..100 {
                    let row = engine.run(run).await?.expect("it is there");
                    if row.status.is_end() {
                        return Ok(());
                    }
                    assert_eq!(row.blocked, None, "the same order each time");
                    crate::Runtime::sleep(&world.runtime, SECOND * look).await;
                }
                panic!("it does not end")
            })
        }),
        check: &|world| {
            let rows = world.all_runs();
            assert_eq!(
                (rows.len(), rows[0].status),
                (1, RunStatus::Completed),
                "{:?}",
                rows[0].blocked
            );
        },
    };
    scenario.play_with(make, ALL_FAULTS);
    scenario.play_with_dice(make, 0..15);
}

/// Joined steps, waits and sleeps end in the recorded order, after a crash at any call.
pub fn a_join_repeats_exactly(make: Make<'_>) {
    play(make, &joined);
}

/// A stream of unordered futures gives them out in the recorded order, after a crash at any call.
pub fn unordered_futures_repeat_exactly(make: Make<'_>) {
    play(make, &unordered);
}

/// A race has the recorded winner, after a crash at any call.
pub fn a_race_repeats_exactly(make: Make<'_>) {
    play(make, &selected);
}

/// A dropped step is on record as abandoned, and does not go on.
pub fn a_dropped_step_is_abandoned(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            let mut slow = run.step(A, ledger.takes(A, MINUTE, 1)).fuse();
            let mut failing = run
                .step(
                    CODED,
                    ledger.tries(CODED, vec![Err(StepError::retry("x").not_before(MINUTE))]),
                )
                .fuse();
            let mut ping = run.wait_or_timeout::<u64>(PING).fuse();
            let mut nap = run.sleep(NAP, 10 * SECOND).fuse();
            select_biased! {
                _ = slow => {}, _ = failing => {}, _ = ping => {}, () = nap => {},
            }
            drop((slow, failing, ping, nap));
            let pong = run.wait::<u64>(PONG).await?;
            run.step(EFFECT, ledger.does(EFFECT, pong)).await
        }
    );
    world.boot(script.clone());
    let run = world.start(1);
    world.pass(5 * MINUTE);
    let ended = ["coded: abandoned", "wait-ping: abandoned", "a: abandoned"];
    let told = world.told(run);
    assert!(
        ended.iter().all(|line| told.iter().any(|told| told == line)),
        "{told:?}"
    );
    assert_eq!(ledger.all(), ["a", "coded"], "neither goes on nor is tried again");
    world.emit(event("nobody's", run, "ping", 9));
    world.settle();
    assert_eq!(world.inbox(Some(run)).len(), 1, "an abandoned wait takes nothing");
    world.kill();
    world.boot(script);
    world.emit(event("e", run, "pong", 7));
    assert_eq!(world.end(run), Ok(7));
    assert_eq!(ledger.all(), ["a", "coded", "effect"], "and not after a restart either");
    world.check_histories();
}
