//! The one shape of all errors.

use lumina::http::ErrorCode;

use crate::support::{Call, TestApp, get};

#[tokio::test]
async fn what_is_not_there_is_said_in_json() {
    let test = TestApp::new().await;
    for path in [
        "/",
        "/api",
        "/api/leads/",
        "/api/webhooks",
        "/api/webhooks/newsletters/",
        "/%ff",
        "/metrics",
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = test.send(Call::new(method, path)).await;
            answer.assert_refused(404, "NOT_FOUND", "there is nothing at /");
        }
    }
    let long = format!("/{}", "x".repeat(10_000));
    let answer = test.send(get(&long)).await;
    assert!(answer.body.len() < 400, "a long path is not repeated in full");
}

#[tokio::test]
async fn another_method_is_refused_and_the_right_one_named() {
    let test = TestApp::new().await;
    let rows = [
        ("PUT", "/api/webhooks/subscribe", "GET,HEAD,POST"),
        ("DELETE", "/api/webhooks/newsletters/any", "GET,HEAD,POST"),
        ("PATCH", "/api/webhooks/enrichment", "GET,HEAD,POST"),
        ("PUT", "/api/webhooks/enrichment/contact", "GET,HEAD,POST"),
        ("POST", "/healthz", "GET,HEAD"),
        ("POST", "/readyz", "GET,HEAD"),
        ("GET", "/api/upload", "POST"),
        ("POST", "/api/leads", "GET,HEAD"),
        ("POST", "/api/dashboard/metrics", "GET,HEAD"),
        ("GET", "/api/enrichment/batches", "POST"),
        ("DELETE", "/api/workflows", "GET,HEAD"),
        ("POST", "/api/workflows/x", "GET,HEAD"),
        ("GET", "/api/workflows/x/cancel", "POST"),
        ("GET", "/api/workflows/x/retry", "POST"),
    ];
    for (method, path, allowed) in rows {
        let answer = test.send(Call::new(method, path).authorized()).await;
        answer.assert_refused(405, "METHOD_NOT_ALLOWED", &format!("{path} is not for {method}"));
        let mut allow: Vec<&str> = answer.header("allow").expect("Allow is there").split(',').collect();
        allow.sort_unstable();
        assert_eq!(allow.join(","), allowed, "{method} {path}");
    }
}

#[tokio::test]
async fn platforms_that_look_find_every_webhook() {
    let test = TestApp::new().await;
    for path in [
        "/api/webhooks/subscribe",
        "/api/webhooks/newsletters/never-configured?secret=whatever",
        "/api/webhooks/enrichment?run=1&attempt=1",
        "/api/webhooks/enrichment/contact",
    ] {
        assert_eq!(test.send(get(path)).await.ok()["status"], "ok", "{path}");
        let head = test.send(Call::new("HEAD", path)).await;
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
    }
}

/// The words and statuses are a promise.
#[test]
fn codes_and_statuses() {
    let rows = [
        (ErrorCode::InvalidPayload, 400, "INVALID_PAYLOAD"),
        (ErrorCode::InvalidQuery, 400, "INVALID_QUERY"),
        (ErrorCode::Unauthorized, 401, "UNAUTHORIZED"),
        (ErrorCode::MissingSignature, 401, "MISSING_SIGNATURE"),
        (ErrorCode::InvalidSignature, 401, "INVALID_SIGNATURE"),
        (ErrorCode::MissingSecret, 401, "MISSING_SECRET"),
        (ErrorCode::InvalidSecret, 401, "INVALID_SECRET"),
        (ErrorCode::NotFound, 404, "NOT_FOUND"),
        (ErrorCode::MethodNotAllowed, 405, "METHOD_NOT_ALLOWED"),
        (ErrorCode::RequestTimeout, 408, "REQUEST_TIMEOUT"),
        (ErrorCode::Conflict, 409, "CONFLICT"),
        (ErrorCode::PayloadTooLarge, 413, "PAYLOAD_TOO_LARGE"),
        (ErrorCode::Internal, 500, "INTERNAL"),
        (ErrorCode::NotConfigured, 503, "NOT_CONFIGURED"),
        (ErrorCode::Overloaded, 503, "OVERLOADED"),
        (ErrorCode::Unavailable, 503, "UNAVAILABLE"),
        (ErrorCode::NotReady, 503, "NOT_READY"),
    ];
    for (code, status, word) in rows {
        assert_eq!((code.status().as_u16(), code.as_str()), (status, word));
    }
}
