//! The registered workflows in the engine's simulator, with commits that are lost, late and unknown, leases that run
//! out, and hints that do not come: on inline SQLite, which dies with its processes, and on inline PostgreSQL, which
//! outlives them and loses connections.
//!
//! `cargo xtask test simulated --sim-seed 42` plays one seed.

use std::sync::Arc;

use lumina_workflow_sim::{Clocks, Report, Simulation};

use super::world::On;
use ground::Ground;
use town::Town;

mod ground;
mod town;

/// As many as fit into the time that these tests may take.
const SEEDS: u64 = 200;

/// A server takes longer to answer.
const SEEDS_ON_A_SERVER: u64 = 24;

fn play(on: On, seed: u64) -> Report {
    let simulation = Simulation::new(seed).clocks(Clocks::Steady);
    let clock = simulation.store_clock();
    let ground = Ground::new(on, seed, clock.clone());
    let town = Arc::new(Town::new(seed, ground.clone(), clock));
    let (builds, attaches, lives, ends) = (town.clone(), town.clone(), town.clone(), town.clone());
    let report = simulation
        .over(ground.backend())
        .attachments_send()
        .build_engine(move |boot| builds.build(boot))
        .when_built(move |boot, engine| attaches.attach(boot, engine))
        .client(move |world| {
            lives.open(&world);
            async move { lives.live(&world).await }
        })
        .check(move |world| ends.check(world))
        .run();
    town.close();
    report
}

fn play_all(on: On, seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let report = play(on, seed);
        assert!(
            report.is_good(),
            "on a {on:?}: {report}\nrepeat it with: cargo xtask test simulated --sim-seed {seed}"
        );
        assert!(report.runs > 0, "seed {seed} on a {on:?}: nothing was executed");
    }
}

/// One seed of somebody's choice instead of the usual ones.
#[expect(
    clippy::disallowed_methods,
    reason = "`cargo xtask test --sim-seed` hands it over so"
)]
fn chosen() -> Option<u64> {
    std::env::var("LUMINA_SIM_SEED").ok()?.parse().ok()
}

#[test]
fn the_pipeline_survives_everything_1_of_2() {
    match chosen() {
        Some(seed) => play_all(On::File, [seed].into_iter()),
        None => play_all(On::File, 0..SEEDS / 2),
    }
}

#[test]
fn the_pipeline_survives_everything_2_of_2() {
    if chosen().is_none() {
        play_all(On::File, SEEDS / 2..SEEDS);
    }
}

#[test]
fn the_pipeline_survives_everything_on_a_server() {
    match chosen() {
        Some(seed) => play_all(On::Server, [seed].into_iter()),
        None => play_all(On::Server, 0..SEEDS_ON_A_SERVER),
    }
}
