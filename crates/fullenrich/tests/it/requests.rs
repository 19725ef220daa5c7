//! What a batch may hold.

use lumina_fullenrich::{
    BatchRequest, EnrichmentId, LookupItem, MAX_BATCH_ITEMS, MAX_CUSTOM_KEYS, MAX_CUSTOM_VALUE_CHARS, RequestError,
};

fn items(count: usize) -> Vec<LookupItem> {
    (0..count)
        .map(|n| LookupItem::new(format!("n{n}@example.com")).expect("an address"))
        .collect()
}

#[test]
fn a_batch_has_a_name_and_1_to_100_addresses() {
    let table = [
        ("x", 1, None),
        ("x", MAX_BATCH_ITEMS, None),
        ("x", 0, Some(RequestError::NoItems)),
        ("x", 101, Some(RequestError::TooManyItems { count: 101 })),
        ("", 1, Some(RequestError::NoName)),
        (" \t", 1, Some(RequestError::NoName)),
    ];
    for (name, count, expected) in table {
        assert_eq!(
            BatchRequest::new(name, items(count)).err(),
            expected,
            "{name:?} {count}"
        );
    }
}

#[test]
fn an_address_twice_would_be_charged_twice() {
    let mut batch = items(3);
    batch.push(LookupItem::new(" N1@Example.COM").expect("an address"));
    let error = BatchRequest::new("x", batch).expect_err("the address is repeated");
    assert_eq!(error, RequestError::RepeatedAddress { first: 1, second: 3 });
}

#[test]
fn an_address_is_something_with_an_at_sign() {
    for bad in ["", " ", "nobody", "nobody.example.com"] {
        assert_eq!(LookupItem::new(bad), Err(RequestError::NoAddress), "{bad:?}");
    }
}

#[test]
fn custom_values_keep_to_their_limits() {
    let item = || LookupItem::new("nobody@example.com").expect("an address");
    let longest = "é".repeat(MAX_CUSTOM_VALUE_CHARS);
    let kept = item()
        .with_custom("k", &longest)
        .expect("100 characters, of two bytes each");
    assert_eq!(kept.custom()["k"], longest);
    let error = item().with_custom("k", longest + "x").expect_err("101 characters");
    assert_eq!(
        error,
        RequestError::CustomValueTooLong {
            key: "k".to_owned(),
            chars: 101
        }
    );
    assert_eq!(item().with_custom("", "v"), Err(RequestError::NoCustomKey));

    let full = (0..MAX_CUSTOM_KEYS).try_fold(item(), |item, n| item.with_custom(format!("k{n}"), "v"));
    let full = full.expect("ten keys");
    let error = full.clone().with_custom("k10", "v").expect_err("eleven keys");
    assert_eq!(error, RequestError::TooManyCustomKeys { key: "k10".to_owned() });
    let replaced = full.with_custom("k9", "w").expect("still ten keys");
    assert_eq!(replaced.custom()["k9"], "w");
}

#[test]
fn a_webhook_is_a_full_web_address() {
    let table = [
        ("https://lumina.example/api/webhooks/enrichment", true),
        ("http://127.0.0.1:7878/x?run=1&attempt=2", true),
        ("HTTPS://LUMINA.EXAMPLE", true),
        ("https://", false),
        ("ftp://lumina.example/x", false),
        ("lumina.example/x", false),
        ("/x", false),
        ("https://lumina.example/a b", false),
        ("", false),
    ];
    for (url, is_good) in table {
        let batch = || BatchRequest::new("x", items(1)).expect("a good batch");
        assert_eq!(batch().with_webhook_url(url).is_ok(), is_good, "{url}");
        assert_eq!(batch().with_contact_webhook_url(url).is_ok(), is_good, "{url}");
    }
}

#[test]
fn what_was_not_asked_for_is_not_sent() {
    let batch = BatchRequest::new("x", items(1)).expect("a good batch");
    assert_eq!(batch.to_body(), r#"{"name":"x","data":[{"email":"n0@example.com"}]}"#);
}

#[test]
fn errors_say_what_to_do() {
    let table = [
        (RequestError::NoItems, "give it at least one address"),
        (
            RequestError::TooManyItems { count: 200 },
            "holds 200 addresses and FullEnrich takes at most 100: split it",
        ),
        (
            RequestError::BadWebhookUrl { url: "/x".to_owned() },
            "'/x' cannot be called: give a full http",
        ),
        (
            RequestError::CustomValueTooLong {
                key: "k".to_owned(),
                chars: 101,
            },
            "'k' has 101 characters",
        ),
    ];
    for (error, expected) in table {
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn an_enrichment_id_can_stand_in_a_url() {
    for good in ["2db5ea61-1752-42cf-8ea1-ab1da060cd0a", "A", "7_x.y", &"a".repeat(128)] {
        assert_eq!(EnrichmentId::parse(good).expect("a plain id").as_str(), good);
    }
    for bad in ["", ".", "..", "-a", "a/b", "a b", "a?b", "a%2f", "é", &"a".repeat(129)] {
        let error = EnrichmentId::parse(bad).expect_err("no plain id");
        assert!(error.to_string().contains("is no FullEnrich enrichment id"), "{error}");
    }
}
