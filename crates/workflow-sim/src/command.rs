//! The command line: one seed with its trace, or a range with a summary.

use std::collections::BTreeSet;
use std::ops::Range;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::{Parser, ValueEnum};

use crate::random::{Play, StoreKind};
use crate::report::Report;
use crate::shrink::shrink;
use crate::trace::lock;

/// Plays random workflow programs on the real engine, with faults, in virtual time. One seed is
/// one simulation, and prints the same bytes each time.
#[derive(Debug, Parser)]
#[command(name = "lumina-workflow-sim", version)]
struct Arguments {
    /// The seed to repeat, with its trace.
    #[arg(required_unless_present = "seeds", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Plays these seeds: A..B without B.
    #[arg(long, value_parser = parse_range)]
    seeds: Option<Range<u64>>,
    /// Over which store.
    #[arg(long, value_enum, default_value_t = Store::Memory)]
    store: Store,
    /// Leaves out the faults with these numbers.
    #[arg(long, value_delimiter = ',')]
    without: Vec<u32>,
    /// Leaves out all faults but those with these numbers.
    #[arg(long, value_delimiter = ',', num_args = 0..)]
    only: Option<Vec<u32>>,
    /// How many seeds are played at once; over PostgreSQL one, for they share its database.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    Memory,
    Sqlite,
    Postgres,
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || format!("`{text}` is not a range of seeds such as 0..1000");
    let (from, to) = text.split_once("..").ok_or_else(wrong)?;
    let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
    Ok(number(from)?..number(to)?)
}

/// What the binary does.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let good = match (&arguments.seed, &arguments.seeds) {
        (Some(seed), _) => play_one(&arguments, *seed),
        (None, Some(seeds)) => play_many(&arguments, seeds.clone()),
        (None, None) => true,
    };
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn play(arguments: &Arguments, seed: u64) -> Play {
    let store = match arguments.store {
        Store::Memory => StoreKind::Memory,
        Store::Sqlite => StoreKind::Sqlite,
        Store::Postgres => StoreKind::Postgres,
    };
    Play {
        without: arguments.without.iter().copied().collect(),
        only: arguments.only.as_ref().map(|only| only.iter().copied().collect()),
        ..Play::new(seed, store)
    }
}

fn play_one(arguments: &Arguments, seed: u64) -> bool {
    let mut play = play(arguments, seed);
    play.traced = true;
    let report = play.run();
    println!("{report}");
    if !report.is_good() {
        println!("{}", tell_shrunk(arguments, &play, &report));
    }
    report.is_good()
}

/// The line that repeats a failure with the fewest faults.
fn tell_shrunk(arguments: &Arguments, play: &Play, report: &Report) -> String {
    let quiet = Play {
        traced: false,
        without: BTreeSet::new(),
        ..play.clone()
    };
    let fails = |faults: &BTreeSet<u32>| {
        let only = Some(faults.clone());
        !Play { only, ..quiet.clone() }.run().is_good()
    };
    let faults = shrink(&report.faults, fails);
    let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
    let store = match arguments.store {
        Store::Memory => "",
        Store::Sqlite => " --store sqlite",
        Store::Postgres => " --store postgres",
    };
    let (seed, only) = (play.seed, faults.join(","));
    format!("shrunk: cargo run --release -p lumina-workflow-sim -- {seed}{store} --only {only}")
}

fn play_many(arguments: &Arguments, seeds: Range<u64>) -> bool {
    let failed = Mutex::new(Vec::new());
    let next = AtomicU64::new(seeds.start);
    thread::scope(|scope| {
        let jobs = match arguments.store {
            Store::Postgres => 1,
            Store::Memory | Store::Sqlite => arguments.jobs.max(1),
        };
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let report = play(arguments, seed).run();
                    if !report.is_good() {
                        lock(&failed).push(report);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().unwrap_or_default();
    failed.sort_by_key(|report| report.seed);
    summarise(arguments, &seeds, &failed);
    failed.is_empty()
}

fn summarise(arguments: &Arguments, seeds: &Range<u64>, failed: &[Report]) {
    println!(
        "seeds {}..{} over {:?}: {} good, {} failed",
        seeds.start,
        seeds.end,
        arguments.store,
        seeds.end.saturating_sub(seeds.start) - failed.len() as u64,
        failed.len()
    );
    for report in failed {
        let first = report.violations.first().map_or("", String::as_str);
        println!("seed {}: {first}", report.seed);
    }
    for report in failed.iter().take(3) {
        println!("{}", tell_shrunk(arguments, &play(arguments, report.seed), report));
    }
}
