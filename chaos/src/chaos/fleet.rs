//! What happens to a fleet on a server: its processes die, stand still or are cut off from it, the server crashes,
//! connections are cut.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use jiff::Timestamp;

use super::Chaos;
use crate::clock::{self, monotonic, now, until_within};
use crate::server::Role;
use crate::world::{Batch, Database, Kill, Victim};

/// How long a process stands still, in milliseconds: longer than a lease, so that others have taken over when it goes
/// on.
const STILL: std::ops::Range<u64> = 6_000..9_000;

/// How long a host is cut off from the database.
const CUT_OFF: Duration = Duration::from_secs(30);

/// A run that is shorter is not without the one that takes people in for so long.
const SHORT: Duration = Duration::from_secs(120);

/// Of a hundred faults, how many stop somebody, unless somebody stands still already.
const STOPS: u64 = 30;

/// How long a process may take to say that it is there.
const START: Duration = Duration::from_secs(30);

/// A process that stands still, or whose host is cut off from the database.
pub(super) struct Still {
    place: usize,
    pid: u32,
    since: Timestamp,
    until: Instant,
    is_cut_off: bool,
}

/// What is done next.
enum Fault {
    /// `kill -9` while the sandbox holds the answer to its POST.
    Aimed,
    /// `kill -9` at a random moment.
    Kill,
    /// SIGSTOP, for longer than a lease; where each process has a host, that is cut off from the database instead.
    StandStill,
    /// A crash of the database's server.
    Crash,
    /// Connections to it are cut.
    Cut,
    /// `kill -9` of the sandbox.
    Sandbox,
}

