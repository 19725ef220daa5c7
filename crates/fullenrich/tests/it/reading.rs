//! Reading a batch: the request that is made, and what each answer to it means.

use std::time::Duration;

use http::Method;
use lumina_fullenrich::{BatchStatus, ReadOutcome};

use crate::golden;
use crate::scripted::{Desk, lost, not_sent, read_label};

#[tokio::test]
async fn the_request_is_the_documented_one() {
    let desk = Desk::answering(200, golden::body("finished.json"), &[]);
    let _outcome = desk.read().await;
    let request = desk.request();
    assert_eq!(request.method(), Method::GET);
    let expected = format!(
        "https://app.fullenrich.com/api/v2/contact/reverse/email/bulk/{}",
        golden::BATCH
    );
    assert_eq!(request.uri(), expected.as_str());
    assert!(request.body().is_empty());
}

#[tokio::test]
async fn every_body_has_its_meaning() {
    let table = [
        (200, "finished.json", "finished"),
        (200, "finished_sparse.json", "finished"),
        (200, "signed_webhook.json", "finished"),
        (200, "created.json", "running"),
        (200, "in_progress.json", "running"),
        (200, "in_progress_with_data.json", "running"),
        (200, "rate_limit.json", "running"),
        (200, "unknown.json", "running"),
        (200, "without_status.json", "running"),
        (202, "in_progress.json", "running"),
        (200, "credits_insufficient.json", "credits insufficient"),
        (200, "credits_insufficient_empty.json", "credits insufficient"),
        (402, "credits_insufficient.json", "credits insufficient"),
        (402, "credits_insufficient_empty.json", "credits insufficient"),
        (402, "without_status.json", "credits insufficient"),
        (402, "in_progress.json", "running"),
        (402, "finished_of_another_batch.json", "refused other"),
        (200, "canceled.json", "canceled"),
        (200, "finished_of_another_batch.json", "not answered"),
    ];
    for (code, name, expected) in table {
        let outcome = Desk::answering(code, golden::body(name), &[]).read().await;
        assert_eq!(read_label(&outcome), expected, "{code} {name}: {outcome:?}");
    }
}

#[tokio::test]
async fn statuses_that_are_not_known_to_be_an_end_are_none() {
    let table = [
        (r#"{"status":"finished"}"#, "finished"),
        (r#"{"status":"CANCELLED"}"#, "canceled"),
        (r#"{"status":"PAUSED"}"#, "running"),
        (r#"{"status":null}"#, "running"),
        (r#"{"status":["FINISHED"]}"#, "running"),
        ("{}", "running"),
    ];
    for (body, expected) in table {
        let outcome = Desk::answering(200, body, &[]).read().await;
        assert_eq!(read_label(&outcome), expected, "{body}: {outcome:?}");
    }
    let outcome = Desk::answering(200, r#"{"status":"PAUSED"}"#, &[]).read().await;
    assert_eq!(
        outcome,
        ReadOutcome::Running {
            status: Some(BatchStatus::Other("PAUSED".to_owned()))
        }
    );
}

#[tokio::test]
async fn every_status_without_a_body_has_its_meaning() {
    let table = [
        (100..=399, "not answered"),
        (400..=400, "refused other"),
        (401..=401, "refused unauthorized"),
        (402..=407, "refused other"),
        (408..=408, "not answered"),
        (409..=424, "refused other"),
        (425..=425, "not answered"),
        (426..=428, "refused other"),
        (429..=429, "not answered"),
        (430..=499, "refused other"),
        (500..=999, "not answered"),
    ];
    for (codes, expected) in table {
        for code in codes {
            let outcome = Desk::answering(code, "", &[]).read().await;
            assert_eq!(read_label(&outcome), expected, "{code}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_404_that_is_not_the_providers_own_says_nothing_about_the_batch() {
    let table = [
        (
            r#"{"code":"error.reverse.email.not_found","message":"no such enrichment"}"#,
            "not found",
        ),
        (r#"{"code":"error.enrichment.not_found"}"#, "not found"),
        ("<html>404 page not found</html>", "refused other"),
        (r#"{"message":"not found"}"#, "refused other"),
    ];
    for (body, expected) in table {
        let outcome = Desk::answering(404, body, &[]).read().await;
        assert_eq!(read_label(&outcome), expected, "{body}");
    }
}

#[tokio::test]
async fn without_an_answer_reading_is_simply_tried_again() {
    for error in [not_sent(), lost(None), lost(Some(200))] {
        let outcome = Desk::new(Err(error)).read().await;
        assert_eq!(read_label(&outcome), "not answered");
    }
    let outcome = Desk::answering(503, "", &[("retry-after", "7")]).read().await;
    let ReadOutcome::NotAnswered(later) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (later.code, later.retry_after),
        (Some(503), Some(Duration::from_secs(7)))
    );
}

#[tokio::test]
async fn an_answer_keeps_the_bytes_it_was_read_from() {
    let body = golden::body("finished.json");
    let outcome = Desk::answering(200, body.clone(), &[]).read().await;
    let ReadOutcome::Finished(answer) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(answer.raw(), &body);
    assert_eq!(answer.result(), &golden::result("finished.json"));
    let shown = format!("{answer:?}");
    assert!(!shown.contains("Sarah"), "a log line names no person: {shown}");
}
