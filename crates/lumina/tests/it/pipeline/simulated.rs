//! The registered workflows in the engine's simulator: on inline SQLite, which dies with its processes, with commits
//! that are lost, late and unknown, leases that run out, and hints that do not come.
//!
//! `cargo xtask test simulated --sim-seed 42` plays one seed.

use std::sync::Arc;

use lumina::records::sqlite::MIGRATIONS;
use lumina_workflow_sim::{Clocks, Report, Simulation, SqliteBackend};
use lumina_workflow_sqlite::Script;

use town::Town;

mod town;

/// As many as fit into the time that these tests may take.
const SEEDS: u64 = 200;

fn play(seed: u64) -> Report {
    let simulation = Simulation::new(seed).clocks(Clocks::Steady);
    let scripts: Vec<Script> = MIGRATIONS.iter().map(|(name, sql)| Script { name, sql }).collect();
    let clock = simulation.store_clock();
    let backend = Arc::new(SqliteBackend::with_scripts(clock.clone(), &[("lumina", &scripts)]));
    let town = Arc::new(Town::new(seed, backend.clone(), clock));
    let (builds, attaches, lives, ends) = (town.clone(), town.clone(), town.clone(), town.clone());
    let report = simulation
        .over(backend)
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

fn play_all(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let report = play(seed);
        assert!(
            report.is_good(),
            "{report}\nrepeat it with: cargo xtask test simulated --sim-seed {seed}"
        );
        assert!(report.runs > 0, "seed {seed}: nothing was executed");
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
        Some(seed) => play_all([seed].into_iter()),
        None => play_all(0..SEEDS / 2),
    }
}

#[test]
fn the_pipeline_survives_everything_2_of_2() {
    if chosen().is_none() {
        play_all(SEEDS / 2..SEEDS);
    }
}
