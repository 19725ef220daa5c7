use lumina_enrichment::email::{AddressClass, Classifier, EmailAddress};
use lumina_enrichment::subscriber::{
    MAX_METADATA_BYTES, MAX_METADATA_KEYS, MAX_NAME_CHARS, Metadata, MetadataError, NewSubscriber, tidy_name,
    tidy_source,
};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

#[test]
fn what_follows_from_the_address_is_derived() {
    let email = EmailAddress::parse("Sarah.Dev+x@googlemail.com").unwrap();
    let subscriber =
        NewSubscriber::new(email, " footer\nform ", &Classifier::new()).with_name(Some(" \"Sarah  Dev\" "));
    assert_eq!(subscriber.email.as_str(), "Sarah.Dev+x@googlemail.com");
    assert_eq!(subscriber.dedupe_key.as_str(), "sarahdev@gmail.com");
    assert_eq!(subscriber.class, AddressClass::Personal);
    assert_eq!(subscriber.source, "footer form");
    assert_eq!(subscriber.name.as_deref(), Some("Sarah Dev"));
    assert!(!subscriber.is_role && subscriber.metadata.is_empty());
}

#[test]
fn names_and_sources_are_one_tidy_line() {
    let rows = [
        ("Sarah Dev", Some("Sarah Dev")),
        ("  Sarah \t\r\n Dev ", Some("Sarah Dev")),
        ("Sarah\u{a0}Dev\u{0}", Some("Sarah Dev")),
        ("李 小龍", Some("李 小龍")),
        ("", None),
        (" \u{feff}\n", None),
    ];
    for (raw, expected) in rows {
        assert_eq!(tidy_name(raw).as_deref(), expected, "{raw:?}");
        assert_eq!(tidy_source(raw).as_deref(), expected, "{raw:?}");
    }
    assert_eq!(tidy_name(&"é".repeat(999)).unwrap().chars().count(), MAX_NAME_CHARS);
}

#[test]
fn metadata_is_a_bounded_object() {
    let kept = Metadata::from_value(&json!({"campaign": "spring", "tags": ["a", 1]})).unwrap();
    assert_eq!(kept.as_json(), r#"{"campaign":"spring","tags":["a",1]}"#);
    assert_eq!(Metadata::from_stored(kept.as_json()), kept);
    assert!(Metadata::from_value(&json!({})).unwrap().is_empty());
    assert_eq!(Metadata::from_value(&json!(["a"])), Err(MetadataError::NoObject));
    let many: Map<String, Value> = (0..=MAX_METADATA_KEYS).map(|n| (n.to_string(), Value::Null)).collect();
    assert_eq!(
        Metadata::from_value(&many.into()),
        Err(MetadataError::TooManyKeys(MAX_METADATA_KEYS + 1))
    );
    let wrapping = r#"{"a":""}"#.len();
    let of_size = |size: usize| Metadata::from_value(&json!({"a": "x".repeat(size - wrapping)}));
    assert!(of_size(MAX_METADATA_BYTES).is_ok());
    assert_eq!(
        of_size(MAX_METADATA_BYTES + 1),
        Err(MetadataError::TooLarge(MAX_METADATA_BYTES + 1))
    );
}

proptest! {
    #[test]
    fn tidying_is_idempotent(raw in any::<String>()) {
        if let Some(once) = tidy_source(&raw) {
            prop_assert_eq!(tidy_source(&once), Some(once.clone()));
        }
        if let Some(once) = tidy_name(&raw) {
            prop_assert!(once.chars().count() <= MAX_NAME_CHARS && !once.chars().any(char::is_control));
        }
    }
}
