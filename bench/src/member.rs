//! Processes of a fleet: this program again, which works on a database until its standard input ends, and says on its
//! standard output how far which run has come.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use lumina_workflow_postgres::Options;

use crate::measure::on_runtime;
use crate::process;
use crate::three_steps::{Bell, Bench};

/// The first argument of a program that is a member of a fleet; the database's address follows.
pub const ARGUMENT: &str = "member-of-a-fleet";

const READY: &str = "ready";

/// A process of a fleet, seen from outside. It ends when this is dropped.
pub struct Member {
    child: Child,
    answers: Option<BufReader<ChildStdout>>,
}

impl Member {
    /// Starts one, and waits until it works.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(address: &str) -> Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([ARGUMENT, address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a process of the fleet")?;
        let mut answers = BufReader::new(child.stdout.take().context("it has no output")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        ensure!(line.trim_end() == READY, "a process of the fleet does not start");
        let answers = Some(answers);
        Ok(Self { child, answers })
    }

    /// From now on this bell rings for what it does.
    pub fn ring(&mut self, bell: Bell) {
        let Some(answers) = self.answers.take() else { return };
        thread::spawn(move || {
            for line in answers.lines().map_while(Result::ok) {
                if let Some((number, step)) = line.split_once(' ')
                    && let (Ok(number), Ok(step)) = (number.parse(), step.parse())
                {
                    bell(number, step);
                }
            }
        });
    }

    /// The time for which it has had a processor.
    ///
    /// # Errors
    /// Where there is no `/proc`.
    pub fn processor_time(&self) -> Result<Duration> {
        process::processor_time_of(self.child.id())
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // Its input ends, which is its sign to stop; one that has gone by itself needs none.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// What a member does.
///
/// # Errors
/// The database's.
pub fn serve(address: &str) -> Result<()> {
    on_runtime(async {
        let engine = Bench::start_as_member(Options::new(address)?, |number, step| println!("{number} {step}")).await?;
        println!("{READY}");
        let end = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        end.await??;
        engine.stop().await
    })
}
