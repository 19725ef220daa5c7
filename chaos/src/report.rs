//! What is printed of a run.

use crate::arguments::{Arguments, Play};
use crate::feed::Fed;
use crate::judge::{Invariant, Verdict};
use crate::moods::{INVALID_ADDRESSES, MOODS};
use crate::world::World;

/// How many violations of one invariant are printed.
const SHOWN: usize = 5;

/// What was counted.
pub fn print_counts(world: &World, fed: &Fed, verdict: &Verdict) {
    println!("\nMoods, how often each occurred:");
    let names: Vec<&str> = MOODS.iter().map(|(name, _)| *name).chain([INVALID_ADDRESSES]).collect();
    for chunk in names.chunks(3) {
        let cells = chunk.iter().map(|name| {
            let count = world.play.moods.get(*name).copied().unwrap_or_default();
            format!("{name:<24} {count:>6}   ")
        });
        println!("  {}", cells.collect::<String>().trim_end());
    }
    println!("\nCounts:");
    println!("  {:<52} {:>7}", "handed in again after no answer", fed.sent_again);
    println!("  {:<52} {:>7}", "handed in twice", fed.duplicates);
    println!("  {:<52} {:>7}", "files", fed.files);
    for (name, count) in &verdict.counts {
        println!("  {name:<52} {count:>7}");
    }
    match world.play.settled_in {
        Some(span) => println!("  settled {:.1} s after the faults were over", span.as_secs_f64()),
        None => println!("  not settled"),
    }
}

/// Each invariant, and what shows that it does not hold.
pub fn print_verdict(verdict: &Verdict) {
    println!("\nInvariants:");
    for invariant in Invariant::ALL {
        let violations: Vec<_> = verdict.violations_of(invariant).collect();
        let word = if violations.is_empty() { "holds   " } else { "VIOLATED" };
        println!("  {word}  {invariant}");
        for violation in violations.iter().take(SHOWN) {
            println!("              {}", violation.what);
        }
        if violations.len() > SHOWN {
            println!("              and {} more", violations.len() - SHOWN);
        }
    }
}

/// Whether the run went as it must: everything holds, or, without a guard, something does not that it keeps.
#[must_use]
pub fn is_as_expected(play: Play, verdict: &Verdict) -> bool {
    match play {
        Play::Guard {
            guard, without: true, ..
        } => !caught(guard.keeps(), verdict).is_empty(),
        _ => verdict.violations.is_empty(),
    }
}

fn caught(kept: &[Invariant], verdict: &Verdict) -> Vec<Invariant> {
    verdict
        .violated()
        .into_iter()
        .filter(|invariant| kept.contains(invariant))
        .collect()
}

/// The last words, and where to look.
pub fn print_end(arguments: &Arguments, verdict: &Verdict) {
    let (seed, folder) = (arguments.seed, arguments.folder.display());
    match arguments.play {
        Play::Guard {
            guard, without: true, ..
        } => match caught(guard.keeps(), verdict).first() {
            Some(invariant) => println!("\nwithout {}: caught, for it is not so that {invariant}", guard.name()),
            None => println!("\nwithout {}: NOT CAUGHT (seed {seed})", guard.name()),
        },
        _ if verdict.violations.is_empty() => println!("\nall invariants hold (seed {seed})"),
        _ => println!("\nsome invariants do not hold (seed {seed})"),
    }
    if !is_as_expected(arguments.play, verdict) {
        println!("logs, database, ledger and diary: {folder}");
        println!("repeat: cargo xtask chaos {}", command_of(arguments));
        println!("judge again: cargo run -p lumina-chaos -- --judge {folder}/world.json");
    }
}

fn command_of(arguments: &Arguments) -> String {
    let minutes = arguments.length.as_secs_f64() / 60.0;
    let guard = match arguments.play {
        Play::Chaos => String::new(),
        Play::Fleet => " --fleet".to_owned(),
        Play::Hosts => " --hosts".to_owned(),
        Play::Guard { guard, without, fleet } => {
            let place = if fleet { " --fleet" } else { "" };
            let how = if without { "--without" } else { "--with" };
            format!("{place} {how} {}", guard.name())
        }
    };
    format!("--seed {} --minutes {minutes}{guard}", arguments.seed)
}