impl Chaos<'_> {
    /// One fault.
    pub(super) fn strike(&mut self) -> Result<()> {
        if self.stage.look_at_budget() {
            // All have the next budget from now on: the power fails, and comes back.
            self.wake()?;
            return self.stage.kill_all(false);
        }
        if self.still.as_ref().is_some_and(|still| monotonic() >= still.until) {
            self.wake()?;
        }
        match self.next_fault() {
            Fault::Aimed => self.kill_while_held(),
            Fault::Kill => self.kill_at_random(),
            Fault::StandStill => self.stop_somebody(),
            Fault::Crash => self.crash_database(),
            Fault::Cut => self.cut_lines(),
            Fault::Sandbox => {
                let gap = self.dice.millis(0..1_000);
                self.is_rate_limited = false;
                self.stage.kill_sandbox(gap)
            }
        }
    }

    fn next_fault(&mut self) -> Fault {
        if self.still.is_none() && self.dice.chance(STOPS) {
            return Fault::StandStill;
        }
        match self.dice.roll(100) {
            0..48 => Fault::Aimed,
            48..64 => Fault::Kill,
            64..76 => Fault::Crash,
            76..92 => Fault::Cut,
            _ => Fault::Sandbox,
        }
    }

    /// Whoever sent the POST whose answer is held dies.
    fn kill_while_held(&mut self) -> Result<()> {
        self.wait_until_all_work()?;
        let span = self.dice.millis(0..1_000);
        self.wait(span)?;
        if let Some(enrichment) = self.hold_a_post()? {
            self.kill_sender(&enrichment)?;
            if self.dice.chance(50) {
                clock::pass(self.dice.millis(0..500));
            }
        }
        self.stage.sandbox.release()
    }

    /// Who that is, is found by the batch's name; when nobody knows, all die.
    fn kill_sender(&mut self, enrichment: &str) -> Result<()> {
        let ledger = self.stage.sandbox.ledger()?;
        let batches: Vec<Batch> = serde_json::from_value(ledger["batches"].clone()).context("the sandbox's batches")?;
        let batch = batches.iter().find(|batch| batch.enrichment_id == enrichment);
        let run = batch.and_then(Batch::sender).map(|(run, _)| run.to_owned());
        let pid = run.and_then(|run| self.stage.look(|database| database.find_process(&run)).ok().flatten());
        match pid.and_then(|pid| self.place_of(pid)) {
            Some(place) => self.kill(place, true),
            None => {
                self.wake()?;
                self.stage.kill_all(true)
            }
        }
    }

    fn kill(&mut self, place: usize, aimed: bool) -> Result<()> {
        if self.still.as_ref().is_some_and(|still| still.place == place) {
            self.wake()?;
        }
        self.stage.watch();
        self.stage.kill_one(place, aimed)
    }

    fn place_of(&self, pid: u32) -> Option<usize> {
        let mut present = self.stage.present().into_iter();
        present.find(|place| self.stage.process(*place).is_some_and(|process| process.pid() == pid))
    }

    /// It may die while it starts.
    fn kill_at_random(&mut self) -> Result<()> {
        let span = self.dice.millis(0..2_000);
        self.wait(span)?;
        let present = self.stage.present();
        match present.is_empty() {
            true => Ok(()),
            false => {
                let place = *self.dice.choose(&present);
                self.kill(place, false)
            }
        }
    }

    fn stop_somebody(&mut self) -> Result<()> {
        self.wait_until_all_work()?;
        let candidates = self.who_may_stop();
        let place = *self.dice.choose(&candidates);
        let process = self.stage.process(place).context("it is there")?;
        let (since, pid) = (now(), process.pid());
        let span = match self.stage.hosts() {
            Some(hosts) => {
                hosts.cut_off(place)?;
                CUT_OFF
            }
            None => {
                process.signal("STOP")?;
                self.dice.millis(STILL)
            }
        };
        self.still = Some(Still {
            place,
            pid,
            since,
            until: monotonic() + span,
            is_cut_off: self.stage.hosts().is_some(),
        });
        Ok(())
    }

    /// Half of a short run without the one that takes people in would prove little.
    fn who_may_stop(&self) -> Vec<usize> {
        let mut present = self.stage.present();
        if self.stage.hosts().is_some() && self.length < SHORT {
            present.retain(|place| {
                self.stage
                    .process(*place)
                    .is_some_and(|process| process.role == Role::Worker)
            });
        }
        present
    }

    /// Who stands still goes on; who is cut off hears of the database again.
    pub(super) fn wake(&mut self) -> Result<()> {
        let Some(still) = self.still.take() else { return Ok(()) };
        if let Some(hosts) = self.stage.hosts() {
            hosts.mend(still.place)?;
        }
        let process = self.stage.process(still.place);
        let Some(process) = process.filter(|process| process.pid() == still.pid) else {
            return Ok(());
        };
        if !still.is_cut_off {
            process.signal("CONT")?;
        }
        let (until, victim) = (now(), process.role.victim());
        let kill = Kill {
            at: still.since,
            until: Some(until),
            victim,
            aimed: false,
        };
        let seconds = until.duration_since(still.since).as_secs_f64();
        let what = if still.is_cut_off { "was cut off" } else { "stood still" };
        self.stage
            .note(kill, &format!("a {victim:?} {what} for {seconds:.1} s"));
        Ok(())
    }

    fn crash_database(&mut self) -> Result<()> {
        self.wait_until_all_work()?;
        let at = now();
        let gap = self.dice.millis(0..1_500);
        let cluster = self.stage.cluster().context("a fleet has a server")?;
        cluster
            .stop("immediate")
            .context("the database's server does not stop")?;
        clock::pass(gap);
        cluster.resume().context("the database's server does not start again")?;
        self.note(
            at,
            Victim::Database,
            "the database's server crashed, and was there again",
        );
        Ok(())
    }

    fn cut_lines(&mut self) -> Result<()> {
        self.wait_until_all_work()?;
        let at = now();
        let cut = self
            .stage
            .look(Database::cut_lines)
            .context("connections cannot be cut")?;
        self.note(
            at,
            Victim::Lines,
            &format!("{cut} connections to the database were cut"),
        );
        Ok(())
    }

    fn note(&mut self, at: Timestamp, victim: Victim, what: &str) {
        let kill = Kill {
            at,
            until: None,
            victim,
            aimed: false,
        };
        self.stage.note(kill, what);
    }

    /// A process that starts needs the database, and ends without it: that is for whoever starts processes to see to.
    fn wait_until_all_work(&mut self) -> Result<()> {
        let still = self.still.as_ref().map(|still| still.place);
        self.stage.wait_until_they_serve(still)?;
        let stage = &self.stage;
        let pids = |place: usize| stage.process(place).map(crate::server::Server::pid);
        let moving = stage.present().into_iter().filter(|place| Some(*place) != still);
        let wanted: Vec<u32> = moving.filter_map(pids).collect();
        let all_there = || {
            let there = stage.look(Database::list_processes).ok()?;
            wanted.iter().all(|pid| there.contains(pid)).then_some(())
        };
        until_within(START, all_there).context("a process of the fleet does not start")
    }
}
