//! The chaos test's command line; `lumina_chaos` says what it is.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use lumina_chaos::arguments::{Arguments, Request, USAGE, parse};
use lumina_chaos::guard::Guard;
use lumina_chaos::judge::judge;
use lumina_chaos::world::World;
use lumina_chaos::{moment, report, run};

fn main() -> ExitCode {
    let request = match parse(std::env::args().skip(1), moment()) {
        Ok(request) => request,
        Err(error) => {
            eprintln!("error: {error:#}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let passed = match request {
        Request::Help => {
            println!("{USAGE}");
            Ok(true)
        }
        Request::Guards => {
            Guard::ALL.iter().for_each(|guard| println!("{}", guard.name()));
            Ok(true)
        }
        Request::Run(arguments) => play(&arguments),
        Request::Judge(path) => judge_again(&path),
    };
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(arguments: &Arguments) -> Result<bool> {
    println!(
        "seed {}, {:.0} s of faults",
        arguments.seed,
        arguments.length.as_secs_f64()
    );
    let failed = || {
        format!(
            "the run did not come to its end; its folder is {}",
            arguments.folder.display()
        )
    };
    let (world, fed) = run::play(arguments).with_context(failed)?;
    let verdict = judge(&world);
    report::print_counts(&world, &fed, &verdict);
    report::print_verdict(&verdict);
    report::print_end(arguments, &verdict);
    Ok(report::is_as_expected(arguments.play, &verdict))
}

fn judge_again(path: &Path) -> Result<bool> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let world: World = serde_json::from_str(&text).with_context(|| format!("{} is no world", path.display()))?;
    let verdict = judge(&world);
    report::print_verdict(&verdict);
    Ok(verdict.violations.is_empty())
}
