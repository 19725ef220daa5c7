//! `GET /api/dashboard/metrics`.

use std::collections::BTreeMap;

use lumina::records::{PauseReason, Records};
use serde_json::{Value, json};

use crate::support::{Form, TestApp, get, person};

/// Of a budget without a limit.
fn used(credits: u64) -> Value {
    json!({"limit": null, "used": credits, "reserved": 0, "left": null})
}

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
            "pauses": [], "budget": {"day": used(0), "month": used(0)},
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
            "pauses": [], "budget": {"day": used(1), "month": used(1)},
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

/// A pause is shown until it is over, and keeps nobody from sending subscribers.
#[tokio::test]
async fn a_pause_is_shown_with_its_reason_and_the_process_stays_ready() {
    let test = TestApp::new().await;
    let change = |writes| test.app.engine.transact(test.app.context.runtime.new_id(), writes);
    for (reason, message) in [
        (PauseReason::Credits, "used up"),
        (PauseReason::Credits, "the balance is used up"),
        (PauseReason::Budget, "the day's budget"),
    ] {
        change(Records::pause(reason, message.to_owned())).await.unwrap();
    }
    let now = metrics(&test).await;
    let of = |reason: &str| {
        let pauses = now["pauses"].as_array().unwrap();
        pauses.iter().find(|pause| pause["reason"] == reason).unwrap().clone()
    };
    let credits = json!({
        "reason": "credits", "message": "the balance is used up", "since": "2026-08-01T12:00:00Z",
        "nextLook": "2026-08-01T12:15:00Z",
    });
    assert_eq!((of("credits"), now["pauses"].as_array().unwrap().len()), (credits, 2));
    assert_eq!(
        of("budget")["nextLook"],
        "2026-08-01T12:01:00Z",
        "the sweep sees what a budget allows"
    );
    assert_eq!(test.send(get("/readyz")).await.ok(), json!({"status": "ready"}));
    for reason in [PauseReason::Credits, PauseReason::Budget] {
        change(Records::resume(reason, 3)).await.unwrap();
    }
    assert_eq!(metrics(&test).await["pauses"], json!([]));
}
