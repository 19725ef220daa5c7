use lumina_enrichment::subscriber::MAX_METADATA_BYTES;
use lumina_intake::IntakeRow;
use lumina_intake::newsletters::SubscribePayload;
use proptest::prelude::*;
use serde_json::{Value, json};

fn parse(body: &Value) -> Result<SubscribePayload, String> {
    SubscribePayload::parse(body.to_string().as_bytes()).map_err(|error| error.to_string())
}

fn good() -> Value {
    json!({"email": "sarah@gmail.com", "source": "footer", "timestamp": "2026-01-05T10:00:00Z"})
}

fn with(field: &str, value: Value) -> Value {
    let mut body = good();
    body[field] = value;
    body
}

#[test]
fn a_whole_body_is_read() {
    let mut body = with("metadata", json!({"campaign": "spring"}));
    body["email"] = json!(" Sarah Dev <Sarah@Gmail.com>");
    body["extra"] = json!([1, 2]);
    let payload = parse(&body).unwrap();
    assert_eq!(payload.email.as_str(), "Sarah@Gmail.com");
    assert_eq!(payload.source, "footer");
    assert_eq!(payload.metadata.as_json(), r#"{"campaign":"spring"}"#);
    assert_eq!(payload.timestamp.to_string(), "2026-01-05T10:00:00Z");
    let row = IntakeRow::from(payload);
    assert_eq!((row.source.as_deref(), row.name), (Some("footer"), None));
}

#[test]
fn times_are_read_in_the_ways_senders_write_them() {
    let times = [
        json!("2026-01-05T10:00:00.000Z"),
        json!("2026-01-05T11:00:00+01:00"),
        json!(" 2026-01-05T10:00:00Z "),
        json!(1_767_607_200),
        json!(1_767_607_200_000_i64),
    ];
    for time in times {
        assert_eq!(
            parse(&with("timestamp", time)).unwrap().timestamp.to_string(),
            "2026-01-05T10:00:00Z"
        );
    }
}

#[test]
fn the_first_wrong_field_is_named() {
    let time = "timestamp: it must be a time such as 2026-01-05T10:00:00Z, or a number of seconds since 1970";
    let rows = [
        (json!([]), "body: it must be a JSON object"),
        (json!({}), "email: it is missing"),
        (with("email", json!(null)), "email: it is missing"),
        (with("email", json!(["a@b.co"])), "email: it must be a string"),
        (
            with("email", json!("sarah")),
            "email: this is not an e-mail address: it has no @",
        ),
        (json!({"email": "a@b.co"}), "source: it is missing"),
        (with("source", json!(7)), "source: it must be a string"),
        (
            with("source", json!(" ")),
            "source: it is empty; say where the subscriber came from",
        ),
        (
            with("metadata", json!("x")),
            "metadata: it must be a JSON object, such as {\"campaign\": \"spring\"}",
        ),
        (json!({"email": "a@b.co", "source": "x"}), "timestamp: it is missing"),
        (with("timestamp", json!("yesterday")), time),
        (with("timestamp", json!("2026-01-05")), time),
        (with("timestamp", json!(1.5)), time),
        (with("timestamp", json!(i64::MAX)), time),
        (with("timestamp", json!(true)), time),
    ];
    for (body, expected) in rows {
        assert_eq!(parse(&body), Err(expected.to_owned()), "{body}");
    }
}

#[test]
fn metadata_is_optional_and_bounded() {
    assert!(parse(&good()).unwrap().metadata.is_empty());
    assert!(parse(&with("metadata", json!(null))).unwrap().metadata.is_empty());
    let large = json!({"a": "x".repeat(MAX_METADATA_BYTES)});
    assert!(
        parse(&with("metadata", large))
            .unwrap_err()
            .starts_with("metadata: it has 8200 bytes")
    );
}

proptest! {
    #[test]
    fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = SubscribePayload::parse(&body);
    }
}
