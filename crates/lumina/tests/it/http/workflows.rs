//! `/api/workflows`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Form, NOW, TestApp, get, person, post, until};

async fn fetch(test: &TestApp, path: &str) -> Value {
    test.send(get(&format!("/api/workflows{path}")).authorized()).await.ok()
}

/// So many runs that nobody executes.
async fn with_runs(batches: usize) -> TestApp {
    let test = TestApp::new().await;
    let rows: String = (0..batches * 100)
        .map(|number| format!("somebody{number}@gmail.com\n"))
        .collect();
    let form = Form::new()
        .file("list.csv", &format!("email\n{rows}"))
        .text("enrich", "yes");
    test.send(form.call().authorized()).await.ok();
    test
}

fn ids(answer: &Value) -> Vec<String> {
    let workflows = answer["workflows"].as_array().unwrap();
    workflows
        .iter()
        .map(|workflow| workflow["workflowId"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_tells_what_each_is_doing() {
    let test = with_runs(1).await;
    let answer = fetch(&test, "").await;
    let id = &answer["workflows"][0]["workflowId"];
    let expected = json!({
        "workflows": [{
            "workflowId": id,
            "workflow": "subscriber-enrichment",
            "status": "pending",
            "createdAt": NOW,
            "updatedAt": NOW,
            "finishedAt": null,
            "dueAt": answer["workflows"][0]["dueAt"],
            "throttled": null,
            "failure": null,
            "blocked": null,
            "cancelRequestedBy": null,
            "pausedBy": null,
            "parentId": null,
        }],
        "nextCursor": null,
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn filters() {
    let test = with_runs(3).await;
    let all = ids(&fetch(&test, "").await);
    let cancelled = &all[1];
    test.send(post(&format!("/api/workflows/{cancelled}/cancel")).authorized())
        .await
        .ok();
    let rows: [(&str, usize); 7] = [
        ("", 3),
        ("?status=pending", 3),
        ("?status=running,waiting,paused,blocked,completed,failed,cancelled", 0),
        ("?status=failed,pending", 3),
        ("?workflow=subscriber-enrichment", 3),
        ("?workflow=late-answer", 0),
        ("?workflow=subscriber-enrichment&status=completed", 0),
    ];
    for (query, count) in rows {
        assert_eq!(ids(&fetch(&test, query).await).len(), count, "{query}");
    }
    let newest_first = all.windows(2).all(|pair| pair[0] > pair[1]);
    assert!(newest_first, "{all:?}");
}

#[tokio::test]
async fn pages_hold_each_once() {
    let test = with_runs(5).await;
    let all = ids(&fetch(&test, "").await);
    assert_eq!(all.len(), 5);
    for limit in 1..=6 {
        let (mut seen, mut query) = (Vec::new(), format!("?limit={limit}"));
        loop {
            let answer = fetch(&test, &query).await;
            seen.extend(ids(&answer));
            let Some(cursor) = answer["nextCursor"].as_str() else {
                break;
            };
            query = format!("?limit={limit}&cursor={cursor}");
        }
        assert_eq!(seen, all, "{limit}");
    }
}

#[tokio::test]
async fn malformed_queries_name_the_parameter() {
    let test = TestApp::new().await;
    let id = "01986400-0000-7000-8000-000000000000";
    let rows = [
        ("?status=done".to_owned(), "status: it must be among pending, running"),
        ("?throttled=perhaps".to_owned(), "throttled: it must be true or false"),
        ("?status=".to_owned(), "status: it must be among"),
        (
            "?limit=501".to_owned(),
            "limit: it must be a whole number from 1 to 500",
        ),
        (
            "?cursor=l0001986400000070008000000000000000".to_owned(),
            "cursor: it is none",
        ),
        ("?page=2".to_owned(), "page: there is no such parameter here"),
        (
            format!("/{id}?limit=501"),
            "limit: it must be a whole number from 1 to 500",
        ),
        (format!("/{id}?cursor=7"), "cursor: it is none"),
        (
            format!("/{id}?after=7"),
            "after: there is no such parameter here; there are limit, cursor",
        ),
    ];
    for (query, message) in rows {
        let answer = test.send(get(&format!("/api/workflows{query}")).authorized()).await;
        answer.assert_refused(400, "INVALID_QUERY", message);
    }
}

/// A run from its start to its end, as a person reads it.
#[tokio::test]
async fn one_is_told_with_its_history() {
    let mut test = TestApp::new().await;
    let people = BTreeMap::from([("a@gmail.com", Some(person("A", "Founder"))), ("b@gmail.com", None)]);
    test.find_people(&people).await;
    let id = ids(&fetch(&test, "?workflow=subscriber-enrichment").await).remove(0);
    let answer = fetch(&test, &format!("/{id}")).await;
    assert_eq!(
        answer["workflow"],
        json!({
            "workflowId": id, "workflow": "subscriber-enrichment", "status": "completed", "phase": "main",
            "priority": 0, "startKey": null, "flowKey": null, "throttled": null, "createdAt": NOW, "updatedAt": NOW, "finishedAt": NOW, "dueAt": null,
            "input": {"reason": "import"},
            "output": {"jobs": 2, "enriched": 1, "notFound": 1, "notLookedAt": 0, "stale": 0},
            "failure": null, "blocked": null, "cancelRequestedBy": null, "pausedBy": null, "pausedAt": null,
            "parentId": null, "flowKey": null, "begunAt": NOW, "bufferedEvents": 0,
        })
    );
    let history = answer["history"].as_array().unwrap();
    let told: Vec<String> = history
        .iter()
        .map(|entry| format!("{} {}", text(&entry["step"]), text(&entry["what"])))
        .collect();
    for (step, what) in [
        ("take-slot", "completed"),
        ("read-balance", "completed"),
        ("batch-pending-jobs", "completed"),
        ("submit-to-fullenrich", "attempt_started"),
        ("submit-to-fullenrich", "completed"),
        ("wait-for-webhook", "received"),
        ("process-results", "completed"),
    ] {
        assert!(told.contains(&format!("{step} {what}")), "{step} {what}: {told:?}");
    }
    let find = |what: &str| history.iter().find(|entry| entry["what"] == what).unwrap();
    let started = find("attempt_started");
    assert_eq!(
        *started,
        json!({
            "seq": started["seq"], "phase": "main", "step": "submit-to-fullenrich", "key": 1, "kind": "effect",
            "what": "attempt_started", "attempt": 1, "startedAt": started["startedAt"], "endedAt": started["endedAt"],
            "payload": null, "superseded": false,
        })
    );
    // The worker counts on from the time of its claim.
    let day = NOW.split_once(':').unwrap().0;
    assert!(
        text(&started["startedAt"]).starts_with(day) && text(&started["endedAt"]).starts_with(day),
        "{started}"
    );
    let received = find("received");
    assert_eq!(
        (&received["kind"], &received["attempt"]),
        (&json!("wait"), &Value::Null)
    );
    assert!(received["payload"]["answer"].is_string(), "{received}");
    assert_eq!(
        received["detail"]["events"].as_array().map(Vec::len),
        Some(1),
        "{received}"
    );
    let seqs: Vec<u64> = history.iter().map(|entry| entry["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted() && seqs[0] == 1, "{seqs:?}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("(run)")
}

#[tokio::test]
async fn a_history_has_pages_as_well() {
    let mut test = TestApp::new().await;
    test.find_people(&BTreeMap::from([("a@gmail.com", None)])).await;
    let id = ids(&fetch(&test, "").await).remove(0);
    let whole = fetch(&test, &format!("/{id}")).await;
    assert_eq!(whole["nextCursor"], Value::Null);
    let all = whole["history"].as_array().unwrap();
    for limit in [1, 2, 3, all.len() - 1, all.len(), all.len() + 1] {
        let (mut seen, mut query) = (Vec::new(), format!("?limit={limit}"));
        loop {
            let answer = fetch(&test, &format!("/{id}{query}")).await;
            seen.extend(answer["history"].as_array().unwrap().iter().cloned());
            let Some(cursor) = answer["nextCursor"].as_str() else {
                break;
            };
            query = format!("?limit={limit}&cursor={cursor}");
        }
        assert_eq!(seen, *all, "{limit}");
    }
}

#[tokio::test]
async fn a_cancelled_one_says_by_whom() {
    let mut test = with_runs(1).await;
    let id = ids(&fetch(&test, "").await).remove(0);
    let cancel = || post(&format!("/api/workflows/{id}/cancel")).authorized();
    assert_eq!(
        test.send(cancel()).await.ok(),
        json!({"workflowId": id, "effective": true})
    );
    assert_eq!(
        test.send(cancel()).await.ok(),
        json!({"workflowId": id, "effective": false})
    );
    assert_eq!(
        fetch(&test, &format!("/{id}")).await["workflow"]["cancelRequestedBy"],
        "api"
    );

    test.start_worker();
    // The jobs that it lets go of may get another run from the sweep meanwhile.
    test.wait_for_end(id.parse().unwrap()).await;
    let answer = fetch(&test, &format!("/{id}")).await;
    assert_eq!(answer["workflow"]["status"], "cancelled", "{answer}");
    assert_eq!(answer["workflow"]["failure"]["kind"], "cancelled", "{answer}");
    let history = answer["history"].as_array().unwrap();
    let asked = history.iter().find(|entry| entry["what"] == "cancel_requested");
    let failing = history.iter().find(|entry| entry["what"] == "failing");
    assert!(
        asked.is_some_and(|entry| entry["detail"] == json!({"by": "api"})),
        "{history:?}"
    );
    assert!(
        failing.is_some_and(|entry| entry["detail"]["failure"]["kind"] == "cancelled"),
        "{history:?}"
    );
    test.send(cancel())
        .await
        .assert_refused(409, "CONFLICT", &format!("workflow {id} is cancelled"));
}

#[tokio::test]
async fn only_a_blocked_one_is_retried() {
    let test = with_runs(1).await;
    let id = ids(&fetch(&test, "").await).remove(0);
    let retry = post(&format!("/api/workflows/{id}/retry")).authorized();
    test.send(retry)
        .await
        .assert_refused(409, "CONFLICT", &format!("workflow {id} is pending"));
}

#[tokio::test]
async fn one_that_is_not_there_is_not_found() {
    let test = TestApp::new().await;
    for id in [
        "01986400-0000-7000-8000-000000000000",
        "7",
        "not-an-id",
        "%ff",
        "%2e%2e",
    ] {
        let calls = [
            get(&format!("/api/workflows/{id}")),
            post(&format!("/api/workflows/{id}/cancel")),
            post(&format!("/api/workflows/{id}/retry")),
        ];
        for call in calls {
            test.send(call.authorized())
                .await
                .assert_refused(404, "NOT_FOUND", "there is no");
        }
    }
}

/// A paused definition: who, and since when; what is held says so, and goes on afterwards.
#[tokio::test]
async fn a_definition_is_paused_and_resumed() {
    let mut test = with_runs(1).await;
    let steer = |what: &str| post(&format!("/api/workflows/definitions/subscriber-enrichment/{what}")).authorized();
    for effective in [true, false] {
        assert_eq!(
            test.send(steer("pause")).await.ok(),
            json!({"workflow": "subscriber-enrichment", "effective": effective})
        );
    }
    let find = |answer: Value| {
        let all = answer["definitions"].as_array().unwrap().clone();
        let found = all.into_iter().find(|one| one["workflow"] == "subscriber-enrichment");
        found.unwrap()
    };
    let shown = find(fetch(&test, "/definitions").await);
    assert_eq!(shown["paused"], json!({"by": "api", "at": NOW}), "{shown}");
    assert_eq!(shown["limits"]["inFlight"], Value::Null, "{shown}");

    test.start_worker();
    let throttled = until("it to be held", || async {
        let answer = fetch(&test, "?throttled=true").await;
        answer["workflows"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!(throttled["throttled"]["limit"], "workflow_paused", "{throttled}");
    let id = throttled["workflowId"].as_str().unwrap();
    let page = fetch(&test, &format!("/{id}")).await;
    assert_eq!(page["workflow"]["throttled"], throttled["throttled"], "{page}");
    assert_eq!(find(fetch(&test, "/definitions").await)["throttled"], 1);

    assert_eq!(
        test.send(steer("resume")).await.ok(),
        json!({"workflow": "subscriber-enrichment", "effective": true})
    );
    let shown = find(fetch(&test, "/definitions").await);
    assert_eq!(
        (&shown["paused"], &shown["resumed"]["by"]),
        (&Value::Null, &json!("api"))
    );
    until("it to go on", || async {
        ids(&fetch(&test, "?throttled=true").await).is_empty().then_some(())
    })
    .await;
}

#[tokio::test]
async fn only_definitions_are_paused() {
    let test = TestApp::new().await;
    for name in ["nobody", "01986400-0000-7000-8000-000000000000", "%2e%2e"] {
        for what in ["pause", "resume"] {
            let call = post(&format!("/api/workflows/definitions/{name}/{what}")).authorized();
            test.send(call).await.assert_refused(404, "NOT_FOUND", "there is no");
        }
    }
}
