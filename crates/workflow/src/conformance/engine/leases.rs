//! Leases: who lost one writes nothing, who holds one keeps it, and nothing starts on a doubtful one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::Make;
use super::latch::Latch;
use super::script::{A, B, EFFECT, Script, script};
use super::wire::{Call, Method, Verdict, unavailable};
use super::world::{MINUTE, SECOND, World, options};
use crate::deterministic::DeterministicRuntime;
use crate::engine::{Engine, StartOptions};
use crate::error::StepError;
use crate::id::Epoch;
use crate::runtime::Runtime;
use crate::store::RunStatus;

fn renewals(
    answer: impl Fn(&Call<'_>) -> Verdict + Send + 'static,
) -> impl FnMut(&Call<'_>) -> Verdict + Send + 'static {
    move |call| {
        if call.method == Method::Renew {
            answer(call)
        } else {
            Verdict::Pass
        }
    }
}

/// Two processes; the first is cut off from renewing while its attempt runs, and the second
/// takes the run over. What the first still has to say is refused.
pub fn who_lost_the_lease_writes_nothing(make: Make<'_>) {
    let world = World::new(make);
    let (ledger, latch) = (world.ledger.clone(), Latch::closed());
    let script = script!(
        [ledger, latch] | run,
        _ | {
            let (ledger, latch, first) = (ledger.clone(), latch.clone(), ledger.clone());
            let a = run
                .step(A, move |_| {
                    let (ledger, latch) = (ledger.clone(), latch.clone());
                    async move {
                        ledger.note("a");
                        if ledger.count("a") == 1 {
                            latch.pass().await;
                            ledger.note("the first goes on");
                        }
                        Ok::<u64, StepError>(ledger.count("a") as u64)
                    }
                })
                .await?;
            let b = run.step(B, first.does(B, 10)).await?;
            Ok(a + b)
        }
    );
    let first = world.boot(script.clone());
    let run = world.start(1);
    world.settle();
    world.wire.rule(renewals(|_| Verdict::Refuse(unavailable())));
    let (second, _) = world.boot_beside(script);
    world.pass(MINUTE);
    assert_eq!(world.status(run), RunStatus::Completed, "the second has finished it");
    let told = world.history(run);
    latch.open();
    world.wire.clear();
    world.pass(MINUTE);
    assert_eq!(world.history(run), told, "the first has written nothing");
    assert!(
        told.iter()
            .all(|record| record.worker == second.worker.id() && record.epoch == Epoch(2))
    );
    assert_eq!(world.end(run), Ok(12));
    assert_eq!(ledger.count("b"), 1, "the first has not gone on");
    assert_eq!(first.worker.in_flight(), 0, "the first has given its seat up");
}

/// The same, when the first's write is under way for longer than its lease.
pub fn a_write_that_comes_too_late_is_refused(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | {
            run.step(A, ledger.takes(A, SECOND, 1)).await?;
            run.step(B, ledger.does(B, 2)).await
        }
    );
    let first = world.boot(script.clone());
    let run = world.start(1);
    world.settle();
    let runtime = world.runtime.clone();
    world.wire.rule(move |call| match call.method {
        Method::Commit | Method::Renew => Verdict::After(runtime.sleep(MINUTE)),
        _ => Verdict::Pass,
    });
    let (second, _) = world.boot_beside(script);
    world.pass(5 * MINUTE);
    assert_eq!(world.end(run), Ok(2));
    assert!(
        world
            .history(run)
            .iter()
            .all(|record| record.worker == second.worker.id())
    );
    assert_eq!((ledger.count("a"), ledger.count("b")), (2, 1));
    assert_eq!(first.worker.in_flight(), 0);
}

/// A healthy worker keeps its lease through an attempt of any length; nobody else takes the run.
pub fn a_long_attempt_keeps_its_lease(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        _ | { run.step(A, ledger.takes(A, 10 * MINUTE, 1)).await }
    );
    let first = world.boot(script.clone());
    let run = world.start(1);
    world.settle();
    let (_second, _) = world.boot_beside(script);
    assert_eq!(world.end(run), Ok(1));
    assert_eq!(ledger.count("a"), 1);
    assert_eq!(world.row(run).epoch, Epoch(1));
    assert_eq!(world.row(run).worker, Some(first.worker.id()));
}

/// A run whose process died is taken over when its lease has run out.
pub fn a_dead_workers_run_is_taken_over(make: Make<'_>) {
    for takeover in [false, true] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = script!([ledger] | run, _ | { run.step(A, ledger.takes(A, MINUTE, 1)).await });
        world.boot(script.clone());
        let run = world.start(1);
        world.settle();
        world.kill();
        world.boot_with(script, crate::WorkerOptions { takeover, ..options() });
        assert_eq!(world.end(run), Ok(1));
        let second = ledger.times("a")[1];
        let expected = if takeover {
            Duration::from_millis(1)
        } else {
            15 * SECOND
        };
        assert_eq!(second, expected, "takeover {takeover}");
    }
}

