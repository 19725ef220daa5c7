//! Lumina beside such a provider.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lumina::workflows::{PROBE, PipelineSettings, RETENTION, SCHEDULED_BATCH};
use lumina_workflow::store::RunStatus;
use lumina_workflow::{Engine, EngineError, RunId};

use super::Provider;
use crate::pipeline::world::{On, World, settings};

pub const MINUTE: Duration = Duration::from_secs(60);

/// Lumina, the provider, and time that passes when it is told to.
pub struct Town {
    pub world: World,
    pub provider: Arc<Provider>,
}

impl Town {
    pub fn start(on: On) -> Self {
        Self::with(on, |_| {})
    }

    /// With other settings than the defaults.
    pub fn with(on: On, change: impl FnOnce(&mut PipelineSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let mut provider = None;
        let world = World::start_beside(on, |runtime| provider.insert(Provider::new(runtime)).clone(), settings);
        Self {
            world,
            provider: provider.unwrap(),
        }
    }

    /// Nothing starts by itself any more but sweeps and questions for late results: so long times pass quickly.
    pub fn hush(&self) {
        for schedule in [SCHEDULED_BATCH, PROBE, RETENTION] {
            let held = self.world.app().engine.pause_schedule(schedule, "the test");
            self.world.run(held).unwrap();
        }
    }

    /// So many people come in, and time passes until they have been sent.
    pub fn send(&self, people: std::ops::Range<u32>) {
        self.world
            .import(people.map(|number| format!("person{number}@gmail.com")));
        self.pass(MINUTE);
    }

    /// The run that sends these people, which is the only one that is open.
    pub fn open_run(&self) -> RunId {
        let statuses = [
            RunStatus::Pending,
            RunStatus::Running,
            RunStatus::Waiting,
            RunStatus::Paused,
        ];
        let open: Vec<_> = statuses
            .into_iter()
            .flat_map(|status| self.world.runs(status))
            .collect();
        assert_eq!(open.len(), 1, "{open:?}");
        open[0].id
    }

    /// What somebody tells the engine.
    pub fn tell<'t, T>(&'t self, command: impl AsyncFnOnce(&'t Engine) -> Result<T, EngineError>) -> T {
        self.world.run(command(&self.world.app().engine)).unwrap()
    }

    pub fn pass(&self, time: Duration) {
        self.world.pass(time);
    }

    pub fn call_back(&self, body: &serde_json::Value) -> String {
        let answer = self.world.call_back("", body);
        // What it makes of it is done at once.
        self.pass(Duration::from_secs(1));
        answer["status"].as_str().unwrap().to_owned()
    }

    /// How many lookups have each status.
    pub fn jobs(&self) -> BTreeMap<String, u64> {
        let census = self.world.run(self.world.app().records.census());
        census.unwrap().jobs
    }

    pub fn expect_jobs(&self, expected: &[(&str, u64)]) {
        let expected = expected.iter().map(|(status, count)| ((*status).to_owned(), *count));
        assert_eq!(self.jobs(), expected.collect::<BTreeMap<_, _>>());
    }

    pub fn leads(&self) -> u64 {
        self.world.count("SELECT count(*) FROM lumina.lead")
    }

    /// The ledger's outcomes, oldest first.
    pub fn outcomes(&self) -> Vec<String> {
        let all: String = self.world.value(
            "SELECT coalesce(string_agg(outcome, ','), '') FROM (SELECT outcome FROM lumina.credit_ledger ORDER BY posted_at, run, attempt) AS line",
        );
        all.split(',')
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Reasons of what is in the way of buying.
    pub fn pauses(&self) -> Vec<String> {
        let pauses = self.world.run(self.world.app().records.pauses()).unwrap();
        pauses.into_iter().map(|pause| pause.message).collect()
    }

    pub fn failed_runs(&self) -> usize {
        self.world.runs(RunStatus::Failed).len()
    }
}
