//! Answers that nobody claimed, routed anew.

use lumina::records::{AnswerFate, AnswerState, ListedAnswer, Replayed};
use lumina::workflows::{answer_of, replay};
use lumina_workflow::RunId;
use serde_json::{Value, json};

use crate::support::{Batch, Call, Form, TestApp, person, post, until};

const BATCH: &str = "/api/webhooks/enrichment";

/// An id that the provider never gave to us.
const ELSEWHERE: &str = "2db5ea61-1752-42cf-8ea1-ab1da060cd0a";

fn find(email: &str) -> Option<Value> {
    (email == "sarah@gmail.com").then(|| person("Sarah Dev", "VP Engineering"))
}

/// Two people are sent. Answers their run, and the batch under another id than the one it was accepted under.
async fn send_two(test: &mut TestApp) -> (RunId, Batch) {
    test.start_worker();
    let form = Form::new()
        .file("two.csv", "email\nsarah@gmail.com\nbob@gmail.com\n")
        .text("enrich", "yes");
    assert_eq!(test.send(form.call().authorized()).await.ok()["jobs"], 2);
    let mut batch = test.provider.next_batch().await;
    until("the batch to be on record", || async {
        (test.count("SELECT count(*) FROM enrichment").await == 1).then_some(())
    })
    .await;
    let run = batch.request["data"][0]["custom"]["lumina_run"].as_str().unwrap();
    let run = run.parse().unwrap();
    batch.id = ELSEWHERE.to_owned();
    (run, batch)
}

/// Nobody remembers what the batch was accepted as, as after a crash at the wrong moment.
async fn forget_acceptance(test: &TestApp) {
    test.execute(
        "UPDATE enrichment_post SET state = 'unknown', enrichment_id = NULL; DELETE FROM enrichment".to_owned(),
    )
    .await;
}

async fn deliver(test: &TestApp, body: &Value) -> Value {
    test.send(Call::callback(BATCH, body)).await.ok()["status"].clone()
}

async fn only_answer(test: &TestApp) -> ListedAnswer {
    let mut answers = test.app.records.answers(false, 10).await.unwrap();
    assert_eq!(answers.len(), 1, "{answers:?}");
    answers.remove(0)
}

async fn replay_only(test: &TestApp) -> Replayed {
    let listed = only_answer(test).await;
    let stored = test.app.records.answer(listed.id).await.unwrap().unwrap();
    let answer = answer_of(stored.body.into()).unwrap();
    replay(&test.app.context, &listed, &answer).await.unwrap().unwrap()
}

#[tokio::test]
async fn what_nobody_claims_is_listed_and_stays_so_until_somebody_does() {
    let mut test = TestApp::new().await;
    let (run, batch) = send_two(&mut test).await;
    assert_eq!(deliver(&test, &batch.finished(find)).await, "unrouted");
    let listed = only_answer(&test).await;
    assert_eq!((listed.state, listed.workflow_id), (AnswerState::Unclaimed, None));
    assert_eq!(test.app.records.answers(true, 10).await.unwrap(), [listed]);

    let again = replay_only(&test).await;
    assert_eq!(
        again,
        Replayed {
            fate: AnswerFate::Unrouted,
            workflow_id: None
        }
    );
    assert_eq!(
        test.count("SELECT count(*) FROM workflow_unrouted").await,
        1,
        "it is the same event"
    );

    forget_acceptance(&test).await;
    let replayed = replay_only(&test).await;
    assert_eq!(
        replayed,
        Replayed {
            fate: AnswerFate::Routed,
            workflow_id: Some(run.0)
        }
    );
    test.app.engine.wait_for_end(run).await.unwrap().unwrap();
    let census = test.app.records.census().await.unwrap();
    assert_eq!(
        census.jobs,
        [("enriched".to_owned(), 1), ("not_found".to_owned(), 1)].into()
    );
    let listed = only_answer(&test).await;
    assert_eq!((listed.state, listed.workflow_id), (AnswerState::Applied, Some(run.0)));
    assert_eq!(test.app.records.answers(true, 10).await.unwrap(), []);
}

/// Its run is over: a run of its own applies it, and another one when that is asked for again.
#[tokio::test]
async fn an_answer_whose_run_is_over_is_applied_by_a_run_of_its_own() {
    let mut test = TestApp::new().await;
    let (run, batch) = send_two(&mut test).await;
    let cancel = post(&format!("/api/workflows/{run}/cancel")).authorized();
    test.send(cancel).await.ok();
    test.app.engine.wait_for_end(run).await.unwrap().unwrap_err();
    assert_eq!(deliver(&test, &batch.finished(find)).await, "unrouted");

    forget_acceptance(&test).await;
    for times in 1..=2 {
        let replayed = replay_only(&test).await;
        assert_eq!(
            replayed,
            Replayed {
                fate: AnswerFate::Late,
                workflow_id: Some(run.0)
            }
        );
        test.wait_for_runs("late-answer", times).await;
        let census = test.app.records.census().await.unwrap();
        assert_eq!(
            census.jobs,
            [("enriched".to_owned(), 1), ("not_found".to_owned(), 1)].into(),
            "{times}"
        );
    }
}

/// One that is not final proves that its batch was accepted, and is otherwise kept.
#[tokio::test]
async fn an_answer_before_the_end_is_only_kept() {
    let mut test = TestApp::new().await;
    let (run, batch) = send_two(&mut test).await;
    let body = batch.answer("IN_PROGRESS", &["sarah@gmail.com"], find);
    assert_eq!(deliver(&test, &body).await, "unrouted");
    forget_acceptance(&test).await;
    let replayed = replay_only(&test).await;
    assert_eq!(
        replayed,
        Replayed {
            fate: AnswerFate::Kept,
            workflow_id: Some(run.0)
        }
    );
    assert_eq!(only_answer(&test).await.state, AnswerState::Kept);
    let id = test.app.database.file().unwrap().read(|database| {
        database.query_row("SELECT enrichment_id FROM enrichment_post", [], |row| {
            row.get::<_, String>(0)
        })
    });
    assert_eq!(id.await.unwrap().unwrap(), ELSEWHERE, "it is registered");
}

/// Whoever signs with the key can name any run; one that waits for no id does not take it.
#[tokio::test]
async fn an_answer_that_names_a_run_falsely_is_not_claimed() {
    let mut test = TestApp::new().await;
    let (_, batch) = send_two(&mut test).await;
    let mut body = batch.finished(find);
    for record in body["data"].as_array_mut().unwrap() {
        record["custom"]["lumina_attempt"] = json!("2");
    }
    assert_eq!(deliver(&test, &body).await, "unrouted");
    forget_acceptance(&test).await;
    assert_eq!(
        replay_only(&test).await.fate,
        AnswerFate::Unrouted,
        "there was no second attempt"
    );
}
