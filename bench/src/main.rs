//! The benchmarks' command line; `lumina_bench` says what they are.

use std::process::ExitCode;

use anyhow::{Context, Result};

use lumina_bench::arguments::{Arguments, Request, USAGE, parse};
use lumina_bench::bench::Bench;
use lumina_bench::benchmarks::{ALL, LONG};
use lumina_bench::figure::{Figure, Output};
use lumina_bench::member;
use lumina_bench::registry::{Benchmark, select};

#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    if words.next().as_deref() == Some(member::ARGUMENT) {
        return serve(&words.next().unwrap_or_default());
    }
    let request = match parse(std::env::args().skip(1)) {
        Ok(request) => request,
        Err(error) => return usage_error(&error),
    };
    match request {
        Request::Help => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Request::List => {
            for benchmark in ALL.iter().chain(LONG) {
                println!("{:<32} {}", benchmark.name, benchmark.about);
            }
            ExitCode::SUCCESS
        }
        Request::Run(arguments) => start(&arguments),
    }
}

/// What this program does as a process of a fleet that it measures.
fn serve(address: &str) -> ExitCode {
    match member::serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for, unless this is a debug build: its figures would say nothing about the product.
fn start(arguments: &Arguments) -> ExitCode {
    let chosen = match select(ALL, LONG, &arguments.names) {
        Ok(chosen) => chosen,
        Err(error) => return usage_error(&error),
    };
    if cfg!(debug_assertions) {
        eprintln!(
            "error: this is a debug build, whose figures mean nothing; run `cargo xtask bench`, which builds for release"
        );
        return ExitCode::from(2);
    }
    match run(&chosen, arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chosen: &[&Benchmark], arguments: &Arguments) -> Result<()> {
    let bench = Bench::on_the_checkouts_disk()?;
    let output = if arguments.json { Output::Json } else { Output::Table };
    output.begin();
    for benchmark in chosen {
        let figures =
            (benchmark.run)(&bench).with_context(|| format!("benchmark `{}` was not measured", benchmark.name))?;
        figures.iter().for_each(|figure: &Figure| output.print(figure));
    }
    Ok(())
}

fn usage_error(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}\n\n{USAGE}");
    ExitCode::from(2)
}
