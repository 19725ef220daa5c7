//! Several processes write at once, on PostgreSQL: what was checked still holds when it is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use lumina::records::{
    Allowance, AnswerId, Budgets, Channel, JobAnswer, JobId, Records, Resend, Subject, Sweep, Swept, postgres,
};
use lumina_enrichment::job::JobStatus;
use lumina_workflow::store::{Attachment, Change, Member, NewRun, Outcome, Store};
use lumina_workflow::{Payload, RunId, StoreClock};
use lumina_workflow_postgres::testing::Database;
use lumina_workflow_postgres::{Options, PostgresStore, Script};
use uuid::Uuid;

use super::made::{HOUR, answer, intake, lead, new_run, now, verdicts};
use super::rows::{id, job};
use crate::support::TestRuntime;

/// Two processes on one database.
pub struct Fleet {
    stores: [Arc<PostgresStore>; 2],
    pub records: Records,
    pub database: Database,
}

impl Fleet {
    pub async fn new() -> Self {
        Self::on(Database::empty("records")).await
    }

    async fn on(database: Database) -> Self {
        let stores = [open(&database).await, open(&database).await];
        let records = Records::new(stores[0].clone());
        Self {
            stores,
            records,
            database,
        }
    }

    /// All at once, by one and the other in turn; answers what those came to that were not refused.
    pub async fn write_all(&self, all: Vec<Attachment>) -> Vec<Option<Payload>> {
        let commits = all.into_iter().zip(self.stores.iter().cycle());
        join_all(commits.map(|(attach, store)| write(store, attach))).await
    }

    pub async fn write(&self, attach: Attachment) {
        assert!(write(&self.stores[0], attach).await.is_some());
    }

    /// How many of the database's transactions wait for another one's lock.
    pub async fn count_waiting(&self) -> i64 {
        let waiting =
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        self.stores[1].read(waiting, &[]).await.unwrap()[0].get(0)
    }

    /// So many batches of a hundred, none of which has its turn yet.
    pub async fn start_batches(&self, many: u128) -> Vec<RunId> {
        let mut runs = Vec::new();
        for number in 0..many {
            let spare: Vec<NewRun> = (0..4).map(|next| new_run(100_000 + 10 * number + next)).collect();
            runs.push(spare[0].id);
            // Nine of ten have an address that is looked up.
            let mut people = intake(Channel::File, 1 + 1_000 * number, 120, spare);
            people.lookups = 100;
            self.write(Records::intake(people)).await;
        }
        runs
    }
}

async fn open(database: &Database) -> Arc<PostgresStore> {
    let clock = StoreClock::of(Arc::new(TestRuntime::new()));
    let options = Options::new(&database.address()).unwrap().clock(clock);
    let store = PostgresStore::open(options).await.unwrap();
    let scripts = postgres::MIGRATIONS.iter().map(|(name, sql)| Script { name, sql });
    store.migrate("lumina", &scripts.collect::<Vec<_>>()).await.unwrap();
    Arc::new(store)
}

async fn write(store: &PostgresStore, attach: Attachment) -> Option<Payload> {
    static CHANGES: AtomicU64 = AtomicU64::new(1_000_000_000);
    let number = CHANGES.fetch_add(1, Ordering::Relaxed);
    let change = Change::Nothing { id: id(number.into()) };
    let attach = Some(attach);
    let answers = store.commit(Arc::new([Member { change, attach }])).await.unwrap();
    match &answers[0] {
        Ok(Outcome::Done { payload }) => payload.clone(),
        _ => None,
    }
}

