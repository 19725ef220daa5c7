//! The records answer the same on every database: one walk through all of them, on each.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::date;
use lumina::records::{
    Allowance, AnswerFate, AnswerId, Budgets, Channel, Delivery, Intake, JobAnswer, JobId, LeadQuery, Looks, NewAnswer,
    PauseReason, People, Records, Resend, Retrying, Subject, Sweep, View, WorkerSign, postgres, sqlite,
};
use lumina_enrichment::job::JobStatus;
use lumina_workflow::store::{Attachment, Change, Member, MemberResult, NewRun, Store};
use lumina_workflow::{RunId, Runtime, StoreClock};
use lumina_workflow_postgres::testing::Database;
use tempfile::TempDir;

use super::made::{HOUR, answer, intake, lead, new_run, now, subscriber, verdicts};
use super::rows::{id, job};
use crate::support::TestRuntime;

/// A database, and what it has answered so far.
pub struct Told {
    pub store: Arc<dyn Store>,
    pub records: Records,
    pub said: Vec<String>,
    next: u128,
    _folder: Option<TempDir>,
    _database: Option<Database>,
}

impl Told {
    fn new(store: Arc<dyn Store>, records: Records) -> Self {
        Self {
            store,
            records,
            said: Vec::new(),
            next: 1_000_000,
            _folder: None,
            _database: None,
        }
    }

    pub async fn on_sqlite() -> Self {
        use lumina_workflow_sqlite::{Mode, Options, Script, SqliteStore};
        let folder = tempfile::tempdir().unwrap();
        let runtime: Arc<dyn Runtime> = Arc::new(TestRuntime::new());
        let options = Options::new(folder.path().join("lumina.db"));
        let options = options.mode(Mode::Inline).clock(StoreClock::of(runtime));
        let store = Arc::new(SqliteStore::open(options).unwrap());
        let scripts = sqlite::MIGRATIONS.iter().map(|(name, sql)| Script { name, sql });
        store.migrate("lumina", &scripts.collect::<Vec<_>>()).await.unwrap();
        Self {
            _folder: Some(folder),
            ..Self::new(store.clone(), Records::new(store))
        }
    }

    pub async fn on_postgres() -> Self {
        use lumina_workflow_postgres::{Options, PostgresStore, Script};
        let database = Database::empty("records");
        let runtime: Arc<dyn Runtime> = Arc::new(TestRuntime::new());
        let options = Options::new(&database.address())
            .unwrap()
            .clock(StoreClock::of(runtime));
        let store = Arc::new(PostgresStore::open(options).await.unwrap());
        let scripts = postgres::MIGRATIONS.iter().map(|(name, sql)| Script { name, sql });
        store.migrate("lumina", &scripts.collect::<Vec<_>>()).await.unwrap();
        Self {
            _database: Some(database),
            ..Self::new(store.clone(), Records::new(store))
        }
    }

    pub fn say(&mut self, what: &str, answer: impl Debug) {
        self.said.push(format!("{what}: {answer:?}"));
    }

    pub async fn write(&mut self, what: &str, attach: Attachment) {
        let answer = self.commit(attach).await;
        self.say(what, [answer]);
    }

    pub async fn commit(&mut self, attach: Attachment) -> MemberResult {
        self.next += 1;
        let change = Change::Nothing { id: id(self.next) };
        let attach = Some(attach);
        let answers = self.store.commit(Arc::new([Member { change, attach }])).await;
        answers.unwrap().remove(0)
    }

    fn run(&mut self) -> NewRun {
        self.next += 1;
        new_run(self.next)
    }

    /// Takes in so many people from this number on; answers the runs that were there for them.
    pub async fn take_in(&mut self, channel: Channel, from: u128, many: u128, lookups: u64) -> Vec<RunId> {
        let runs: Vec<NewRun> = (0..many / 100 + 2).map(|_| self.run()).collect();
        let ids = runs.iter().map(|run| run.id).collect();
        let delivery = Delivery {
            id: id(10_000_000 + self.next),
            route: "upload".to_owned(),
            body: b"as it came".to_vec(),
        };
        let intake = Intake {
            lookups,
            delivery: Some(delivery),
            ..intake(channel, from, many, runs)
        };
        self.write("intake", Records::intake(intake)).await;
        ids
    }

