//! A batch that is out, callbacks in the order of a script, and what must be so afterwards.

use std::collections::{BTreeMap, BTreeSet};

use lumina::records::AnswerId;
use lumina::workflows::{HOUSEKEEPING, LATE_RESULTS, LateResults};
use lumina_fullenrich_sandbox::sign;
use lumina_workflow::Workflow;
use lumina_workflow::store::{RunQuery, RunStatus};
use serde_json::Value;
use uuid::Uuid;

use super::body::{Body, Written};
use super::told::Told;
use crate::support::{API_KEY, Batch, Form, NOW, TestApp, get, person, post, until};

const BATCH: &str = "/api/webhooks/enrichment";
const CONTACT: &str = "/api/webhooks/enrichment/contact";

/// What happens to one batch.
#[derive(Debug, Clone)]
pub struct Script {
    /// Whom it looks up: whether somebody is found.
    pub people: Vec<bool>,
    /// What is delivered while the POST's own answer is still to come.
    pub early: Vec<Delivery>,
    /// Whether that answer is lost, so that only callbacks tell that the batch was accepted.
    pub is_lost: bool,
    /// What is delivered afterwards; the genuine answer is in one of them.
    pub rounds: Vec<Round>,
}

/// Deliveries after each of which everything that can happen has happened, or, at rest, after all of them.
#[derive(Debug, Clone)]
pub struct Round {
    pub deliveries: Vec<Delivery>,
    pub at_rest: bool,
}

/// A signed callback.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub to_contact: bool,
    pub written: Written,
}

impl Delivery {
    pub fn genuine() -> Self {
        Self {
            to_contact: false,
            written: Written::Genuine,
        }
    }
}

/// A stage on which a script is played.
struct Stage {
    test: TestApp,
    batch: Batch,
    genuine: Value,
    told: Told,
    kept: BTreeSet<Vec<u8>>,
}

/// Plays it, and looks whether everything is as it has to be.
pub async fn play(script: &Script) {
    let mut stage = open(script).await;
    for delivery in &script.early {
        stage.deliver(delivery).await;
    }
    stage.test.provider.hold(false);
    until("the POST to have an outcome", || async {
        let known = "SELECT count(*) FROM enrichment_post WHERE state IN ('accepted', 'unknown')";
        (stage.test.count(known).await == 1).then_some(())
    })
    .await;
    for round in &script.rounds {
        stage.play(round).await;
    }
    stage.look_after_late_results().await;
    stage.judge(script).await;
}

async fn open(script: &Script) -> Stage {
    let mut test = TestApp::new().await;
    test.provider.hold(true);
    if script.is_lost {
        test.provider.lose_answers();
    }
    test.start_worker();
    let emails = script.people.iter().enumerate();
    let rows: String = emails.map(|(n, found)| format!("p{n}.{found}@gmail.com\n")).collect();
    let form = Form::new()
        .file("people.csv", &format!("email\n{rows}"))
        .text("enrich", "yes");
    assert_eq!(
        test.send(form.call().authorized()).await.ok()["jobs"],
        script.people.len()
    );
    let batch = test.provider.next_batch().await;
    let genuine = batch.finished(|email| email.contains(".true@").then(|| person(&name_of(email), "Engineer")));
    Stage {
        test,
        batch,
        genuine,
        told: Told::default(),
        kept: BTreeSet::new(),
    }
}

fn name_of(email: &str) -> String {
    format!("Person {}", email.split('.').next().unwrap_or_default())
}

impl Stage {
    async fn play(&mut self, round: &Round) {
        if round.at_rest {
            self.test.stop_worker().await;
        }
        for delivery in &round.deliveries {
            self.deliver(delivery).await;
            if !round.at_rest {
                self.settle().await;
            }
        }
        if round.at_rest {
            self.test.start_worker();
        }
        self.settle().await;
    }

    /// What is stored and was not applied is found within the hour.
    async fn look_after_late_results(&self) {
        let engine = &self.test.app.engine;
        engine.trigger_schedule(LATE_RESULTS, "the test").await.unwrap();
        self.test.wait_for_runs(LateResults::NAME, 1).await;
        self.settle().await;
    }

    async fn deliver(&mut self, delivery: &Delivery) {
        let body = delivery.written.write(&self.genuine);
        let path = if delivery.to_contact { CONTACT } else { BATCH };
        let signature = sign(API_KEY, &body.bytes);
        let call = post(path)
            .header("x-signature-sha1", &signature)
            .body(body.bytes.clone());
        let answer = self.test.send(call).await;
        match answer.status {
            200 => self.note(delivery, &body),
            400 => assert!(!is_result(&body), "refused: {}", show(&body.bytes)),
            other => panic!("{other} {} to {}", show(&answer.body), show(&body.bytes)),
        }
    }

