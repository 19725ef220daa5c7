//! What several processes make of one PostgreSQL database: real ones, with the server on the same machine.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use lumina_workflow::RunId;
use lumina_workflow::store::RunStatus;
use lumina_workflow_postgres::Options;
use lumina_workflow_postgres::testing::{Binaries, Cluster};

use super::workflow_throughput::drive;
use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, percentile, stopwatch};
use crate::member::Member;
use crate::process;
use crate::registry::Benchmark;
use crate::three_steps;

/// How many runs one, two and three processes execute a second.
pub const THROUGHPUT: Benchmark = Benchmark {
    name: "workflow/postgres/fleet",
    about: "the same runs, started by one process and executed by one, two and three others",
    run: throughput,
};

/// From an event to the resumed step in another process.
pub const RESUME: Benchmark = Benchmark {
    name: "workflow/postgres/event_resume_p99_ms",
    about: "from emit in one process to the code of the step after the wait in another, one run at a time",
    run: resume,
};

/// What a fleet takes that has nothing to do.
pub const IDLE: Benchmark = Benchmark {
    name: "workflow/postgres/idle_core_percent",
    about: "three processes and their server while nothing happens",
    run: idle,
};

/// By how many processes execute the runs.
const FLEETS: [&str; 3] = [
    "workflow/postgres/fleet_of_1",
    "workflow/postgres/fleet_of_2",
    "workflow/postgres/fleet_of_3",
];

const RUNS: u64 = 20_000;

const SAMPLES: u64 = 2_000;

const IDLE_FOR: Duration = Duration::from_secs(30);

/// A server with nothing on it, and its address.
fn on_a_server<T>(bench: &Bench, measure: impl FnOnce(&Path, &str) -> Result<T>) -> Result<T> {
    bench.with_folder("postgres", |folder| {
        let binaries = Binaries::find().context("no PostgreSQL server is installed; `cargo xtask test` says how")?;
        let _cluster = Cluster::start(&binaries, folder, &[])?;
        measure(
            folder,
            &format!("host={} user=lumina dbname=postgres", folder.display()),
        )
    })
}

fn throughput(bench: &Bench) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut one = None;
    for (processes, name) in (1..).zip(FLEETS) {
        let measured = on_a_server(bench, |_, address| on_runtime(drive_fleet(address, processes)))?;
        let figure = Figure::alone(name, measured, "runs/s");
        figures.push(match one {
            None => figure,
            Some(one) => figure.against(one),
        });
        one.get_or_insert(measured);
    }
    Ok(figures)
}

async fn drive_fleet(address: &str, processes: usize) -> Result<f64> {
    let outside = three_steps::Bench::start_outside(Options::new(address)?).await?;
    let _members = members(address, processes, &outside)?;
    drive(outside, RUNS).await
}

fn members(address: &str, count: usize, outside: &three_steps::Bench) -> Result<Vec<Member>> {
    let starting = (0..count).map(|_| {
        let mut member = Member::start(address)?;
        member.ring(outside.bell());
        Ok(member)
    });
    starting.collect()
}

fn resume(bench: &Bench) -> Result<Vec<Figure>> {
    let mut times = on_a_server(bench, |_, address| on_runtime(measure_resume(address)))?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(vec![
        Figure::alone(RESUME.name, ms(percentile(&mut times, 99)), "ms"),
        Figure::alone(
            "workflow/postgres/event_resume_p50_ms",
            ms(percentile(&mut times, 50)),
            "ms",
        ),
    ])
}

async fn measure_resume(address: &str) -> Result<Vec<Duration>> {
    let outside = three_steps::Bench::start_outside(Options::new(address)?).await?;
    let _members = members(address, 1, &outside)?;
    let mut times = Vec::new();
    for number in 0..SAMPLES {
        let run = outside.start_run(number).await?;
        wait_until_parked(&outside, run).await?;
        let watch = stopwatch();
        outside.resume(number).await?;
        times.push(watch());
    }
    outside.stop().await?;
    Ok(times)
}

async fn wait_until_parked(outside: &three_steps::Bench, run: RunId) -> Result<()> {
    loop {
        let row = outside.engine.run(run).await?;
        if row.is_some_and(|row| row.status == RunStatus::Waiting) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn idle(bench: &Bench) -> Result<Vec<Figure>> {
    let (fleet, server) = on_a_server(bench, measure_idle)?;
    Ok(vec![
        Figure::alone(IDLE.name, fleet + server, "%"),
        Figure::alone("workflow/postgres/idle_server_core_percent", server, "%"),
    ])
}

/// Of one core, what three processes take, and what their server does.
#[expect(
    clippy::disallowed_methods,
    reason = "what is measured is that nothing happens for a time"
)]
fn measure_idle(folder: &Path, address: &str) -> Result<(f64, f64)> {
    let members: Result<Vec<Member>> = (0..3).map(|_| Member::start(address)).collect();
    let members = members?;
    std::thread::sleep(Duration::from_secs(2));
    let used = || -> Result<(Duration, Duration)> {
        let fleet: Result<Duration> = members.iter().map(Member::processor_time).sum();
        Ok((fleet?, server_time(folder)?))
    };
    let (watch, before) = (stopwatch(), used()?);
    std::thread::sleep(IDLE_FOR);
    let after = used()?;
    let share =
        |before: Duration, after: Duration| after.saturating_sub(before).as_secs_f64() / watch().as_secs_f64() * 100.0;
    Ok((share(before.0, after.0), share(before.1, after.1)))
}

/// The processor time of the server's processes that live now.
fn server_time(folder: &Path) -> Result<Duration> {
    let told = std::fs::read_to_string(folder.join("data/postmaster.pid"))?;
    let first = told.lines().next().context("the server has left no number")?;
    let server: u32 = first.trim().parse()?;
    let mut processes = process::descendants_of(server)?;
    processes.push(server);
    // One that has ended meanwhile had little to do.
    Ok(processes
        .into_iter()
        .filter_map(|process| process::processor_time_of(process).ok())
        .sum())
}