    pub fn answer(&mut self, number: u128, enrichment: &str, named: Option<(RunId, u32)>) -> NewAnswer {
        answer(number, enrichment, named, self.run())
    }
}

fn budgets() -> Budgets {
    Budgets {
        per_day: Some(150),
        per_month: Some(1_000),
    }
}

fn view() -> View {
    View {
        now: now(),
        budgets: budgets(),
        looks: Looks {
            sweep_every: HOUR,
            probe_every: HOUR,
        },
    }
}

/// Everything that is read.
pub async fn look(told: &mut Told) {
    let records = told.records.clone();
    told.say("people", records.people().await.unwrap());
    told.say("counters", records.counters().await.unwrap());
    told.say("pauses", records.pauses().await.unwrap());
    told.say("metrics", records.metrics(view()).await.unwrap());
    told.say("census", records.census().await.unwrap());
    told.say("never", records.count_never_looked_up().await.unwrap());
    told.say("checkup", records.check_up(view(), HOUR).await.unwrap());
    told.say("spending", records.spending(budgets(), now()).await.unwrap());
    told.say("reserved", records.reserved_of_balance(now()).await.unwrap());
    told.say("jobs", records.jobs(None, 300).await.unwrap());
    told.say("stale", records.jobs(Some(JobStatus::Stale), 300).await.unwrap());
    told.say("ledger", records.ledger(None, 50).await.unwrap());
    let day = date(2026, 8, 1);
    told.say("ledger of a day", records.ledger(Some(day), 50).await.unwrap());
    let (from, to) = (date(2026, 7, 1), date(2026, 9, 1));
    told.say("days", records.credits_by_day(from, to).await.unwrap());
    told.say("answers", records.answers(false, 50).await.unwrap());
    told.say("unclaimed", records.answers(true, 50).await.unwrap());
    told.say("due", records.due_for_asking(now(), 10).await.unwrap());
    let all = LeadQuery {
        limit: 10,
        ..LeadQuery::default()
    };
    let leads = records.leads(all).await.unwrap();
    if let Some(first) = leads.first() {
        let after = Some((first.icp_score, first.id));
        told.say("next leads", records.leads(LeadQuery { after, ..all }).await.unwrap());
    }
    told.say("leads", leads);
}

async fn look_at_post(told: &mut Told, run: RunId, attempt: u32) {
    let records = told.records.clone();
    told.say("lookups", records.lookups(run, attempt).await.unwrap());
    told.say("standing", records.standing(run, attempt).await.unwrap());
    told.say("posted at", records.posted_at(run, attempt).await.unwrap());
    told.say("batch", records.batch(run.0).await.unwrap());
    told.say("unapplied", records.unapplied_of_run(run).await.unwrap());
}

async fn come_in(told: &mut Told) -> (Vec<RunId>, RunId) {
    told.write("stamp", Records::stamp(People::Sandbox)).await;
    told.write("stamp again", Records::stamp(People::Real)).await;
    told.write("nothing", Records::nothing()).await;
    let keys = (1..4).map(|number| subscriber(number).dedupe_key.as_str().to_owned());
    let keys: Vec<String> = keys.collect();
    told.say("unknown", told.records.count_unknown(keys.clone()).await.unwrap());
    let files = told.take_in(Channel::File, 1, 150, u64::MAX).await;
    told.take_in(Channel::File, 151, 90, u64::MAX).await;
    let alone = told.take_in(Channel::Webhook, 301, 1, 1).await[0];
    told.take_in(Channel::Webhook, 301, 1, 1).await;
    told.take_in(Channel::File, 1, 3, 3).await;
    told.take_in(Channel::File, 401, 20, 0).await;
    told.say("unknown", told.records.count_unknown(keys).await.unwrap());
    let ids: Vec<JobId> = (501..504).map(job).collect();
    told.write("create", Records::create_jobs(ids)).await;
    look(told).await;
    (files, alone)
}

