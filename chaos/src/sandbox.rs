//! `lumina sandbox` as a process of its own, and the calls by which it is told what to do.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::clock::until_within;
use crate::configuration::API_KEY;
use crate::http::{Answer, Request};
use crate::moods::INVALID_ADDRESSES;
use crate::place::Place;
use crate::process::Process;

/// A start takes a second on a busy machine; a ledger of an hour some more.
const START: Duration = Duration::from_secs(30);

/// More calls than the longest burst lasts for, and another one that comes meanwhile.
const CALLS_OF_A_BURST: usize = 20;

/// The sandbox, started again as often as it is killed.
#[derive(Debug)]
pub struct Sandbox {
    place: Place,
    process: Process,
    lives: u32,
}

impl Sandbox {
    /// Starts it on the ledger in this place.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(place: &Place) -> Result<Self> {
        let place = place.clone();
        let process = spawn(&place, 1)?;
        let mut sandbox = Self {
            place,
            process,
            lives: 1,
        };
        sandbox.wait_until_it_answers()?;
        Ok(sandbox)
    }

    /// Kills it; [`revive`](Self::revive) starts it again.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again.
    ///
    /// # Errors
    /// When it does not start.
    pub fn revive(&mut self) -> Result<()> {
        self.lives += 1;
        self.process = spawn(&self.place, self.lives)?;
        self.wait_until_it_answers()
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<String> {
        self.process
            .ended()
            .map(|status| format!("lumina sandbox ended by itself with {status}"))
    }

    /// How often each mood has occurred, on this ledger.
    ///
    /// # Errors
    /// When it does not say.
    pub fn occurred(&self) -> Result<BTreeMap<String, u64>> {
        let shown = self.call(&Request::new("GET", "/sandbox/moods"))?.json()?;
        serde_json::from_value(shown["occurred"].clone()).context("the sandbox does not count its moods")
    }

    /// Changes how often moods come.
    ///
    /// # Errors
    /// When it refuses the change.
    pub fn set_moods(&self, change: &Value) -> Result<()> {
        self.call(&Request::new("PUT", "/sandbox/moods").json(change))?.json()?;
        Ok(())
    }

    /// Uses up a burst that is under way, by calls of our own: it lasts for some calls, however long those take to come.
    ///
    /// # Errors
    /// When it is not over after more calls than a burst lasts for.
    pub fn end_burst(&self) -> Result<()> {
        let credits = Request::new("GET", "/api/v2/account/credits");
        let credits = credits.header("authorization", &format!("Bearer {API_KEY}"));
        for _ in 0..CALLS_OF_A_BURST {
            if self.call(&credits)?.is_success() {
                return Ok(());
            }
        }
        bail!("the sandbox's burst does not end")
    }

    /// Ends all moods. That it refuses some addresses is none of them: it goes on with that.
    ///
    /// # Errors
    /// When it does not end them.
    pub fn end_moods(&self) -> Result<()> {
        self.done(&Request::new("DELETE", "/sandbox/moods"))?;
        self.set_moods(&json!({ INVALID_ADDRESSES: true }))
    }

    /// Has the next POST held when it is accepted, before it is answered.
    ///
    /// # Errors
    /// When it refuses.
    pub fn hold_next(&self) -> Result<()> {
        self.done(&Request::new("POST", "/sandbox/holds").json(&json!({"at": "accepted"})))
    }

    /// The batch whose POST is being held, as soon as one is.
    ///
    /// # Errors
    /// When it does not say.
    pub fn wait_until_held(&self, patience: Duration) -> Result<Option<String>> {
        let path = format!("/sandbox/holds?wait={}", patience.as_millis());
        let shown = self
            .call(&Request::new("GET", &path).within(patience + START))?
            .json()?;
        Ok(shown["held"]["enrichmentId"].as_str().map(str::to_owned))
    }

    /// Lets go of what is held, and holds nothing more.
    ///
    /// # Errors
    /// When it refuses.
    pub fn release(&self) -> Result<()> {
        self.done(&Request::new("DELETE", "/sandbox/holds"))
    }

    /// Its ledger.
    ///
    /// # Errors
    /// When it does not show it.
    pub fn ledger(&self) -> Result<Value> {
        self.call(&Request::new("GET", "/sandbox/ledger").within(START))?.json()
    }

    /// Its ledger in numbers.
    ///
    /// # Errors
    /// When it does not show it.
    pub fn totals(&self) -> Result<Value> {
        self.call(&Request::new("GET", "/sandbox/ledger?summary=true"))?.json()
    }

    fn done(&self, request: &Request) -> Result<()> {
        let answer = self.call(request)?;
        let said = || String::from_utf8_lossy(&answer.body).into_owned();
        ensure!(
            answer.is_success(),
            "{request:?} was answered {}: {}",
            answer.status,
            said()
        );
        Ok(())
    }

    fn call(&self, request: &Request) -> Result<Answer> {
        let answer = request.send(self.place.sandbox);
        answer.with_context(|| format!("lumina sandbox does not answer {request:?}"))
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let summary = Request::new("GET", "/sandbox/ledger?summary=true");
        let address = self.place.sandbox;
        let answers = until_within(START, || summary.send(address).ok().filter(Answer::is_success));
        ensure!(
            answers.is_some(),
            "lumina sandbox does not start: {}",
            self.process.printed()
        );
        Ok(())
    }
}

fn spawn(place: &Place, life: u32) -> Result<Process> {
    let address = place.sandbox.to_string();
    let arguments = [
        "sandbox",
        "--address",
        &address,
        "--ledger",
        "ledger.jsonl",
        "--settings",
        "sandbox.toml",
    ];
    let log = place.path(&format!("sandbox-{life:03}.log"));
    Process::spawn(&mut place.command(&arguments), &log)
}
