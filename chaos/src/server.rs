//! `lumina serve` as a process of its own, one life after the other.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::clock::until_within;
use crate::http::{Answer, Request};
use crate::place::Place;
use crate::process::Process;

/// A start takes a second on a busy machine.
const START: Duration = Duration::from_secs(30);

/// In order it ends within this: it answers what it has begun, and closes the database.
const STOP: Duration = Duration::from_secs(30);

/// One life of the server.
#[derive(Debug)]
pub struct Server {
    process: Process,
    place: Place,
}

impl Server {
    /// Begins the how many-th life. It may not listen yet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin(place: &Place, life: u32) -> Result<Self> {
        let log = place.path(&format!("serve-{life:03}.log"));
        let process = Process::spawn(&mut place.serve_command(), &log)?;
        Ok(Self {
            process,
            place: place.clone(),
        })
    }

    /// Waits until it answers.
    ///
    /// # Errors
    /// When it never does, with what it has printed.
    pub fn wait_until_it_serves(&mut self) -> Result<()> {
        let health = Request::new("GET", "/healthz").within(START);
        let address = self.place.serve;
        let answers = until_within(START, || {
            let ended = self.process.ended().is_some();
            let answer = health.send(address).ok().filter(Answer::is_success).map(|_| true);
            answer.or(ended.then_some(false))
        });
        ensure!(
            answers == Some(true),
            "lumina serve does not start: {}",
            self.process.printed()
        );
        Ok(())
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// How it has ended, if it has although nobody has ended it.
    pub fn ended(&mut self) -> Option<String> {
        self.process
            .ended()
            .map(|status| format!("lumina serve ended by itself with {status}"))
    }

    /// Ends it in order. The answer says what was not in order about it.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop(mut self) -> Result<Option<String>> {
        self.process.terminate()?;
        Ok(match self.process.wait_within(STOP) {
            Some(status) if status.success() => None,
            Some(status) => Some(format!("lumina serve ended with {status} when it was asked to end")),
            None => Some(format!(
                "lumina serve did not end within {} s of being asked to",
                STOP.as_secs()
            )),
        })
    }
}