/// One whose answer is heard, after it was not known what became of it.
async fn be_answered(told: &mut Told, run: RunId) {
    let allowance = Allowance {
        budgets: budgets(),
        balance: 1_000,
    };
    let resend = Resend {
        window: Duration::ZERO,
        max_in_flight: 2,
        budgets: Budgets::default(),
        look_again: HOUR,
    };
    told.write("slot", Records::take_slot(run, 1)).await;
    told.write("slot again", Records::take_slot(run, 1)).await;
    told.write("batch", Records::take_batch(run, allowance)).await;
    told.write("spend", Records::spend_today(run, 1, budgets())).await;
    look_at_post(told, run, 1).await;
    told.write("unknown", Records::mark_unknown(run, 1, Duration::ZERO))
        .await;
    look_at_post(told, run, 1).await;
    told.write("again", Records::send_again(run, 1, resend)).await;
    let accepted = Records::accept(run, 2, "second".to_owned(), now(), 24 * HOUR);
    told.write("accept", accepted).await;
    look_at_post(told, run, 2).await;
    let mut early = told.answer(20_001, "second", Some((run, 2)));
    (early.is_final, early.status) = (false, Some("IN_PROGRESS".to_owned()));
    told.write("early", Records::store_answer(early)).await;
    let first = told.answer(20_002, "first", Some((run, 1)));
    told.write("first", Records::store_answer(first.clone())).await;
    let mut same = first;
    same.id = AnswerId(id(20_009));
    told.write("the same", Records::store_answer(same)).await;
    let stranger = told.answer(20_003, "stranger", None);
    told.write("stranger", Records::store_answer(stranger.clone())).await;
    told.write("replay", Records::replay_answer(stranger)).await;
    look(told).await;
    let found = vec![
        (Subject::Job(job(1)), lead("Ada", 90)),
        (Subject::Email("PERSON2@gmail.com".to_owned()), JobAnswer::NotFound),
        (Subject::Job(job(3)), JobAnswer::NotLookedAt),
    ];
    let first = AnswerId(id(20_002));
    told.say("said before", told.records.said_before(first).await.unwrap());
    told.say("stored", told.records.answer(first).await.unwrap());
    told.write("apply", Records::apply_answer(first, verdicts(found))).await;
    told.write("settle", Records::settle_batch(run)).await;
    let second = told.answer(20_004, "second", Some((run, 2)));
    told.write("second", Records::store_answer(second)).await;
    let again = verdicts(vec![(Subject::Job(job(1)), lead("Ada Lovelace", 40))]);
    told.write(
        "apply several",
        Records::apply_answers(vec![(AnswerId(id(20_004)), again)]),
    )
    .await;
    told.write("settle", Records::settle_batch(run)).await;
    told.say("unapplied", told.records.unapplied_of("second").await.unwrap());
    told.say("listed", told.records.listed_answer(first).await.unwrap());
    look_at_post(told, run, 2).await;
    look(told).await;
}

/// One that is given up, and answered late.
async fn be_late(told: &mut Told, run: RunId) {
    let allowance = Allowance {
        budgets: Budgets::default(),
        balance: 1_000,
    };
    told.write("resume", Records::resume(PauseReason::Credits, 3)).await;
    told.write("slot", Records::take_slot(run, 3)).await;
    told.write("batch", Records::take_batch(run, allowance)).await;
    let accepted = Records::accept(run, 1, "late".to_owned(), now(), HOUR);
    told.write("accept", accepted).await;
    told.write("close", Records::close_batch(run, "its time is over".to_owned()))
        .await;
    look(told).await;
    told.write("later", Records::ask_later("late".to_owned(), HOUR)).await;
    told.write("ended?", Records::stop_asking_if_ended("late".to_owned()))
        .await;
    let late = told.answer(20_005, "late", None);
    told.write("late", Records::store_answer(late)).await;
    told.write("gone", Records::mark_gone("late".to_owned())).await;
    look(told).await;
}