/// A worker that takes over as much as it can execute goes on claiming so when a place is free again. What it
/// executes already is not among what it takes.
pub fn a_takeover_takes_nothing_from_itself(make: Make<'_>) {
    let world = World::new(make);
    let ledger = world.ledger.clone();
    let script = script!(
        [ledger] | run,
        seconds | {
            let time = Duration::from_secs(seconds);
            run.step(A, ledger.takes(A, time, 1)).await
        }
    );
    world.boot(script.clone());
    let runs = [1, 60].map(|seconds| world.start(seconds));
    world.settle();
    world.kill();
    let full = crate::WorkerOptions {
        takeover: true,
        max_in_flight: runs.len(),
        ..options()
    };
    world.boot_with(script, full);
    for run in runs {
        assert_eq!(world.end(run), Ok(1));
        assert_eq!(world.row(run).epoch, Epoch(2), "once for each process");
    }
    assert_eq!(ledger.count("a"), 4);
}

/// After an outage for longer than a lease, whoever lives keeps its runs, although another worker is back before it.
pub fn whoever_lives_keeps_its_runs_after_an_outage(make: Make<'_>) {
    let world = World::new(make);
    let script = two_steps(&world, 40 * SECOND);
    let first = world.boot(script.clone());
    let run = world.start(1);
    world.settle();
    let (_second, wire) = world.boot_beside(script);
    world.wire.rule(cut_off_until(&world, 31 * SECOND));
    wire.rule(cut_off_until(&world, 30 * SECOND));
    world.pass(MINUTE);
    assert_eq!(world.end(run), Ok(2));
    assert_eq!(world.ledger.count("a"), 1, "it was not begun by another");
    assert_eq!(world.row(run).epoch, Epoch(1));
    assert_eq!(world.row(run).worker, Some(first.worker.id()));
}

/// Whoever does not live loses them all the same, a moment after it.
pub fn after_an_outage_a_dead_workers_run_is_taken_over(make: Make<'_>) {
    let world = World::new(make);
    let script = two_steps(&world, 40 * SECOND);
    world.boot(script.clone());
    let run = world.start(1);
    world.settle();
    world.kill();
    let (second, wire) = world.boot_beside(script);
    wire.rule(cut_off_until(&world, 30 * SECOND));
    world.pass(2 * MINUTE);
    assert_eq!(world.status(run), RunStatus::Completed);
    assert_eq!(second.worker.in_flight(), 0);
    let again = world.ledger.times("a")[1];
    assert!(again <= 33 * SECOND, "it was begun again after {again:?}");
}

fn cut_off_until(world: &World, end: Duration) -> impl FnMut(&Call<'_>) -> Verdict + Send + 'static {
    let runtime = world.runtime.clone();
    move |_| match runtime.elapsed() < end {
        true => Verdict::Refuse(unavailable()),
        false => Verdict::Pass,
    }
}

/// Two steps in a row, the first of which takes so long.
fn two_steps(world: &World, first: Duration) -> Script {
    let ledger = world.ledger.clone();
    script!(
        [ledger] | run,
        _ | {
            run.step(A, ledger.takes(A, first, 1)).await?;
            run.step(B, ledger.does(B, 2)).await
        }
    )
}

/// In the last third of a lease no attempt starts; after the renewal it starts at once.
pub fn no_attempt_starts_on_a_doubtful_lease(make: Make<'_>) {
    let world = World::new(make);
    world.boot(two_steps(&world, Duration::from_millis(10_500)));
    let runtime = world.runtime.clone();
    // The renewals of the first ten seconds are lost; that of the 15th second is too late to
    // prevent the doubt, and in time to keep the lease.
    let limit = Duration::from_millis(14_000);
    world.wire.rule(renewals(move |_| match runtime.elapsed() < limit {
        true => Verdict::Refuse(unavailable()),
        false => Verdict::Pass,
    }));
    let run = world.start(1);
    assert_eq!(world.end(run), Ok(2));
    assert_eq!(world.ledger.count("a"), 1);
    let started = world.ledger.times("b")[0];
    assert!(
        started >= limit && started <= 16 * SECOND,
        "b started after {started:?}"
    );
}

/// A renewal that takes its time is enough, as long as it arrives: the step starts with its answer.
pub fn a_step_starts_as_soon_as_the_lease_is_renewed(make: Make<'_>) {
    let world = World::new(make);
    world.boot(two_steps(&world, Duration::from_millis(10_500)));
    let runtime = world.runtime.clone();
    world
        .wire
        .rule(renewals(move |_| Verdict::ApplyThenWait(runtime.sleep(6 * SECOND))));
    let run = world.start(1);
    assert_eq!(world.end(run), Ok(2));
    let started = world.ledger.times("b")[0];
    assert!(
        started <= Duration::from_millis(11_500),
        "b started after {started:?}, not with the renewal after 11 s"
    );
}

/// A runtime whose new tasks are held up while the test says so.
struct Sluggish {
    inner: DeterministicRuntime,
    slow: Arc<AtomicBool>,
}

impl Runtime for Sluggish {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let held_up = match self.slow.load(Ordering::SeqCst) {
            true => 5 * SECOND,
            false => return self.inner.spawn(task),
        };
        let sleep = self.inner.sleep(held_up);
        self.inner.spawn(Box::pin(async move {
            sleep.await;
            task.await;
        }));
    }

    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.inner.blocking(code)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.inner.sleep(duration)
    }

    fn now(&self) -> Timestamp {
        self.inner.now()
    }

    fn monotonic(&self) -> Duration {
        self.inner.monotonic()
    }

    fn random(&self) -> u64 {
        self.inner.random()
    }
}

