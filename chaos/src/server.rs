//! `lumina serve` and `lumina worker` as processes of their own, one life after the other.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::clock::until_within;
use crate::http::{Answer, Request};
use crate::place::Place;
use crate::process::Process;
use crate::world::Victim;

/// A start takes a second on a busy machine.
const START: Duration = Duration::from_secs(30);

/// In order it ends within this: it answers what it has begun, and closes the database.
const STOP: Duration = Duration::from_secs(30);

/// What a process is started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// HTTP and the engine.
    Serve,
    /// The engine alone.
    Worker,
}

impl Role {
    /// The subcommand.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Serve => "serve",
            Self::Worker => "worker",
        }
    }

    /// Who is killed with it.
    #[must_use]
    pub fn victim(self) -> Victim {
        match self {
            Self::Serve => Victim::Serve,
            Self::Worker => Victim::Worker,
        }
    }
}

/// One life of a process.
#[derive(Debug)]
pub struct Server {
    process: Process,
    place: Place,
    /// What it was started as.
    pub role: Role,
}

impl Server {
    /// Begins the how many-th life. It may not listen yet.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin(place: &Place, role: Role, host: usize, life: u32) -> Result<Self> {
        let log = place.path(&format!("{}-{life:03}.log", role.name()));
        let process = Process::spawn(&mut place.role_command(role, host), &log)?;
        Ok(Self {
            process,
            place: place.clone(),
            role,
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

    /// Its number on this machine.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Lets it stand still, or go on.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn signal(&self, signal: &str) -> Result<()> {
        self.process.signal(signal)
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
            .map(|status| format!("lumina {} ended by itself with {status}", self.role.name()))
    }

    /// Ends it in order. The answer says what was not in order about it.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop(mut self) -> Result<Option<String>> {
        self.process.signal("TERM")?;
        let name = self.role.name();
        Ok(match self.process.wait_within(STOP) {
            Some(status) if status.success() => None,
            Some(status) => Some(format!("lumina {name} ended with {status} when it was asked to end")),
            None => Some(format!(
                "lumina {name} did not end within {} s of being asked to",
                STOP.as_secs()
            )),
        })
    }
}
