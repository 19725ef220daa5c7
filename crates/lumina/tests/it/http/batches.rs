//! `POST /api/enrichment/batches`.

use lumina::records::{JobId, PauseReason, Records};
use serde_json::json;

use crate::support::{Form, TestApp, get, post};

/// So many people with a pending lookup that no run works off.
async fn with_pending(count: usize) -> TestApp {
    let test = TestApp::new().await;
    let rows: String = (0..count)
        .map(|number| format!("somebody{number}@gmail.com\n"))
        .collect();
    let form = Form::new()
        .file("list.csv", &format!("email\n{rows}"))
        .text("enrich", "no");
    test.send(form.call().authorized()).await.ok();
    let runtime = &test.app.context.runtime;
    let ids = (0..count).map(|_| JobId(runtime.new_id())).collect();
    test.app
        .engine
        .transact(runtime.new_id(), Records::create_jobs(ids))
        .await
        .unwrap();
    test
}

#[tokio::test]
async fn what_is_pending_is_started_once() {
    for (count, workflows) in [(0, 0), (1, 1), (100, 1), (101, 2), (250, 3), (1_000, 10), (1_001, 11)] {
        let test = with_pending(count).await;
        let started = test.send(post("/api/enrichment/batches").authorized()).await.ok();
        let ids = started["workflowIds"].as_array().unwrap();
        assert_eq!(started, json!({"workflowIds": ids, "jobs": count}));
        assert_eq!(ids.len(), workflows, "{count}");
        for id in ids {
            let path = format!("/api/workflows/{}", id.as_str().unwrap());
            let run = test.send(get(&path).authorized()).await.ok();
            assert_eq!(run["workflow"]["input"], json!({"reason": "sweep"}));
        }
        let again = test.send(post("/api/enrichment/batches").authorized()).await.ok();
        assert_eq!(again, json!({"workflowIds": [], "jobs": 0}), "{count}");
    }
}

#[tokio::test]
async fn while_something_is_in_the_way_it_says_what() {
    let test = with_pending(3).await;
    let pause = Records::pause(PauseReason::Credits, "the balance is used up".to_owned());
    test.app
        .engine
        .transact(test.app.context.runtime.new_id(), pause)
        .await
        .unwrap();
    let started = test.send(post("/api/enrichment/batches").authorized()).await.ok();
    assert_eq!(
        started,
        json!({"workflowIds": [], "jobs": 0, "paused": "the balance is used up"})
    );
}
