//! `lumina sandbox` as a process of its own.

use std::net::SocketAddr;

use super::http::{get, post};
use super::ledger::Ledger;
use super::place::Place;
use super::process::Process;

/// The key that a sandbox accepts when it is told no other.
pub const SANDBOX_KEY: &str = "sandbox-key-not-real";

/// Everything at once, at no pace but the test's: answers within moments, and quick retries.
pub const FAST: &str = r#"
calls_per_minute = 100000
contacts_at_once = 100000
lookup_min = "200ms"
lookup_max = "200ms"
callback_retry_every = "200ms"
"#;

/// A running sandbox.
pub struct Sandbox {
    pub process: Process,
    pub address: SocketAddr,
}

impl Sandbox {
    /// Starts it on the ledger in this place.
    pub fn start(place: &Place, address: SocketAddr, settings: &str) -> Self {
        place.write("sandbox.toml", settings);
        let listen = address.to_string();
        let ledger = ["--ledger", "ledger.jsonl", "--settings", "sandbox.toml"];
        let process = place.spawn(&[&["sandbox", "--address", &listen], &ledger[..]].concat());
        let line = process.wait_for_line("FULLENRICH_BASE_URL=");
        let url = line
            .strip_prefix("FULLENRICH_BASE_URL=http://")
            .expect("the line begins so");
        let address = url.strip_suffix("/api/v2").expect("the URL ends so").parse().unwrap();
        Self { process, address }
    }

    pub fn ledger(&self) -> Ledger {
        Ledger(get("/sandbox/ledger").send(self.address).unwrap().ok())
    }

    pub fn buy_credits(&self, credits: u64) {
        let body = format!("{{\"add\":{credits}}}");
        post("/sandbox/credits")
            .header("content-type", "application/json")
            .body(body)
            .send(self.address)
            .unwrap()
            .ok();
    }
}
