//! `GET /healthz` and `GET /readyz`.

use serde_json::json;

use crate::support::{TestApp, get, post, until};

#[tokio::test]
async fn a_process_that_works_is_alive_and_ready() {
    let test = TestApp::new().await;
    assert_eq!(test.send(get("/healthz")).await.ok(), json!({"status": "ok"}));
    assert_eq!(test.send(get("/readyz")).await.ok(), json!({"status": "ready"}));
}

#[tokio::test]
async fn while_the_database_cannot_be_written_it_is_not_ready_and_then_is_again() {
    let test = TestApp::new().await;
    test.fill_disk().await;
    for _ in 0..3 {
        test.send(get("/readyz"))
            .await
            .assert_refused(503, "NOT_READY", "the database does not take what is written");
        assert_eq!(test.send(get("/healthz")).await.status, 200, "it is alive all the same");
    }
    test.free_disk().await;
    // Nobody writes: it finds out by itself, by a probe, of which there is not more than one at a time.
    let ready = until("readiness", || async {
        let answer = test.send(get("/readyz")).await;
        (answer.status == 200).then_some(answer)
    })
    .await;
    assert_eq!(ready.ok(), json!({"status": "ready"}));
    assert!(test.app.engine.is_healthy());
}

/// Anybody can ask.
#[tokio::test]
async fn asking_often_does_not_write_often() {
    const PROBES: &str = "SELECT count(*) FROM workflow_applied";
    let test = TestApp::new().await;
    test.send(post("/api/enrichment/batches").authorized()).await.ok();
    let before = test.count(PROBES).await;
    for _ in 0..50 {
        test.send(get("/readyz")).await.ok();
    }
    assert_eq!(
        test.count(PROBES).await,
        before,
        "a database that is well is not probed"
    );
}

#[tokio::test]
async fn a_process_that_goes_down_is_not_ready() {
    let test = TestApp::new().await;
    test.state.begin_shutdown();
    test.send(get("/readyz"))
        .await
        .assert_refused(503, "NOT_READY", "shutting down");
    assert_eq!(test.send(get("/healthz")).await.status, 200);
}
