//! The calls about the account, and the settings of a client.

use std::sync::Arc;

use http::header;
use lumina_fullenrich::{Balance, CallError, Client, ClientError, Limiter, RefusalKind};

use crate::golden;
use crate::scripted::{Desk, lost, not_sent};

#[tokio::test]
async fn a_key_is_verified() {
    let desk = Desk::answering(200, golden::body("verified.json"), &[]);
    let workspace = desk.client.verify_key(desk.permit()).await.expect("the key is valid");
    assert_eq!(
        workspace.workspace_id.as_deref(),
        Some("0b6f4b0e-6a2e-4a3c-9a55-0a2d1c1c7f10")
    );
    let request = desk.request();
    assert_eq!(request.uri(), "https://app.fullenrich.com/api/v2/account/keys/verify");
    assert_eq!(request.headers()[header::AUTHORIZATION], "Bearer test-api-key-not-real");
}

#[tokio::test]
async fn an_invalid_key_is_told_apart_from_a_provider_that_is_away() {
    let table = [
        (
            Desk::answering(401, r#"{"code":"error.api.key","message":"bad key"}"#, &[]),
            "Unauthorized",
        ),
        (Desk::answering(401, "", &[]), "Unauthorized"),
        (Desk::answering(403, "", &[]), "Other"),
        (Desk::answering(404, "", &[]), "Other"),
        (Desk::answering(200, "<html>", &[]), "not answered"),
        (Desk::answering(429, "", &[]), "not answered"),
        (Desk::answering(500, "", &[]), "not answered"),
        (Desk::answering(302, "", &[]), "not answered"),
        (Desk::new(Err(not_sent())), "not answered"),
        (Desk::new(Err(lost(None))), "not answered"),
    ];
    for (desk, expected) in table {
        let error = desk
            .client
            .verify_key(desk.permit())
            .await
            .expect_err("no key is valid here");
        let label = match &error {
            CallError::Refused(refusal) => format!("{:?}", refusal.kind),
            CallError::NotAnswered(_) => "not answered".to_owned(),
        };
        assert_eq!(label, expected, "{error}");
    }
}

#[tokio::test]
async fn the_balance_is_a_double() {
    let table = [
        (golden::body("credits.json"), Some(5000.0)),
        (r#"{"balance":12.75}"#.into(), Some(12.75)),
        (r#"{"balance":0}"#.into(), Some(0.0)),
        (r#"{"balance":-3}"#.into(), Some(-3.0)),
        (r#"{"balance":"5000"}"#.into(), None),
        (r#"{"balance":1e999}"#.into(), None),
        ("{}".into(), None),
        ("[]".into(), None),
    ];
    for (body, expected) in table {
        let desk = Desk::answering(200, body.clone(), &[]);
        let balance = desk.client.credits(desk.permit()).await;
        assert_eq!(
            desk.request().uri(),
            "https://app.fullenrich.com/api/v2/account/credits"
        );
        match expected {
            Some(credits) => assert_eq!(balance, Ok(Balance { credits }), "{body:?}"),
            None => assert!(
                matches!(balance, Err(CallError::NotAnswered(_))),
                "{body:?}: {balance:?}"
            ),
        }
    }
    let desk = Desk::answering(401, "", &[]);
    let refused = desk.client.credits(desk.permit()).await;
    assert!(matches!(refused, Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Unauthorized));
}

#[test]
fn bad_settings_are_refused_in_words() {
    let table = [
        ("https://app.fullenrich.com/api/v2/", "key", None),
        ("http://127.0.0.1:9999", "key", None),
        ("", "key", Some("is no base URL")),
        ("app.fullenrich.com/api/v2", "key", Some("is no base URL")),
        ("ftp://app.fullenrich.com", "key", Some("is no base URL")),
        ("https://app.fullenrich.com?x=1", "key", Some("is no base URL")),
        ("https://app.fullenrich.com", " ", Some("API key is empty")),
        ("https://app.fullenrich.com", "key\nX-Other: 1", Some("line break")),
    ];
    for (url, key, expected) in table {
        let made = make_client(url, key);
        let text = made.as_ref().err().map(ToString::to_string);
        assert_eq!(text.is_some(), expected.is_some(), "{url} {key}: {text:?}");
        assert!(
            text.unwrap_or_default().contains(expected.unwrap_or_default()),
            "{url} {key}"
        );
    }
}

fn make_client(url: &str, key: &str) -> Result<Client, ClientError> {
    struct Unused;
    impl lumina_fullenrich::Transport for Unused {
        fn send(
            &self,
            request: http::Request<bytes::Bytes>,
        ) -> lumina_fullenrich::BoxFuture<'_, Result<http::Response<bytes::Bytes>, lumina_fullenrich::TransportError>>
        {
            panic!("a client makes no request by itself: {}", request.uri())
        }
    }
    Client::new(Arc::new(Unused), url, &key.into(), Arc::new(Limiter::default()))
}

#[test]
fn a_client_shows_no_key() {
    let desk = Desk::new(Err(not_sent()));
    assert!(!format!("{:?}", desk.client).contains("test-api-key-not-real"));
}
