//! What the bodies say, read by other code than the product's: of each job, which people may be behind it, and whether
//! somebody must be.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use uuid::Uuid;

use super::body::Body;
use crate::support::Batch;

/// What was said of one job.
#[derive(Debug, Default)]
pub struct Said {
    /// A final answer to its batch names a person.
    pub found: bool,
    /// The names that were given anywhere; nothing stands for a person without one.
    pub names: BTreeSet<Option<String>>,
}

/// What was said by everything that was delivered.
#[derive(Debug, Default)]
pub struct Told {
    jobs: BTreeMap<String, Said>,
    /// A body was taken that a strict reader cannot judge: it may have said anything.
    pub is_unclear: bool,
    /// One that was signed may have named the batch's run beside another batch's id.
    pub is_mixed_up: bool,
}

impl Told {
    /// Hears a body that was accepted; only what comes to the URL for whole batches can end one.
    pub fn hear(&mut self, body: &Body, batch: &Batch, can_end: bool) {
        match serde_json::from_slice::<Value>(&body.bytes) {
            Ok(value) if body.is_clear => {
                let is_ours = value["id"] == batch.id.as_str();
                self.is_mixed_up |= !is_ours && names_a_run(&value);
                self.read(&value, batch, is_ours && can_end && is_end(&value));
            }
            _ => (self.is_unclear, self.is_mixed_up) = (true, true),
        }
    }

    /// What was said of a job.
    pub fn of(&self, job: &str) -> Option<&Said> {
        self.jobs.get(job)
    }

    fn read(&mut self, body: &Value, batch: &Batch, is_end: bool) {
        for record in body["data"].as_array().into_iter().flatten() {
            let Some(job) = job_of(record, batch) else { continue };
            let said = self.jobs.entry(job).or_default();
            if is_somebody(&record["profile"]) {
                said.found |= is_end;
                said.names.insert(name_of(&record["profile"]));
            }
        }
    }
}

/// By its records' tags, or by the name that the batch was sent under.
fn names_a_run(body: &Value) -> bool {
    let is_named = body["name"].as_str().is_some_and(|name| name.starts_with("Lumina "));
    is_named || body["data"].to_string().contains("lumina_run")
}

fn is_end(body: &Value) -> bool {
    let status = body["status"].as_str().unwrap_or_default().trim().to_ascii_uppercase();
    ["FINISHED", "CANCELED", "CANCELLED", "CREDITS_INSUFFICIENT"].contains(&status.as_str())
}

/// By its tag, or, where it carries none that is one, by its address.
fn job_of(record: &Value, batch: &Batch) -> Option<String> {
    let tag = record["custom"]["lumina_job"].as_str();
    if let Some(tag) = tag.and_then(|tag| tag.parse::<Uuid>().ok()) {
        return Some(tag.to_string());
    }
    let email = record["input"]["email"].as_str()?.to_lowercase();
    let sent = batch.request["data"].as_array().into_iter().flatten();
    let of_it = |item: &&Value| item["email"].as_str().is_some_and(|sent| sent.to_lowercase() == email);
    let item = sent.into_iter().find(of_it)?;
    Some(item["custom"]["lumina_job"].as_str()?.to_owned())
}

fn is_somebody(profile: &Value) -> bool {
    let says_something = |value: &Value| match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    };
    profile
        .as_object()
        .is_some_and(|members| members.values().any(says_something))
}

/// Only whole names are given by the genuine answer; a person without one may be called anything.
fn name_of(profile: &Value) -> Option<String> {
    let name = profile["full_name"].as_str()?.split_whitespace().collect::<Vec<_>>();
    (!name.is_empty()).then(|| name.join(" "))
}
