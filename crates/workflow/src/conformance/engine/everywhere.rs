//! One scenario, again and again, with a fault at each of its store calls.

use std::collections::BTreeMap;

use futures_util::future::{BoxFuture, Either, FutureExt, select};

use super::Make;
use super::script::Script;
use super::wire::{Method, Verdict, unavailable};
use super::world::{World, options};
use crate::deterministic::DeterministicRuntime;
use crate::engine::{Engine, EngineError};
use crate::id::RunId;
use crate::runtime::Runtime;
use crate::store::{RunRow, StoreError};
use crate::worker::WorkerOptions;

/// What goes wrong at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The process dies before the call is applied.
    CrashBefore,
    /// The process dies after the call was applied, before its answer.
    CrashAfter,
    /// The call is not applied, and says so.
    Unavailable,
    /// A commit is not applied, and nobody knows.
    UnknownLost,
    /// A commit is applied, and nobody knows.
    UnknownApplied,
}

pub(super) const CRASHES: &[Fault] = &[Fault::CrashBefore, Fault::CrashAfter];
pub(super) const ALL_FAULTS: &[Fault] = &[
    Fault::CrashBefore,
    Fault::CrashAfter,
    Fault::Unavailable,
    Fault::UnknownLost,
    Fault::UnknownApplied,
];

impl Fault {
    fn verdict(self, method: Method) -> Verdict {
        let unknown = || StoreError::OutcomeUnknown("the test has swallowed the answer".to_owned());
        match self {
            Self::CrashBefore => Verdict::Die,
            Self::CrashAfter => Verdict::ApplyThenDie,
            Self::UnknownLost if method == Method::Commit => Verdict::Refuse(unknown()),
            Self::UnknownApplied if method == Method::Commit => Verdict::ApplyThenRefuse(unknown()),
            Self::Unavailable | Self::UnknownLost | Self::UnknownApplied => Verdict::Refuse(unavailable()),
        }
    }
}

pub(super) type Played<'w> = BoxFuture<'w, Result<(), EngineError>>;

/// What is played. The client is outside of the process and survives it; when it gets no
/// answer, or an error, it is played again from its start, so it must ask in ways that may be repeated.
pub(super) struct Scenario<'a> {
    pub script: &'a dyn Fn(&World) -> Script,
    pub client: &'a dyn for<'w> Fn(&'w World, Engine) -> Played<'w>,
    pub check: &'a dyn Fn(&World),
}

/// Ties a client's closure to its type.
pub(super) fn client<F>(code: F) -> F
where
    F: for<'w> Fn(&'w World, Engine) -> Played<'w>,
{
    code
}

/// Says on the way out of a panic which case it was.
struct Telling(String);

impl Drop for Telling {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the failing case: {}", self.0);
        }
    }
}