/// An effect whose start record has grown old is not sent before the lease is confirmed; not
/// while the database does not answer, and not at all when the lease is lost.
pub fn an_effect_is_confirmed_before_it_is_sent_late(make: Make<'_>) {
    for lost in [false, true] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = script!([ledger] | run, _ | { run.step(EFFECT, ledger.does(EFFECT, 7)).await });
        let slow = Arc::new(AtomicBool::new(false));
        let runtime = Arc::new(Sluggish {
            inner: world.runtime.clone(),
            slow: slow.clone(),
        });
        let builder = Engine::builder(world.wire.clone(), runtime)
            .register(script.clone())
            .expect("sound");
        let engine = world.run(builder.build()).expect("the store answers");
        let held_up = slow.clone();
        world.wire.rule(move |call| {
            // Held up is the task that sends the effect; the renewals fail for 20 s.
            let starts = call.members.iter().any(super::groups::starts_effect);
            held_up.store(starts || held_up.load(Ordering::SeqCst), Ordering::SeqCst);
            if call.method == Method::Renew {
                Verdict::Refuse(unavailable())
            } else {
                Verdict::Pass
            }
        });
        let _worker = engine.start_worker(options());
        let run = world
            .run(engine.start::<Script>(&1, StartOptions::default()))
            .expect("it starts")
            .run();
        world.pass(6 * SECOND);
        assert_eq!(ledger.count("effect"), 0, "unconfirmed, it is not sent");
        slow.store(false, Ordering::SeqCst);
        if lost {
            let _second = world.boot_beside(script);
            world.pass(14 * SECOND);
        }
        world.wire.clear();
        world.pass(10 * SECOND);
        let row = world.row(run);
        match lost {
            false => assert_eq!((ledger.count("effect"), row.status), (1, RunStatus::Completed)),
            true => {
                assert_eq!((ledger.count("effect"), row.status), (0, RunStatus::Failed));
                assert!(row.failure.is_some_and(|failure| failure.is_unknown()));
            }
        }
    }
}

/// A commit is applied and answered after its writer's lease has run out, while no renewal succeeds and somebody
/// else has taken the run over: neither a step nor an effect begins then, although the way to it was written.
pub fn nothing_begins_after_an_answer_that_came_too_late(make: Make<'_>) {
    for (step, executed) in [(B, 1), (EFFECT, 0)] {
        let world = World::new(make);
        let ledger = world.ledger.clone();
        let script = script!(
            [ledger] | run,
            _ | {
                run.step(A, ledger.takes(A, SECOND, 1)).await?;
                run.step(step, ledger.does(step, 2)).await
            }
        );
        world.boot(script.clone());
        let run = world.start(1);
        world.settle();
        let runtime = world.runtime.clone();
        world.wire.rule(move |call| match call.method {
            Method::Commit => Verdict::ApplyThenWait(runtime.sleep(MINUTE)),
            Method::Renew => Verdict::Refuse(unavailable()),
            _ => Verdict::Pass,
        });
        let (second, _) = world.boot_beside(script);
        world.pass(50 * SECOND);
        let told = world.history(run);
        assert!(world.status(run).is_end(), "the second has ended it");
        world.pass(5 * MINUTE);
        world.wire.clear();
        world.pass(MINUTE);
        assert_eq!(world.history(run), told, "the first has written nothing");
        assert_eq!(
            ledger.count(step.name),
            executed,
            "{}: {:?}",
            step.name,
            world.told(run)
        );
        drop(second);
    }
}
