use lumina_enrichment::email::{DedupeKey, EmailAddress};
use proptest::prelude::*;

fn key(raw: &str) -> String {
    EmailAddress::parse(raw).unwrap().dedupe_key().into_string()
}

#[test]
fn spellings_of_one_mailbox_share_a_key() {
    let rows = [
        ("sarahdev@gmail.com", "sarahdev@gmail.com"),
        ("Sarah.Dev@Gmail.com", "sarahdev@gmail.com"),
        ("s.a.r.a.h.dev+news+more@googlemail.com", "sarahdev@gmail.com"),
        ("+tag@gmail.com", "+tag@gmail.com"),
        ("Sarah.Dev+news@outlook.com", "sarah.dev@outlook.com"),
        ("sarah+news@hotmail.co.uk", "sarah@hotmail.co.uk"),
        ("sarah+news@live.nl", "sarah@live.nl"),
        ("sarah+news@icloud.com", "sarah@icloud.com"),
        ("sarah+news@me.com", "sarah@me.com"),
        ("sarah+news@mac.com", "sarah@mac.com"),
        ("sarah+news@proton.me", "sarah@proton.me"),
        ("sarah+news@protonmail.com", "sarah@protonmail.com"),
        ("sarah+news@pm.me", "sarah@pm.me"),
        ("sarah+news@fastmail.com", "sarah@fastmail.com"),
        ("sarah+news@eml.cc", "sarah@eml.cc"),
        ("Sarah.Dev+News@Example.com", "sarah.dev+news@example.com"),
        ("sarah+news@yahoo.com", "sarah+news@yahoo.com"),
        ("sarah+news@mail.gmail.com", "sarah+news@mail.gmail.com"),
        ("sarah@MÜNCHEN.de", "sarah@xn--mnchen-3ya.de"),
    ];
    for (raw, expected) in rows {
        assert_eq!(key(raw), expected, "{raw}");
    }
}

#[test]
fn different_mailboxes_have_different_keys() {
    assert_ne!(key("sarah@outlook.com"), key("sarah@hotmail.com"));
    assert_ne!(key("sarah@icloud.com"), key("sarah@me.com"));
    assert_ne!(key("sarah.dev@outlook.com"), key("sarahdev@outlook.com"));
    assert_ne!(key("sarah+a@example.com"), key("sarah@example.com"));
}

#[test]
fn a_stored_key_comes_back_unchanged() {
    let stored = DedupeKey::from_stored("sarahdev@gmail.com");
    assert_eq!(
        stored,
        EmailAddress::parse("Sarah.Dev@googlemail.com").unwrap().dedupe_key()
    );
}

const DOMAINS: [&str; 9] = [
    "gmail.com",
    "GoogleMail.com",
    "outlook.de",
    "live.com",
    "icloud.com",
    "proton.me",
    "fastmail.fm",
    "yahoo.com",
    "Example.com",
];

proptest! {
    #[test]
    fn the_key_of_a_key_is_the_key(local in "[a-zA-Z0-9.+_-]{1,20}", domain in prop::sample::select(DOMAINS.to_vec())) {
        let Ok(address) = EmailAddress::parse(&format!("{local}@{domain}")) else { return Ok(()) };
        let key = address.dedupe_key();
        prop_assert_eq!(key.as_str(), key.as_str().to_ascii_lowercase());
        if let Ok(again) = EmailAddress::parse(key.as_str()) {
            prop_assert_eq!(again.dedupe_key(), key);
        }
    }

    #[test]
    fn case_dots_and_tags_mean_nothing_at_gmail(words in prop::collection::vec("[a-z0-9]{1,6}", 1..4), tag in "[a-z0-9+]{0,8}") {
        let plain = format!("{}@gmail.com", words.concat());
        let spelled = format!("{}+{tag}@googlemail.com", words.join(".").to_uppercase());
        prop_assert_eq!(key(&spelled), key(&plain));
    }
}
