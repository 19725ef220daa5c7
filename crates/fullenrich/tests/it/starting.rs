//! Starting a batch: the request that is made, and what each answer to it means.

use std::time::Duration;

use http::{Method, header};
use lumina_fullenrich::{BatchRequest, LookupItem, Reason, StartOutcome};

use crate::golden;
use crate::scripted::{Desk, NOON, at, lost, not_sent, start_label};

#[tokio::test]
async fn the_request_is_the_documented_one() {
    let desk = Desk::answering(200, golden::body("accepted.json"), &[]);
    let sarah = LookupItem::new("sarah.dev@example.org").expect("an address");
    let nobody = LookupItem::new("nobody@example.com").expect("an address");
    let nobody = nobody
        .with_custom("run_id", "7")
        .and_then(|item| item.with_custom("job_id", "12585"));
    let batch = BatchRequest::new("Reverse Email Lookup", vec![nobody.expect("two short values"), sarah])
        .and_then(|batch| batch.with_webhook_url("https://lumina.example/api/webhooks/enrichment?run=7&attempt=1"))
        .and_then(|batch| batch.with_contact_webhook_url("https://lumina.example/api/webhooks/enrichment/contact"))
        .expect("a good batch");

    let outcome = desk.client.start_batch(desk.permit(), &batch).await;

    assert_eq!(
        outcome,
        StartOutcome::Accepted {
            enrichment_id: golden::batch_id()
        }
    );
    let request = desk.request();
    assert_eq!(request.method(), Method::POST);
    assert_eq!(
        request.uri(),
        "https://app.fullenrich.com/api/v2/contact/reverse/email/bulk"
    );
    assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer test-api-key-not-real");
    assert!(request.headers()[header::AUTHORIZATION].is_sensitive());
    assert_eq!(request.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(json(request.body()), json(&golden::body("request_batch.json")));
}

fn json(bytes: &[u8]) -> serde_json::Value {
    serde_json::from_slice(bytes).expect("the body is JSON")
}

#[tokio::test]
async fn every_status_has_its_meaning() {
    let table = [
        (100..=199, "unknown"),
        (200..=299, "unknown"), // the body is empty: nobody knows the id
        (300..=399, "unknown"),
        (400..=400, "refused other"),
        (401..=401, "refused unauthorized"),
        (402..=428, "refused other"),
        (429..=429, "not accepted"),
        (430..=499, "refused other"),
        (500..=502, "unknown"),
        (503..=503, "not accepted"),
        (504..=999, "unknown"),
    ];
    for (codes, expected) in table {
        for code in codes {
            let outcome = Desk::answering(code, "", &[]).start().await;
            assert_eq!(start_label(&outcome), expected, "{code}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn an_accepted_batch_needs_an_id_that_can_be_read() {
    let table = [
        (
            r#"{"enrichment_id":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a","more":[]}"#,
            "accepted",
        ),
        (r#" {"enrichment_id":"an-id-of-another-kind_7.1"} "#, "accepted"),
        (r#"{"enrichment_id":"a/b"}"#, "unknown"),
        (r#"{"enrichment_id":"../x"}"#, "unknown"),
        (r#"{"enrichment_id":""}"#, "unknown"),
        (r#"{"enrichment_id":17}"#, "unknown"),
        (r#"{"enrichment_id":null}"#, "unknown"),
        (r#"{"id":"2db5ea61-1752-42cf-8ea1-ab1da060cd0a"}"#, "unknown"),
        (r#"["2db5ea61-1752-42cf-8ea1-ab1da060cd0a"]"#, "unknown"),
        (r#"{"enrichment_id":"2db5ea61-1752"#, "unknown"),
        ("<html>It works!</html>", "unknown"),
    ];
    for (body, expected) in table {
        let outcome = Desk::answering(200, body, &[]).start().await;
        assert_eq!(start_label(&outcome), expected, "{body}: {outcome:?}");
    }
}

#[tokio::test]
async fn without_an_answer_only_what_never_left_is_known() {
    let table = [
        (not_sent(), "not accepted", None),
        (lost(None), "unknown", None),
        (lost(Some(200)), "unknown", Some(200)),
        (lost(Some(503)), "unknown", Some(503)),
    ];
    for (error, expected, expected_code) in table {
        let outcome = Desk::new(Err(error.clone())).start().await;
        assert_eq!(start_label(&outcome), expected, "{error}");
        let code = match outcome {
            StartOutcome::NotAccepted(later) => later.code,
            StartOutcome::Unknown { code, .. } => code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code, expected_code, "{error}");
    }
}

type Headers<'a> = &'a [(&'a str, &'a str)];

#[tokio::test]
async fn a_retry_after_is_read_in_both_forms_and_bounded() {
    let date = ("date", "Sat, 01 Aug 2026 12:10:00 GMT");
    let until = |text| ("retry-after", text);
    let table: [(Headers<'_>, Option<u64>); 9] = [
        (&[], None),
        (&[until("30")], Some(30)),
        (&[until("0")], Some(0)),
        (&[until("soon")], None),
        (&[until("-5")], None),
        (&[until("18446744073709551615")], Some(3600)),
        (&[until("Sat, 01 Aug 2026 12:10:45 GMT"), date], Some(45)),
        (&[until("Sat, 01 Aug 2026 12:00:50 GMT")], Some(30)),
        (&[until("Sat, 01 Aug 2026 12:09:00 GMT"), date], Some(0)),
    ];
    for code in [429, 503] {
        for (headers, expected) in table {
            let outcome = Desk::answering(code, "", headers).start().await;
            let StartOutcome::NotAccepted(later) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(
                later.retry_after,
                expected.map(Duration::from_secs),
                "{code} {headers:?}"
            );
            assert_eq!(later.is_rate_limited(), code == 429);
        }
    }
}

#[tokio::test]
async fn a_429_closes_the_limiter_for_everybody() {
    let desk = Desk::answering(429, r#"{"code":"error.rate.limit","message":"slow down"}"#, &[]);
    let outcome = desk.start().await;
    assert_eq!(start_label(&outcome), "not accepted");
    let retry_at = desk
        .limiter
        .try_acquire(at("2026-08-01T12:00:40Z"))
        .expect_err("the minute is closed");
    assert_eq!(retry_at.0, at("2026-08-01T12:01:00Z"));
    let _spent = desk
        .limiter
        .try_acquire(at("2026-08-01T12:01:00Z"))
        .expect("the next minute is open");

    let desk = Desk::answering(429, "", &[("retry-after", "150")]);
    let outcome = desk.start().await;
    assert_eq!(start_label(&outcome), "not accepted");
    let retry_at = desk
        .limiter
        .try_acquire(at("2026-08-01T12:01:30Z"))
        .expect_err("the Retry-After is obeyed");
    assert_eq!(retry_at.0, at("2026-08-01T12:02:50Z"));
    let _spent = desk.limiter.try_acquire(retry_at.0).expect("it has passed");
}

#[tokio::test]
async fn other_answers_leave_the_limiter_alone() {
    for code in [200, 400, 401, 500, 503] {
        let desk = Desk::answering(code, "", &[("retry-after", "150")]);
        let _outcome = desk.start().await;
        assert_eq!(desk.limiter.remaining(at(NOON)), 59, "{code}");
    }
}

#[tokio::test]
async fn reasons_are_sentences_for_a_person() {
    let table = [
        (
            Desk::new(Err(not_sent())),
            "FullEnrich could not be reached: connection refused",
        ),
        (
            Desk::new(Err(lost(None))),
            "FullEnrich's answer was lost: connection reset",
        ),
        (
            Desk::answering(429, "", &[]),
            "FullEnrich's limit of calls a minute is used up (429)",
        ),
        (
            Desk::answering(503, r#"{"message":"come back"}"#, &[]),
            "FullEnrich answered 503: come back",
        ),
        (Desk::answering(502, "<html>", &[]), "FullEnrich answered 502"),
        (
            Desk::answering(200, "{}", &[]),
            "FullEnrich answered 200, but the body could not be read: no enrichment_id in it",
        ),
        (
            Desk::answering(
                400,
                r#"{"code":"error.enrichment.webhook_url","message":"bad url"}"#,
                &[],
            ),
            "FullEnrich refused the call with 400 (error.enrichment.webhook_url): bad url",
        ),
    ];
    for (desk, expected) in table {
        let text = match desk.start().await {
            StartOutcome::NotAccepted(later) => later.to_string(),
            StartOutcome::Unknown { reason, .. } => reason.to_string(),
            StartOutcome::Refused(refusal) => refusal.to_string(),
            StartOutcome::Accepted { .. } => panic!("nothing here is accepted"),
        };
        assert_eq!(text, expected);
    }
}

#[tokio::test]
async fn what_the_provider_says_is_cut_to_a_line() {
    let message = "é".repeat(100_000);
    let outcome = Desk::answering(500, format!(r#"{{"message":"{message}"}}"#), &[])
        .start()
        .await;
    let StartOutcome::Unknown {
        reason: Reason::Status {
            message: Some(kept), ..
        },
        ..
    } = outcome
    else {
        panic!("{outcome:?}")
    };
    assert_eq!(kept.chars().count(), 500);
}