impl Scenario<'_> {
    /// Without a fault; then with each fault at each call.
    pub fn play_with(&self, make: Make<'_>, faults: &[Fault]) {
        let calls = self.count_calls(make);
        for number in 0..calls {
            for fault in faults {
                let _telling = Telling(format!("{fault:?} at store call {number} of {calls}"));
                let world = World::new(make);
                self.play_once(&world, number, *fault);
                self.finish(&world);
            }
        }
    }

    /// No process lives for more than so many calls: from so few upwards, to one that needs two
    /// lives. Each takes over what the one before has left.
    pub fn play_with_short_lives(&self, make: Make<'_>, shortest: u64) {
        let calls = self.count_calls(make);
        for life in shortest..calls {
            let _telling = Telling(format!("each process dies at its store call {life} of {calls}"));
            let world = World::new(make);
            self.play_short_lives(&world, life);
            self.finish(&world);
        }
    }

    /// Two processes side by side, and any fault at any call, as the seed's dice fall.
    pub fn play_with_dice(&self, make: Make<'_>, seeds: std::ops::Range<u64>) {
        for seed in seeds {
            let _telling = Telling(format!("the dice of seed {seed}"));
            let world = World::new(make);
            self.play_dice(&world, seed);
            self.finish(&world);
        }
    }

    fn play_dice(&self, world: &World, seed: u64) {
        let dice = DeterministicRuntime::new(seed);
        let per_mille = 5 + dice.random() % 60;
        let mut before = BTreeMap::new();
        for _ in 0..1_000 {
            let (thrown, runtime) = (dice.clone(), world.runtime.clone());
            world.wire.rule(move |call| match thrown.random() % 1_000 {
                cast if cast < per_mille => ALL_FAULTS[(thrown.random() % 5) as usize].verdict(call.method),
                cast if cast < 2 * per_mille => {
                    let delay = std::time::Duration::from_millis(thrown.random() % 20_000);
                    Verdict::After(runtime.sleep(delay))
                }
                _ => Verdict::Pass,
            });
            let beside = self.try_beside(world);
            let survived = self.live(world, false);
            drop(beside);
            assert_not_repeated(world, &before);
            if survived {
                return;
            }
            before = executed(world);
        }
        panic!("a thousand lives were not enough");
    }

    /// A second process, if its first call succeeds.
    fn try_beside(&self, world: &World) -> Option<Engine> {
        let script = (self.script)(world);
        let overrides = script.overrides();
        let builder = world.builder_with(script, &overrides, world.wire.clone());
        let engine = world.run(async {
            let (build, death) = (std::pin::pin!(builder.build()), std::pin::pin!(world.wire.died()));
            match select(build, death).await {
                Either::Left((built, _)) => built.ok(),
                Either::Right(_) => None,
            }
        })?;
        let _worker = engine.start_worker(options());
        Some(engine)
    }

    fn count_calls(&self, make: Make<'_>) -> u64 {
        let world = World::new(make);
        let lived = self.live(&world, false);
        assert!(lived, "without a fault nobody dies");
        let calls = world.wire.calls();
        self.finish(&world);
        calls
    }

    fn play_once(&self, world: &World, number: u64, fault: Fault) {
        world.wire.rule(move |call| match call.number == number {
            true => fault.verdict(call.method),
            false => Verdict::Pass,
        });
        if !self.live(world, false) {
            let before = executed(world);
            assert!(self.live(world, false), "one crash, one death");
            assert_not_repeated(world, &before);
        }
    }

    fn play_short_lives(&self, world: &World, life: u64) {
        let mut before = BTreeMap::new();
        for _ in 0..1_000 {
            let born = world.wire.calls();
            world.wire.rule(move |call| match call.number - born < life {
                true => Verdict::Pass,
                false => Verdict::Die,
            });
            let survived = self.live(world, true);
            assert_not_repeated(world, &before);
            if survived {
                return;
            }
            before = executed(world);
        }
        panic!("a thousand lives of {life} store calls were not enough");
    }

    fn finish(&self, world: &World) {
        world.wire.clear();
        (self.check)(world);
        world.check_histories();
        world.kill();
    }

    /// One process's life. False when it died before the client was content.
    fn live(&self, world: &World, takeover: bool) -> bool {
        let life = std::pin::pin!(self.life(world, takeover));
        let death = std::pin::pin!(world.wire.died());
        let survived = match world.run(select(life, death)) {
            // It may have died in the very moment in which the client was content.
            Either::Left(((), death)) => death.now_or_never().is_none(),
            Either::Right(_) => false,
        };
        if !survived {
            world.kill();
        }
        survived
    }

    async fn life(&self, world: &World, takeover: bool) {
        let engine = loop {
            let script = (self.script)(world);
            let overrides = script.overrides();
            let builder = world.builder_with(script, &overrides, world.wire.clone());
            match builder.build().await {
                Ok(engine) => break engine,
                Err(_) => world.runtime.sleep(super::world::SECOND).await,
            }
        };
        let _worker = engine.start_worker(WorkerOptions { takeover, ..options() });
        while (self.client)(world, engine.clone()).await.is_err() {
            world.runtime.sleep(super::world::SECOND).await;
        }
    }
}

/// How often each step that is on record as ended has executed, by the ledger.
fn executed(world: &World) -> BTreeMap<(RunId, String), usize> {
    let ended = |row: &RunRow| {
        let run = row.id;
        let history = world
            .history(run)
            .into_iter()
            .filter(|record| record.what.is_completion());
        let names = history.filter_map(|record| record.step).map(|step| step.name);
        names
            .map(|name| ((run, name.clone()), world.ledger.count(&name)))
            .collect::<Vec<_>>()
    };
    world.all_runs().iter().flat_map(ended).collect()
}

/// Scenarios use each step once, so a step that has ended is never noted again.
fn assert_not_repeated(world: &World, before: &BTreeMap<(RunId, String), usize>) {
    for ((_, name), count) in before {
        assert_eq!(
            world.ledger.count(name),
            *count,
            "step {name} was on record and executed again"
        );
    }
}
