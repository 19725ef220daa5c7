use lumina_intake::newsletters::{ConfiguredSource, JsonPointer, MAX_POINTER_BYTES, PayloadError};

fn source(text: &str) -> ConfiguredSource {
    toml::from_str(text).unwrap()
}

const EVENTS: &str = r#"
    email = "/events/0/data/subscriber/email_address"
    name = "/events/0/data/subscriber/first_name"
    source = "/events/0/data/a~1b~0c"
"#;

#[test]
fn fields_are_found_where_the_pointers_say() {
    let body = br#"{"events":[{"data":{"subscriber":{"email_address":" <Sarah@Gmail.com> ","first_name":"Sarah\n"},"a/b~c":7}}]}"#;
    let row = source(EVENTS).read(body).unwrap();
    assert_eq!(row.email.as_str(), "Sarah@Gmail.com");
    assert_eq!((row.name.as_deref(), row.source.as_deref()), (Some("Sarah"), Some("7")));
    assert!(row.metadata.is_empty());
}

#[test]
fn a_name_or_source_that_is_not_there_does_no_harm() {
    for rest in [
        "",
        r#","name":null,"source":null"#,
        r#","name":["x"],"source":{}"#,
        r#","name":" ","source":"""#,
    ] {
        let body = format!(r#"{{"email":"a@b.co"{rest}}}"#);
        let row = source("email = \"/email\"\nname = \"/name\"\nsource = \"/source\"")
            .read(body.as_bytes())
            .unwrap();
        assert_eq!((row.name, row.source), (None, None), "{body}");
    }
    let row = source("email = \"/email\"")
        .read(br#"{"email":"a@b.co","name":"A"}"#)
        .unwrap();
    assert_eq!(row.name, None);
}

#[test]
fn what_is_wrong_is_named_by_its_pointer() {
    let source = source("email = \"/data/email\"");
    let rows: [(&[u8], &str); 6] = [
        (b"{", "body: it is not JSON: the mistake is at line 1, column 1"),
        (b"\xff", "body: it is not JSON: the mistake is at line 1, column 1"),
        (b"[]", "/data/email: it is missing"),
        (br#"{"data":{"email":null}}"#, "/data/email: it is missing"),
        (br#"{"data":{"email":7}}"#, "/data/email: it must be a string"),
        (
            br#"{"data":{"email":"sarah"}}"#,
            "/data/email: this is not an e-mail address: it has no @",
        ),
    ];
    for (body, expected) in rows {
        assert_eq!(source.read(body).unwrap_err().to_string(), expected);
    }
    assert_eq!(PayloadError::CODE, "INVALID_PAYLOAD");
}

#[test]
fn pointers_are_checked_when_they_are_read() {
    for good in ["/email", "/a/0/b", "/a~0b~1c", "/"] {
        assert_eq!(good.parse::<JsonPointer>().unwrap().to_string(), good);
    }
    let long = format!("/{}", "x".repeat(MAX_POINTER_BYTES));
    for wrong in ["", "email", "$.email", "/a~2", "/a~", &long] {
        assert!(wrong.parse::<JsonPointer>().is_err(), "{wrong}");
    }
    let error = toml::from_str::<ConfiguredSource>("email = \"data.email\"")
        .unwrap_err()
        .to_string();
    assert!(error.contains("\"data.email\" is no JSON pointer"), "{error}");
    assert!(toml::from_str::<ConfiguredSource>("email = \"/a\"\nmail = \"/b\"").is_err());
    assert!(toml::from_str::<ConfiguredSource>("name = \"/a\"").is_err());
}
