//! Everything at once, in any order: a walk that a seed decides through all that can happen to a batch, and what must
//! hold on the way and at its end.
//!
//! `cargo xtask test whatever_happens --sim-seed 42` takes one walk.

mod checks;
mod happenings;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use lumina::workflows::PipelineSettings;
use lumina_workflow::deterministic::DeterministicRuntime;
use lumina_workflow::store::{RunQuery, RunStatus};
use lumina_workflow::{RunId, Runtime};
use serde_json::Value;

use super::provider::{Post, person};
use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

const HOUR: Duration = Duration::from_secs(3_600);
const WINDOW: Duration = HOUR;
const PLACES: u32 = 2;
const PER_DAY: u64 = 30;

/// As many as fit into a few seconds.
fn walks(on: On) -> u64 {
    match on {
        On::File => 2,
        On::Server => 1,
    }
}

const STEPS: u32 = 80;

/// Batches with it in them are refused.
const REFUSED: &str = "p5@gmail.com";

/// In seconds: what may pass between two steps.
const SPANS: [u64; 10] = [0, 1, 3, 61, 61, 600, 600, 1_800, 1_800, 3_700];

/// Runs that have not ended.
const OPEN: [RunStatus; 5] = [
    RunStatus::Pending,
    RunStatus::Running,
    RunStatus::Waiting,
    RunStatus::Paused,
    RunStatus::Blocked,
];

/// Numbers that a seed decides.
struct Dice(DeterministicRuntime);

impl Dice {
    fn roll(&self, sides: u64) -> u64 {
        self.0.random() % sides
    }

    fn one_in(&self, sides: u64) -> bool {
        self.roll(sides) == 0
    }

    fn pick<'t, T>(&self, from: &'t [T]) -> Option<&'t T> {
        let sides = u64::try_from(from.len()).unwrap();
        (sides > 0).then(|| &from[usize::try_from(self.roll(sides)).unwrap()])
    }
}

/// What the provider has told of a batch.
#[derive(Default)]
struct Told {
    /// When something that names it first came in.
    first: Option<Timestamp>,
    /// Its end, and when that came in or was there to be asked for.
    end: Option<(Timestamp, Value)>,
}

struct Walk {
    town: Town,
    dice: Dice,
    people: u32,
    told: BTreeMap<String, Told>,
    /// Whom something that came in has named as found.
    found: BTreeSet<String>,
    /// Bodies that came in, and by which URL.
    bodies: Vec<(&'static str, Value)>,
    /// Since when more may be bought than on other days.
    unbounded_since: Option<Timestamp>,
    log: Vec<String>,
}

/// Much happens within a few days.
fn hurry(settings: &mut PipelineSettings) {
    settings.deadline = 5 * HOUR;
    settings.reconcile_window = WINDOW;
    settings.poll_first = 20 * MINUTE;
    settings.poll_every = HOUR;
    settings.late_poll = 2 * HOUR;
    settings.sweep_every = 5 * MINUTE;
    settings.probe_every = HOUR;
    settings.batch_every = HOUR;
    settings.max_in_flight = PLACES;
    settings.budgets.per_day = Some(PER_DAY);
}

/// A third of all people are found by nobody.
fn truth(email: &str) -> Value {
    let sum: u32 = email.bytes().map(u32::from).sum();
    if sum.is_multiple_of(3) {
        Value::Null
    } else {
        person(email)
    }
}

/// The addresses that a body names as found.
fn found_in(body: &Value) -> impl Iterator<Item = &str> {
    let records = body["data"].as_array().unwrap().iter();
    let found = records.filter(|record| record["profile"].is_object());
    found.map(|record| record["input"]["email"].as_str().unwrap())
}

impl Walk {
    fn new(on: On, seed: u64) -> Self {
        let town = Town::with(on, hurry);
        town.provider.refuse(REFUSED);
        Self {
            town,
            dice: Dice(DeterministicRuntime::new(seed)),
            people: 0,
            told: BTreeMap::new(),
            found: BTreeSet::new(),
            bodies: Vec::new(),
            unbounded_since: None,
            log: vec![format!("seed {seed}")],
        }
    }

    fn now(&self) -> Timestamp {
        self.town.world.runtime.now()
    }

    fn note(&mut self, what: &str) {
        let now = self.now();
        self.log.push(format!("{now} {what}"));
    }

    fn step(&mut self) {
        match self.dice.roll(20) {
            0..=5 => self.come_in(),
            6..=9 => self.decide_fate(),
            10..=14 => self.tell(),
            15 => self.tell_again(),
            16 => self.die(),
            17..=18 => self.command(),
            _ => self.change_provider(),
        }
        let span = *self.dice.pick(&SPANS).unwrap();
        self.town.pass(Duration::from_secs(span));
        self.check_places();
    }

    /// Runs of the pipeline.
    fn runs(&self, statuses: &[RunStatus]) -> Vec<RunId> {
        let query = RunQuery {
            statuses: statuses.to_vec(),
            limit: 500,
            ..RunQuery::default()
        };
        let runs = self.town.world.all_runs(query).into_iter();
        let ours = runs.filter(|run| ["subscriber-enrichment", "late-answer"].contains(&run.workflow.as_str()));
        ours.map(|run| run.id).collect()
    }

    /// What was accepted and has not ended.
    fn posts_out(&self) -> Vec<Post> {
        let has_ended = |post: &Post| self.told.get(post.id()).is_some_and(|told| told.end.is_some());
        let mut posts = self.town.provider.accepted();
        posts.retain(|post| !has_ended(post));
        posts
    }

    /// Everything is put right, and the provider ends what is out.
    fn come_to_rest(&mut self) {
        self.put_right();
        for _ in 0..60 {
            for post in self.posts_out() {
                let end = post.body("FINISHED", |email| Some(truth(email)));
                self.end(&post, &end);
            }
            self.town.pass(3 * HOUR);
            self.check_places();
            let jobs = self.town.jobs();
            if !jobs.contains_key("pending") && !jobs.contains_key("submitted") {
                break;
            }
        }
        // What was given up is asked about once a day at least.
        self.town.hush();
        self.town.pass(30 * HOUR);
    }

    fn put_right(&mut self) {
        self.note("all is put right");
        self.unbounded_since = Some(self.now());
        self.make_provider_well();
        self.town.world.restart_with(|settings| {
            settings.budgets.per_day = None;
            settings.sweep_every = 20 * MINUTE;
        });
        for run in self.runs(&[RunStatus::Paused]) {
            self.town.tell(async |engine| engine.resume(run, "the walk").await);
        }
    }
}

fn walk(on: On, seed: u64) {
    let mut walk = Walk::new(on, seed);
    for _ in 0..STEPS {
        walk.step();
    }
    walk.come_to_rest();
    walk.check_end();
}

/// One seed of somebody's choice instead of the usual ones.
#[expect(
    clippy::disallowed_methods,
    reason = "`cargo xtask test --sim-seed` hands it over so"
)]
fn chosen() -> Option<u64> {
    std::env::var("LUMINA_SIM_SEED").ok()?.parse().ok()
}

fn whatever_happens_nothing_is_lost_and_nothing_paid_twice(on: On) {
    match chosen() {
        Some(seed) => walk(on, seed),
        None => (0..walks(on)).for_each(|seed| walk(on, seed)),
    }
}

on_each_database![whatever_happens_nothing_is_lost_and_nothing_paid_twice,];
