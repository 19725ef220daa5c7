//! A place with a sandbox in it and a gateway between the two.

use std::collections::BTreeSet;

use super::gateway::Gateway;
use super::place::Place;
use super::port::free_address;
use super::sandbox::Sandbox;
use super::wait::until_true;

/// Everything but Lumina itself.
pub struct World {
    // Fields are dropped in this order: the folder last.
    pub gateway: Gateway,
    pub sandbox: Sandbox,
    pub place: Place,
}

impl World {
    /// A sandbox with these settings, and a place that is configured for it, by way of the gateway.
    pub fn start(sandbox_settings: &str) -> Self {
        let address = free_address();
        let gateway = Gateway::start(address);
        let place = Place::for_provider(gateway.address);
        let sandbox = place.sandbox(address, sandbox_settings);
        Self {
            gateway,
            sandbox,
            place,
        }
    }

    /// Starts the sandbox again, on the same ledger and address.
    pub fn restart_sandbox(&mut self, settings: &str) {
        self.sandbox.process.kill();
        self.sandbox = self.place.sandbox(self.sandbox.address, settings);
    }

    /// Takes in a file of invented people, as a command beside whoever serves.
    #[track_caller]
    pub fn import(&self, numbers: impl IntoIterator<Item = u32>) {
        self.place.write_people("people.csv", numbers);
        self.place.run(&["import", "people.csv", "--yes"]).ok();
    }

    #[track_caller]
    pub fn wait_until_settled(&self) {
        let database = self.place.database();
        until_true("all lookups to end", || database.open_jobs() == 0);
    }

    /// Every lookup has ended with what the provider says of its address, every person found is a lead, and nobody
    /// was paid for twice.
    #[track_caller]
    pub fn assert_truth(&self, lookups: usize) {
        let (database, ledger) = (self.place.database(), self.place.ledger_file());
        let answers = ledger.answers();
        let expected = answers
            .iter()
            .map(|(email, found)| (email.clone(), if *found { "enriched" } else { "not_found" }.to_owned()));
        assert_eq!(
            database.status_by_email(),
            expected.collect(),
            "every job has the provider's answer"
        );
        assert_eq!(answers.len(), lookups, "everybody was looked up");
        let leads: BTreeSet<String> = database.leads().into_iter().collect();
        assert_eq!(leads, ledger.found(), "every person found is a lead");
        assert_eq!(
            database.count("enrichment_job"),
            lookups as u64,
            "one job for each address"
        );
        let twice: Vec<_> = ledger
            .charges()
            .into_iter()
            .filter(|(_, charges)| *charges > 1)
            .collect();
        assert_eq!(twice, [], "nobody is charged twice");
        self.sandbox.ledger().assert_nobody_charged_twice();
    }
}