async fn be_divided(told: &mut Told, run: RunId) {
    let allowance = Allowance {
        budgets: Budgets::default(),
        balance: 45,
    };
    told.write("slot", Records::take_slot(run, 9)).await;
    told.write("batch", Records::take_batch(run, allowance)).await;
    let halves = [told.run(), told.run()];
    told.write("split", Records::split_batch(run, halves.clone(), "refused".to_owned()))
        .await;
    let refused = Records::refuse_and_pause(halves[0].id, "no".to_owned());
    told.write("refuse", refused).await;
    told.write("withdraw", Records::withdraw(halves[1].id)).await;
    look(told).await;
}

async fn be_decided(told: &mut Told) {
    told.write("probe", Records::postpone_probe(PauseReason::Refused)).await;
    for reason in [PauseReason::Refused, PauseReason::Credits, PauseReason::Budget] {
        told.write("resume", Records::resume(reason, 3)).await;
    }
    told.write("pause", Records::pause(PauseReason::Budget, "none left".to_owned()))
        .await;
    let ids: Vec<JobId> = [1, 2, 3, 5, 100, 301, 999].map(job).into();
    told.say("some", told.records.jobs_of(ids.clone()).await.unwrap());
    told.write("fail", Records::fail_jobs(ids.clone(), "by hand".to_owned()))
        .await;
    for may_pay_twice in [false, true] {
        let how = Retrying {
            may_pay_twice,
            refresh_after: HOUR,
        };
        told.write("retry", Records::retry_jobs(ids.clone(), how)).await;
        told.write("retry all", Records::retry_all(Some(job(4)), how)).await;
    }
    let sweep = Sweep {
        runs: (0..10).map(|_| told.run()).collect(),
        max_in_flight: 3,
        budgets: Budgets::default(),
        window: HOUR,
    };
    told.write("sweep", Records::sweep(sweep)).await;
    for code in ["BAD", "WORSE", "BAD"] {
        told.write(
            "note",
            Records::note_rejected("enrichment".to_owned(), code.to_owned(), 9),
        )
        .await;
    }
    look(told).await;
    told.write("purge", Records::purge_deliveries(Duration::ZERO, 100))
        .await;
    look(told).await;
}

/// Processes come and go.
async fn be_there(told: &mut Told) {
    let sign = |number, is_draining| WorkerSign {
        id: id(number),
        host: "here".to_owned(),
        pid: 7,
        version: "0.1.0".to_owned(),
        command: "serve".to_owned(),
        is_draining,
    };
    for (number, is_draining) in [(1, false), (2, false), (1, true), (1, false)] {
        told.write("there", Records::note_worker(sign(number, is_draining)))
            .await;
        told.say("workers", told.records.workers().await.unwrap());
    }
    told.write("gone", Records::forget_worker(id(2))).await;
    told.say("workers", told.records.workers().await.unwrap());
}

async fn walk(mut told: Told) -> Vec<String> {
    let (files, alone) = come_in(&mut told).await;
    be_answered(&mut told, files[0]).await;
    be_late(&mut told, alone).await;
    be_divided(&mut told, files[1]).await;
    be_decided(&mut told).await;
    be_there(&mut told).await;
    told.said
}

#[tokio::test]
async fn every_database_answers_the_same() {
    let (sqlite, postgres) = (Told::on_sqlite().await, Told::on_postgres().await);
    let (sqlite, postgres) = (walk(sqlite).await, walk(postgres).await);
    for (on_sqlite, on_postgres) in sqlite.iter().zip(&postgres) {
        assert_eq!(on_sqlite, on_postgres);
    }
    assert_eq!(sqlite.len(), postgres.len());
    let fates = [
        AnswerFate::Routed,
        AnswerFate::Late,
        AnswerFate::Kept,
        AnswerFate::Duplicate,
        AnswerFate::Unrouted,
    ];
    for fate in fates.map(|fate| serde_json::to_string(&fate).unwrap()) {
        assert!(sqlite.iter().any(|said| said.contains(&fate)), "{fate}");
    }
    assert!(!sqlite.iter().any(|said| said.contains("Err(")), "{sqlite:#?}");
}
