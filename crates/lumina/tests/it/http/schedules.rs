//! `/api/schedules`.

use lumina_workflow::RunId;
use serde_json::{Value, json};

use crate::support::{NOW, TestApp, get, post, until};

/// With a worker, which writes the schedules down when it starts.
async fn started() -> TestApp {
    let mut test = TestApp::new().await;
    test.start_worker();
    let test = test;
    until(
        "the schedules to be there, and the runs of the start to end",
        || async {
            let schedules = list(&test).await;
            let at_start = schedules
                .iter()
                .filter(|row| row["triggers"] == 1 && row["running"] == false);
            (at_start.count() == 3).then_some(())
        },
    )
    .await;
    test
}

async fn list(test: &TestApp) -> Vec<Value> {
    let answer = test.send(get("/api/schedules").authorized()).await.ok();
    answer["schedules"].as_array().unwrap().clone()
}

async fn sweep(test: &TestApp) -> Value {
    let rows = list(test).await.into_iter();
    rows.rev().find(|row| row["name"] == "sweep").unwrap()
}

#[tokio::test]
async fn the_schedules_are_listed_by_name() {
    let test = started().await;
    let rows = list(&test).await;
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["late-results", "probe", "retention", "scheduled-batch", "sweep"]
    );
    let row = &rows[4];
    let expected = json!({
        "name": "sweep",
        "workflow": "pending-job-sweep",
        "timing": {"everySeconds": 60.0},
        "startsAt": null,
        "endsAt": null,
        "overlap": "skip",
        "catchUpSeconds": 60.0,
        "nextAt": "2026-08-01T12:01:00Z",
        "paused": null,
        "resumed": null,
        "triggered": {"by": "start", "at": NOW},
        "removedAt": null,
        "running": false,
        "lastTick": null,
        "lastWorkflowId": row["lastWorkflowId"],
        "started": 0,
        "skipped": 0,
        "missed": 0,
        "triggers": 1,
    });
    assert_eq!(row, &expected);
}

#[tokio::test]
async fn a_schedule_is_held_and_goes_on() {
    let test = started().await;
    let command = async |what: &str| {
        let call = post(&format!("/api/schedules/sweep/{what}")).authorized();
        test.send(call).await.ok()
    };
    assert_eq!(command("pause").await, json!({"name": "sweep", "effective": true}));
    assert_eq!(command("pause").await, json!({"name": "sweep", "effective": false}));
    assert_eq!(sweep(&test).await["paused"], json!({"by": "api", "at": NOW}));
    assert_eq!(command("resume").await, json!({"name": "sweep", "effective": true}));
    assert_eq!(command("resume").await, json!({"name": "sweep", "effective": false}));
    let row = sweep(&test).await;
    assert_eq!((&row["paused"], &row["resumed"]["by"]), (&Value::Null, &"api".into()));
}

#[tokio::test]
async fn a_schedule_is_triggered() {
    let test = started().await;
    let answer = test
        .send(post("/api/schedules/retention/trigger").authorized())
        .await
        .ok();
    assert_eq!(answer["name"], "retention");
    let id: RunId = answer["workflowId"].as_str().unwrap().parse().unwrap();
    let run = test.wait_for_end(id).await;
    assert_eq!((run.workflow.as_str(), run.status.as_str()), ("retention", "completed"));
}

#[tokio::test]
async fn one_that_is_not_there_is_not_found() {
    let test = started().await;
    for what in ["pause", "resume", "trigger"] {
        let call = post(&format!("/api/schedules/no-such/{what}")).authorized();
        let refused = test.send(call).await;
        assert_eq!(refused.status, 404, "{what}");
        assert_eq!(refused.json()["error"], "there is no schedule no-such");
    }
}

/// Runs of housekeeping are shown to who asks for them.
#[tokio::test]
async fn housekeeping_is_left_out_of_the_list_of_workflows() {
    let test = started().await;
    let count = async |query: &str| {
        let answer = test
            .send(get(&format!("/api/workflows{query}")).authorized())
            .await
            .ok();
        answer["workflows"].as_array().unwrap().len()
    };
    assert_eq!(count("").await, 0);
    assert_eq!(count("?housekeeping=true").await, 3);
    assert_eq!(count("?housekeeping=false").await, 0);
    assert_eq!(count("?workflow=pending-job-sweep").await, 1);
    let refused = test.send(get("/api/workflows?housekeeping=yes").authorized()).await;
    assert_eq!(refused.status, 400);
}
