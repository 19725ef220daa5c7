//! `GET /api/dashboard/metrics`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Form, TestApp, get, person};

async fn metrics(test: &TestApp) -> Value {
    test.send(get("/api/dashboard/metrics").authorized()).await.ok()
}

#[tokio::test]
async fn of_nothing_all_are_zero() {
    let test = TestApp::new().await;
    assert_eq!(
        metrics(&test).await,
        json!({
            "totalSubscribers": 0, "personalEmailCount": 0, "enrichedCount": 0, "pendingCount": 0,
            "darkFunnelPercentage": 0.0, "totalCreditsUsed": 0, "estimatedPendingCredits": 0,
        })
    );
}

#[tokio::test]
async fn they_count_what_is_there() {
    let mut test = TestApp::new().await;
    let people = BTreeMap::from([("a@gmail.com", Some(person("A", "Founder"))), ("b@gmail.com", None)]);
    test.find_people(&people).await;
    let more = Form::new()
        .file("more.csv", "email\nc@gmail.com\nd@acme-corp.com\n")
        .text("limit", "0");
    test.send(more.call().authorized()).await.ok();
    assert_eq!(
        metrics(&test).await,
        json!({
            "totalSubscribers": 4, "personalEmailCount": 3, "enrichedCount": 1, "pendingCount": 0,
            "darkFunnelPercentage": 33.33, "totalCreditsUsed": 1, "estimatedPendingCredits": 0,
        })
    );
    let open = Form::new().file("open.csv", "email\ne@gmail.com\nf@gmail.com\n");
    test.send(open.call().authorized()).await.ok();
    let now = metrics(&test).await;
    assert_eq!(
        (&now["pendingCount"], &now["estimatedPendingCredits"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(now["darkFunnelPercentage"], json!(20.0));
}
