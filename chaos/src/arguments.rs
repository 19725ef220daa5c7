//! What the command line asks for.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::guard::Guard;

/// The help text.
pub const USAGE: &str = "\
Usage: cargo xtask chaos [--seed N] [--minutes M] [--fleet | --hosts]
                          [--without GUARD | --with GUARD]

  --seed N         decides everything that is left to chance, but for how fast the machine is [default: the time]
  --minutes M      how long faults last, also 0.5 or 30 [default: 1]
  --fleet          three processes on a PostgreSQL server, which has its faults as well
  --hosts          the same on three hosts, one of them cut off from the database for 30 s (Linux, as root)
  --without GUARD  does without one guard; then the run must find that something does not hold
  --with GUARD     the same scene with the guard: then everything must hold
                   Both are played on one machine, and with --fleet to a fleet, whose processes all do without it.

  --guards         prints the guards

Guards: unknown-outcome, reconcile-window, stored-first, signature, budget, in-flight-cap, late-answers, sweep";

/// How long faults last when nobody says so.
const LENGTH: Duration = Duration::from_secs(60);

/// Longer runs find nothing that several seeds do not find.
const MAX_MINUTES: f64 = 24.0 * 60.0;

/// What is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Play {
    /// Everything at once.
    Chaos,
    /// The same to a fleet on a PostgreSQL server.
    Fleet,
    /// The same to a fleet whose processes are on hosts of their own.
    Hosts,
    /// A guard's scene, without the guard or with it.
    Guard {
        /// Which one.
        guard: Guard,
        /// Whether Lumina does without it.
        without: bool,
        /// Whether that is a fleet.
        fleet: bool,
    },
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// A run.
    Run(Arguments),
    /// The world that a run has written down is judged once more.
    Judge(PathBuf),
    /// Print the guards' names, a line each.
    Guards,
    /// Print [`USAGE`].
    Help,
}

/// A run.
#[derive(Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The program.
    pub lumina: PathBuf,
    /// Where everything is kept.
    pub folder: PathBuf,
    /// What is played.
    pub play: Play,
    /// Decides what is left to chance.
    pub seed: u64,
    /// How long faults last.
    pub length: Duration,
}

/// Reads the arguments after the program's name. Without a seed it is `moment`.
///
/// # Errors
/// What is missing, does not exist, or is no value.
pub fn parse(words: impl IntoIterator<Item = String>, moment: u64) -> Result<Request> {
    let mut words = words.into_iter();
    let (mut lumina, mut folder, mut place, mut scene) = (None, None, Play::Chaos, None);
    let (mut seed, mut length) = (moment, None);
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("`{word}` needs a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Request::Help),
            "--guards" => return Ok(Request::Guards),
            "--judge" => return Ok(Request::Judge(value()?.into())),
            "--lumina" => lumina = Some(PathBuf::from(value()?)),
            "--folder" => folder = Some(PathBuf::from(value()?)),
            "--seed" => seed = read_seed(&value()?)?,
            "--minutes" => length = Some(read_minutes(&value()?)?),
            "--fleet" => place = Play::Fleet,
            "--hosts" => place = Play::Hosts,
            "--without" | "--with" => {
                scene = Some((Guard::parse(&value()?)?, word == "--without"));
            }
            other => bail!("there is no option `{other}`"),
        }
    }
    let play = scene.map_or(Ok(place), |(guard, without)| choose(place, guard, without))?;
    Ok(Request::Run(Arguments {
        lumina: lumina.context("`--lumina` is missing: where is the program?")?,
        folder: folder.context("`--folder` is missing: where is everything kept?")?,
        play,
        seed,
        length: length.unwrap_or_else(|| default_length(play)),
    }))
}

/// A guard's scene, on one machine or in a fleet.
fn choose(place: Play, guard: Guard, without: bool) -> Result<Play> {
    ensure!(
        place != Play::Hosts,
        "`{}` is played on one machine or with `--fleet`, and not with `--hosts`",
        guard.name()
    );
    let fleet = place == Play::Fleet;
    Ok(Play::Guard { guard, without, fleet })
}

fn default_length(play: Play) -> Duration {
    match play {
        Play::Chaos | Play::Fleet | Play::Hosts => LENGTH,
        Play::Guard { guard, .. } => guard.length(),
    }
}

fn read_seed(value: &str) -> Result<u64> {
    value
        .parse()
        .with_context(|| format!("`--seed {value}`: a seed is a whole number below 2^64"))
}

fn read_minutes(value: &str) -> Result<Duration> {
    let minutes: Option<f64> = value.parse().ok();
    let minutes = minutes.filter(|minutes| (0.05..=MAX_MINUTES).contains(minutes));
    let minutes = minutes.with_context(|| format!("`--minutes {value}`: write a number from 0.05 to {MAX_MINUTES}"))?;
    Ok(Duration::from_secs_f64(minutes * 60.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Request> {
        let line = format!("--lumina l --folder f {line}");
        parse(line.split_whitespace().map(str::to_owned), 99)
    }

    fn run(play: Play, seed: u64, millis: u64) -> Request {
        Request::Run(Arguments {
            lumina: "l".into(),
            folder: "f".into(),
            play,
            seed,
            length: Duration::from_millis(millis),
        })
    }

    #[test]
    fn every_option_is_read() {
        let guard = |guard, without| Play::Guard {
            guard,
            without,
            fleet: false,
        };
        let in_fleet = |guard| Play::Guard {
            guard,
            without: true,
            fleet: true,
        };
        let table = [
            ("", run(Play::Chaos, 99, 60_000)),
            ("--seed 7 --minutes 5", run(Play::Chaos, 7, 300_000)),
            ("--minutes 0.5", run(Play::Chaos, 99, 30_000)),
            ("--without budget", run(guard(Guard::Budget, true), 99, 5_000)),
            ("--with sweep --minutes 1", run(guard(Guard::Sweep, false), 99, 60_000)),
            ("--fleet --seed 3", run(Play::Fleet, 3, 60_000)),
            ("--fleet --without sweep", run(in_fleet(Guard::Sweep), 99, 5_000)),
            ("--without budget --fleet", run(in_fleet(Guard::Budget), 99, 5_000)),
            ("--hosts --minutes 2", run(Play::Hosts, 99, 120_000)),
            ("--help", Request::Help),
            ("--guards", Request::Guards),
            ("--judge world.json", Request::Judge("world.json".into())),
        ];
        for (line, expected) in table {
            assert_eq!(read(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        let table = [
            ("--seed x", "`--seed x`"),
            ("--seed", "needs a value"),
            ("--minutes 0", "`--minutes 0`"),
            ("--minutes NaN", "`--minutes NaN`"),
            ("--without everything", "`everything`"),
            ("--fast", "`--fast`"),
            ("--hosts --without sweep", "`--hosts`"),
        ];
        for (line, part) in table {
            let message = format!("{:#}", read(line).unwrap_err());
            assert!(message.contains(part), "{line}: {message}");
        }
        let message = format!("{:#}", parse(Vec::new(), 1).unwrap_err());
        assert!(message.contains("--lumina"), "{message}");
    }
}
