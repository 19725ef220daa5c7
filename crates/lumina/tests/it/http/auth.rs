//! The bearer token.

use crate::support::{Call, TOKEN, TestApp, get};

/// Every route that needs the token.
const PROTECTED: [(&str, &str); 8] = [
    ("POST", "/api/upload"),
    ("GET", "/api/leads"),
    ("GET", "/api/dashboard/metrics"),
    ("POST", "/api/enrichment/batches"),
    ("GET", "/api/workflows"),
    ("GET", "/api/workflows/01986400-0000-7000-8000-000000000000"),
    ("POST", "/api/workflows/01986400-0000-7000-8000-000000000000/cancel"),
    ("POST", "/api/workflows/01986400-0000-7000-8000-000000000000/retry"),
];

#[tokio::test]
async fn nothing_is_told_or_done_without_the_token() {
    let test = TestApp::new().await;
    let half = &TOKEN[..TOKEN.len() - 1];
    let rows = [
        (None, "this needs a token"),
        (Some(String::new()), "this needs a token"),
        (Some("Bearer".to_owned()), "this needs a token"),
        (Some(format!("Basic {TOKEN}")), "this needs a token"),
        (Some(TOKEN.to_owned()), "this needs a token"),
        (Some("Bearer ".to_owned()), "this needs a token"),
        (Some(format!("Bearer {half}")), "not Lumina's"),
        (Some(format!("Bearer {TOKEN}x")), "not Lumina's"),
        (Some(format!("Bearer {}", TOKEN.to_uppercase())), "not Lumina's"),
    ];
    for (method, path) in PROTECTED {
        for (header, message) in &rows {
            let call = Call::new(method, path).header("x-forwarded-for", "127.0.0.1");
            let call = header
                .iter()
                .fold(call, |call, value| call.header("authorization", value));
            let answer = test.send(call).await;
            match header.as_deref() {
                Some("Bearer ") => answer.assert_refused(401, "UNAUTHORIZED", "token"),
                _ => answer.assert_refused(401, "UNAUTHORIZED", message),
            }
        }
    }
}

#[tokio::test]
async fn with_the_token_each_route_answers() {
    let test = TestApp::new().await;
    for (method, path) in PROTECTED {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let call = Call::new(method, path).header("authorization", &format!("{scheme} {TOKEN}"));
            let answer = test.send(call).await;
            assert_ne!(answer.status, 401, "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn health_and_webhooks_need_none() {
    let test = TestApp::new().await;
    let paths = [
        "/healthz",
        "/readyz",
        "/api/webhooks/subscribe",
        "/api/webhooks/newsletters/any",
        "/api/webhooks/enrichment",
        "/api/webhooks/enrichment/contact",
    ];
    for path in paths {
        assert_eq!(test.send(get(path)).await.status, 200, "{path}");
    }
}

/// The exposed port does not even know the other routes, token or not.
#[tokio::test]
async fn the_webhook_listener_serves_webhooks_alone() {
    let test = TestApp::new().await;
    for (method, path) in PROTECTED.into_iter().chain([("GET", "/readyz")]) {
        let answer = test.send_to_webhooks(Call::new(method, path).authorized()).await;
        answer.assert_refused(404, "NOT_FOUND", path);
    }
    for path in ["/healthz", "/api/webhooks/subscribe", "/api/webhooks/enrichment"] {
        assert_eq!(test.send_to_webhooks(get(path)).await.status, 200, "{path}");
    }
}