    fn note(&mut self, delivery: &Delivery, body: &Body) {
        self.kept.insert(body.bytes.clone());
        self.told.hear(body, &self.batch, !delivery.to_contact);
    }

    /// Until nothing more happens by itself.
    async fn settle(&self) {
        let now: jiff::Timestamp = NOW.parse().unwrap();
        until("everything to be done", || async {
            let busy = self.test.app.database.file().unwrap().read(move |connection| {
                connection.query_row(
                    "SELECT count(*) FROM workflow_run
                     WHERE ready_rank IS NOT NULL OR lease_until IS NOT NULL OR wake_at <= ?",
                    [now.as_microsecond()],
                    |row| row.get::<_, i64>(0),
                )
            });
            (busy.await.unwrap().unwrap() == 0).then_some(())
        })
        .await;
    }

    async fn judge(&self, script: &Script) {
        self.judge_answers().await;
        // Whoever has the key and gives a batch that nobody knows a wrong name is believed.
        if !(script.is_lost && self.told.is_mixed_up) {
            self.judge_jobs().await;
            self.judge_runs().await;
        }
        self.test.send(get("/healthz")).await.ok();
        self.test.send(get("/api/dashboard/metrics").authorized()).await.ok();
        let another = Form::new().file("people.csv", "email\none.more@gmail.com\n");
        let taken = self.test.send(another.call().authorized()).await.ok();
        assert_eq!(taken["newSubscribers"], 1, "{taken}");
    }

    /// What the genuine answer says of each job holds, but for what others have said of it as well.
    async fn judge_jobs(&self) {
        let jobs = self.test.app.records.jobs(None, 100).await.unwrap();
        let names = self.names().await;
        for item in self.batch.request["data"].as_array().unwrap() {
            let id = item["custom"]["lumina_job"].as_str().unwrap();
            let job = jobs.iter().find(|job| job.id.0.to_string() == id).unwrap();
            let said = self.told.of(id).expect("the genuine answer names every job");
            match job.status.as_str() {
                "enriched" if self.told.is_unclear => {}
                "enriched" => {
                    let any_name = said.names.contains(&None);
                    let name = names.get(&job.email).expect("a person who was found is a lead");
                    let spaced = |name: &String| name.split_whitespace().collect::<Vec<_>>().join(" ");
                    let name = name.as_ref().map(spaced);
                    assert!(any_name || said.names.contains(&name), "{name:?} is not of {said:?}");
                }
                "not_found" => assert!(!said.found, "{} was found, and is lost: {said:?}", job.email),
                other => panic!("{} is {other} ({:?})", job.email, job.reason),
            }
        }
    }

    /// The leads' names, by address.
    async fn names(&self) -> BTreeMap<String, Option<String>> {
        let query = lumina::records::LeadQuery {
            limit: 100,
            ..Default::default()
        };
        let leads = self.test.app.records.leads(query).await.unwrap();
        leads.into_iter().map(|lead| (lead.email, lead.full_name)).collect()
    }

    /// No run has failed, and none is stuck.
    async fn judge_runs(&self) {
        let query = RunQuery {
            without: HOUSEKEEPING.map(str::to_owned).into(),
            limit: 100,
            ..RunQuery::default()
        };
        for run in self.test.app.engine.runs(query).await.unwrap().items {
            assert!(
                matches!(run.status, RunStatus::Completed),
                "{} is {:?}: {:?} {:?}",
                run.workflow,
                run.status,
                run.failure,
                run.blocked
            );
        }
    }

    /// Everything that was accepted is there as it came, once.
    async fn judge_answers(&self) {
        let ids = self.test.app.database.file().unwrap().read(|connection| {
            let mut find = connection.prepare("SELECT id FROM enrichment_answer")?;
            find.query_map([], |row| row.get::<_, Uuid>(0))?
                .collect::<Result<Vec<_>, _>>()
        });
        let ids: Vec<Uuid> = ids.await.unwrap().unwrap();
        let mut found = BTreeSet::new();
        for id in &ids {
            let answer = self.test.app.records.answer(AnswerId(*id)).await.unwrap().unwrap();
            found.insert(answer.body);
        }
        assert_eq!(found, self.kept, "what is kept is what was accepted");
        assert_eq!(ids.len(), found.len(), "once each");
    }
}

/// Whether this has to be taken: an object with an id that is one.
fn is_result(body: &Body) -> bool {
    let is_plain = |id: &str| !id.is_empty() && !id.contains(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let read = serde_json::from_slice::<Value>(&body.bytes);
    body.is_clear && read.is_ok_and(|value| value["id"].as_str().is_some_and(is_plain))
}

fn show(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
