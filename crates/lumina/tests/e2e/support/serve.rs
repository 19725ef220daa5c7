//! `lumina serve` as a process of its own.

use std::net::SocketAddr;

use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::http::{Answer, Request, get, post};
use super::place::{Place, SUBSCRIBE_SECRET};
use super::process::{Process, Signal};
use super::wait::until;

/// A running server.
pub struct Serve {
    pub process: Process,
    pub address: SocketAddr,
    token: String,
}

impl Serve {
    /// Starts it, and waits until it listens.
    pub fn start(place: &Place) -> Self {
        Self::of(place, place.spawn(&["serve"]))
    }

    /// Waits until a process listens that serves.
    pub fn of(place: &Place, process: Process) -> Self {
        let line = process.wait_for_line("Listening on http://");
        let rest = line.split_once("http://").expect("the line has it").1;
        let (address, rest) = rest
            .split_once("; the token is in ")
            .expect("the line names the token's file");
        let file = rest.trim_end_matches('.').trim_end_matches(" (made just now)");
        let token = std::fs::read_to_string(place.path(file)).unwrap().trim().to_owned();
        Self {
            process,
            address: address.parse().unwrap(),
            token,
        }
    }

    /// Sends a request with the token.
    pub fn call(&self, request: Request) -> Answer {
        self.call_openly(&request.header("authorization", &format!("Bearer {}", self.token)))
    }

    /// Sends a request as it is.
    pub fn call_openly(&self, request: &Request) -> Answer {
        request.send(self.address).unwrap()
    }

    /// What a page with the token shows.
    #[track_caller]
    pub fn show(&self, path: &str) -> Value {
        self.call(get(path)).ok()
    }

    /// One subscriber by the signed webhook.
    #[track_caller]
    pub fn subscribe(&self, email: &str) -> Value {
        self.call_openly(&subscription(email)).ok()
    }

    /// A run and its history.
    #[track_caller]
    pub fn workflow(&self, id: &str) -> Workflow {
        Workflow(self.show(&format!("/api/workflows/{id}?limit=500")))
    }

    /// A run as soon as it has this status.
    #[track_caller]
    pub fn workflow_when(&self, id: &str, status: &str) -> Workflow {
        until(&format!("workflow {id} to be {status}"), || {
            Some(self.workflow(id)).filter(|workflow| workflow.status() == status)
        })
    }

    /// Ends it in order.
    #[track_caller]
    pub fn stop(mut self) {
        self.process.send(Signal::Terminate);
        assert_eq!(self.process.wait().code(), Some(0));
    }
}

/// A run and its history, as the API shows them.
#[derive(Debug)]
pub struct Workflow(pub Value);

impl Workflow {
    pub fn status(&self) -> &str {
        self.0["workflow"]["status"].as_str().unwrap()
    }

    /// What a step's records are, in order.
    pub fn of_step(&self, step: &str) -> Vec<&Value> {
        self.0["history"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|entry| entry["step"] == step)
            .collect()
    }

    /// What happened to a step, in words.
    pub fn words(&self, step: &str) -> Vec<&str> {
        self.of_step(step)
            .iter()
            .map(|entry| entry["what"].as_str().unwrap())
            .collect()
    }

    /// A time in a record, or in what else the record says.
    #[track_caller]
    pub fn time(record: &Value, pointer: &str) -> jiff::Timestamp {
        record
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_else(|| panic!("no {pointer}: {record}"))
            .parse()
            .unwrap()
    }
}

/// A signed delivery of one subscriber.
pub fn subscription(email: &str) -> Request {
    let body = json!({"email": email, "source": "footer", "timestamp": "2026-08-01T12:00:00Z"}).to_string();
    signed(&body)
}

/// A delivery with its signature.
pub fn signed(body: &str) -> Request {
    let mut mac = Hmac::<Sha256>::new_from_slice(SUBSCRIBE_SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    post("/api/webhooks/subscribe")
        .header("x-webhook-signature", &signature)
        .body(body)
}
