//! What the sandbox has looked up and charged.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

/// What `GET /sandbox/ledger` shows.
pub struct Ledger(pub Value);

impl Ledger {
    #[track_caller]
    pub fn number(&self, name: &str) -> u64 {
        let number = self
            .0
            .pointer(&format!("/{}", name.replace('.', "/")))
            .and_then(Value::as_u64);
        number.unwrap_or_else(|| panic!("the ledger has no {name}: {}", self.0))
    }

    pub fn batches(&self) -> &[Value] {
        self.0["batches"].as_array().unwrap()
    }

    /// How many contacts each batch was accepted with, in order.
    pub fn batch_sizes(&self) -> Vec<u64> {
        self.batches()
            .iter()
            .map(|batch| batch["contacts"].as_u64().unwrap())
            .collect()
    }

    /// How often each address was looked up.
    pub fn lookups(&self) -> BTreeMap<String, u64> {
        let lines = self.0["addresses"].as_array().unwrap().iter();
        lines
            .map(|line| {
                (
                    line["email"].as_str().unwrap().to_owned(),
                    line["lookups"].as_u64().unwrap(),
                )
            })
            .collect()
    }

    /// Whether all callbacks, of batches and of contacts, were given up after their last try.
    pub fn has_given_up_callbacks(&self) -> bool {
        const TRIES: u64 = 6;
        let callbacks = self.number("contactCount") + self.number("batchCount");
        self.number("callbacks.failedAttempts") == callbacks * TRIES
    }

    /// Nobody was charged for twice, at any time: charges are only ever added.
    #[track_caller]
    pub fn assert_nobody_charged_twice(&self) {
        assert_eq!(self.0["chargedTwice"], serde_json::json!([]));
        assert_eq!(self.number("chargedTwiceCount"), 0);
    }
}

/// The ledger's file, line by line: also there when no sandbox runs.
pub struct LedgerFile(Vec<Value>);

impl LedgerFile {
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        Self(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.0.iter().filter(move |line| line["kind"] == kind)
    }

    /// What the provider says of each address it has looked up.
    pub fn answers(&self) -> BTreeMap<String, bool> {
        let lookups = self.of_kind("lookup");
        lookups
            .map(|line| (line["email"].as_str().unwrap().to_owned(), line["found"] == true))
            .collect()
    }

    /// The addresses of people who were found.
    pub fn found(&self) -> BTreeSet<String> {
        self.answers()
            .into_iter()
            .filter_map(|(email, found)| found.then_some(email))
            .collect()
    }

    /// How often each address was charged.
    pub fn charges(&self) -> BTreeMap<String, u64> {
        let mut charges = BTreeMap::new();
        for line in self.of_kind("lookup").filter(|line| line["credits"] != 0) {
            *charges.entry(line["email"].as_str().unwrap().to_owned()).or_default() +=
                line["credits"].as_u64().unwrap();
        }
        charges
    }

    pub fn batch_count(&self) -> usize {
        self.of_kind("batch").count()
    }

    /// The shortest time from a batch's acceptance to a lookup's end.
    pub fn shortest_lookup(&self) -> jiff::SignedDuration {
        let time = |line: &Value| line["at"].as_str().unwrap().parse::<Timestamp>().unwrap();
        let accepted: BTreeMap<&str, Timestamp> = self
            .of_kind("batch")
            .map(|line| (line["id"].as_str().unwrap(), time(line)))
            .collect();
        let spans = self
            .of_kind("lookup")
            .map(|line| time(line).duration_since(accepted[line["batch"].as_str().unwrap()]));
        spans.min().expect("somebody was looked up")
    }
}