pub fn unlimited() -> Allowance {
    Allowance {
        budgets: Budgets::default(),
        balance: u64::MAX,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_are_out_than_may_be() {
    let fleet = Fleet::new().await;
    let runs = fleet.start_batches(12).await;
    let all = runs.iter().map(|run| Records::take_slot(*run, 3)).collect();
    let taken = fleet.write_all(all).await;
    assert_eq!(taken.iter().flatten().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_spent_than_the_budget_allows() {
    let fleet = Fleet::new().await;
    let runs = fleet.start_batches(8).await;
    let budgets = Budgets {
        per_day: Some(250),
        per_month: None,
    };
    let allowance = Allowance { budgets, ..unlimited() };
    let all = runs.iter().map(|run| Records::take_batch(*run, allowance)).collect();
    assert_eq!(fleet.write_all(all).await.iter().flatten().count(), 8);
    let spending = fleet.records.spending(budgets, now()).await.unwrap();
    assert_eq!((spending.day.used, spending.day.left), (250, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_is_open() {
    let fleet = Fleet::new().await;
    let alone = |number: u128| {
        let runs = vec![new_run(1_000 + 2 * number), new_run(1_001 + 2 * number)];
        Records::intake(intake(Channel::Webhook, 10 * number + 1, 1, runs))
    };
    let all = fleet.write_all((0..60).map(alone).collect()).await;
    assert_eq!(all.iter().flatten().count(), 60);
    assert_eq!(sizes(&fleet.jobs().await), [60]);
}

/// Whoever joins a batch that begins is in it, or in the next one.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_joins_a_batch_is_not_left_behind() {
    let fleet = Fleet::new().await;
    let alone = |number: u128| {
        let runs = vec![new_run(1_000 + 2 * number), new_run(1_001 + 2 * number)];
        Records::intake(intake(Channel::Webhook, 10 * number + 1, 1, runs))
    };
    for round in 0..8 {
        let first = 100 * (round + 1);
        fleet.write(alone(first)).await;
        let run = RunId(fleet.jobs().await[&job(10 * first + 1)].unwrap());
        let mut all: Vec<Attachment> = (1..12).map(|number| alone(first + number)).collect();
        all.insert(6, Records::take_batch(run, unlimited()));
        assert!(fleet.write_all(all).await.iter().all(Option::is_some));
        let owned = fleet.jobs().await;
        let owned = owned.iter().filter(|(_, owner)| **owner == Some(run.0));
        let sent = fleet.records.lookups(run, 1).await.unwrap();
        assert_eq!(sent.len(), owned.count(), "all that it owns is sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_stays_found() {
    let fleet = Fleet::new().await;
    let run = fleet.start_batches(1).await[0];
    fleet.write(Records::take_batch(run, unlimited())).await;
    fleet.write(Records::mark_unknown(run, 1, Duration::ZERO)).await;
    let resend = Resend {
        window: Duration::ZERO,
        max_in_flight: 9,
        budgets: Budgets::default(),
        look_again: HOUR,
    };
    fleet.write(Records::send_again(run, 1, resend)).await;
    let jobs: Vec<JobId> = fleet.jobs().await.into_keys().collect();
    // Each finds whom the other does not.
    let says = |half: usize| {
        let answer = |place| match place % 2 == half {
            true => lead("Ada", 90),
            false => JobAnswer::NotFound,
        };
        let records = jobs.iter().enumerate();
        verdicts(
            records
                .map(|(place, job)| (Subject::Job(*job), answer(place)))
                .collect(),
        )
    };
    for (attempt, name) in [(1, "a"), (2, "b")] {
        let accepted = Records::accept(run, attempt, name.to_owned(), now(), HOUR);
        fleet.write(accepted).await;
        let stored = answer(u128::from(attempt), name, None, new_run(900 + u128::from(attempt)));
        fleet.write(Records::store_answer(stored)).await;
    }
    let both = vec![
        Records::apply_answer(AnswerId(id(1)), says(0)),
        Records::apply_answer(AnswerId(id(2)), says(1)),
    ];
    assert!(fleet.write_all(both).await.iter().all(Option::is_some));
    let census = fleet.records.census().await.unwrap();
    assert_eq!(census.of_status(JobStatus::Enriched), 100, "{census:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_heard_although_its_run_ends() {
    let fleet = Fleet::new().await;
    let runs = fleet.start_batches(8).await;
    let mut all = Vec::new();
    for (number, run) in (0..).zip(&runs) {
        let name = format!("enrichment-{number}");
        fleet.write(Records::take_batch(*run, unlimited())).await;
        let accepted = Records::accept(*run, 1, name.clone(), now(), HOUR);
        fleet.write(accepted).await;
        all.push(Records::close_batch(*run, "cancelled".to_owned()));
        all.push(Records::store_answer(answer(
            number,
            &name,
            None,
            new_run(900 + number),
        )));
    }
    assert!(fleet.write_all(all).await.iter().all(Option::is_some));
    let later = now() + HOUR;
    let looked_after = fleet.records.due_for_asking(later, 100).await.unwrap();
    assert_eq!(looked_after.len(), runs.len(), "late results see to each of them");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_sweeps_take_up_the_same() {
    let fleet = Fleet::new().await;
    let mut people = intake(Channel::File, 1, 900, vec![new_run(1), new_run(2)]);
    people.lookups = 0;
    fleet.write(Records::intake(people)).await;
    let jobs = (1..=800).map(|number| job(10_000 + number)).collect();
    fleet.write(Records::create_jobs(jobs)).await;
    let sweep = |number: u128| {
        Records::sweep(Sweep {
            runs: (0..10).map(|next| new_run(1_000 * (number + 1) + next)).collect(),
            max_in_flight: 3,
            budgets: Budgets::default(),
            window: HOUR,
        })
    };
    let swept = fleet.write_all((0..4).map(sweep).collect()).await;
    let swept = swept.iter().map(|payload| payload.as_ref().unwrap().decode().unwrap());
    assert_eq!(swept.map(|swept: Swept| swept.jobs).sum::<u64>(), 800);
    let jobs = fleet.jobs().await;
    assert!(jobs.values().all(Option::is_some), "nobody was left out");
    // One that comes while another is still taking may get the last of them: not all runs have a hundred.
    assert!(sizes(&jobs).iter().all(|size| *size <= 100));
}

/// Somebody signs up again just now: what that comes to is for them.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_held_is_passed_over_by_those_who_make_lookups() {
    let fleet = Fleet::new().await;
    let mut people = intake(Channel::File, 1, 9, vec![new_run(1), new_run(2)]);
    people.lookups = 0;
    fleet.write(Records::intake(people)).await;
    let hold = format!(
        "BEGIN; SELECT 1 FROM lumina.subscriber WHERE id = '{}' FOR UPDATE",
        id(3)
    );
    fleet.database.execute(&hold);
    let ids = (101..=109).map(job).collect();
    fleet.write(Records::create_jobs(ids)).await;
    fleet.database.execute("ROLLBACK");
    assert_eq!(fleet.jobs().await.len(), 8);
    assert_eq!(fleet.records.count_never_looked_up().await.unwrap(), 1);
}

/// What others were in the way of is done again, and not left to the sweep.
#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_others_are_in_the_way_of_is_repeated() {
    let fleet = Fleet::on(Database::fresh()).await;
    fleet.database.execute(
        "CREATE SEQUENCE lumina.tries;
         CREATE FUNCTION lumina.refuse_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             IF nextval('lumina.tries') = 1 THEN RAISE deadlock_detected; END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER refuse_once BEFORE INSERT ON lumina.open_batch
             FOR EACH ROW EXECUTE FUNCTION lumina.refuse_once()",
    );
    let people = intake(Channel::Webhook, 1, 1, vec![new_run(1), new_run(2)]);
    fleet.write(Records::intake(people)).await;
    assert_eq!(fleet.jobs().await[&job(1)], Some(id(1)));
    assert!(fleet.records.counters().await.unwrap().is_empty(), "nothing failed");
}

impl Fleet {
    /// Who works off each lookup.
    async fn jobs(&self) -> BTreeMap<JobId, Option<Uuid>> {
        let jobs = self.records.jobs(None, 10_000).await.unwrap();
        jobs.into_iter().map(|job| (job.id, job.workflow_id)).collect()
    }
}

/// How many lookups each run has.
fn sizes(jobs: &BTreeMap<JobId, Option<Uuid>>) -> Vec<usize> {
    let mut sizes: BTreeMap<Option<Uuid>, usize> = BTreeMap::new();
    for run in jobs.values() {
        *sizes.entry(*run).or_default() += 1;
    }
    sizes.into_values().collect()
}
