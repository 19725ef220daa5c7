use lumina_enrichment::email::{AddressError, EmailAddress, MAX_ADDRESS_BYTES, MAX_LOCAL_PART_BYTES, MAX_RAW_BYTES};
use proptest::prelude::*;

#[test]
fn addresses_are_kept_as_given_after_cleaning() {
    let rows = [
        ("sarah.dev@gmail.com", "sarah.dev@gmail.com"),
        ("Sarah.Dev+News@Gmail.COM", "Sarah.Dev+News@Gmail.COM"),
        ("\u{feff}\"Sarah Dev\" <mailto:sarah@Example.com>;", "sarah@Example.com"),
        (
            "o'brien!#$%&*/=?^_`{|}~-1@example.co.uk",
            "o'brien!#$%&*/=?^_`{|}~-1@example.co.uk",
        ),
        ("a@b.co", "a@b.co"),
        ("sarah@münchen.de", "sarah@xn--mnchen-3ya.de"),
        ("Sarah@MÜNCHEN.de", "Sarah@xn--mnchen-3ya.de"),
        ("sarah@例え.jp", "sarah@xn--r8jz45g.jp"),
        ("sarah@xn--mnchen-3ya.de", "sarah@xn--mnchen-3ya.de"),
        ("sarah@1-2.3com.example", "sarah@1-2.3com.example"),
    ];
    for (raw, expected) in rows {
        let parsed = EmailAddress::parse(raw);
        assert_eq!(parsed.as_ref().map(EmailAddress::as_str), Ok(expected), "{raw:?}");
        let address = parsed.expect("it was just compared");
        assert_eq!(format!("{}@{}", address.local_part(), address.domain()), expected);
    }
}

#[test]
fn what_is_no_address_is_refused_with_its_reason() {
    let long_local = format!("{}@example.com", "a".repeat(MAX_LOCAL_PART_BYTES + 1));
    let long_domain = format!("a@{}com", "abcdefgh.".repeat(28));
    let long_label = format!("a@{}.com", "a".repeat(64));
    let long_raw = format!("{}a@b.co", " ".repeat(MAX_RAW_BYTES));
    let rows = [
        ("", AddressError::Empty),
        (" \u{200b}\u{feff}\"\" ", AddressError::Empty),
        ("sarah", AddressError::NoAt),
        ("a@b.co, c@d.co", AddressError::SeveralAts),
        ("a@@b.co", AddressError::SeveralAts),
        ("@b.co", AddressError::NoLocalPart),
        (&long_local, AddressError::LocalPartTooLong),
        ("sarah dev@b.co", AddressError::LocalPartCharacter(' ')),
        ("sarah\u{a0}dev@b.co", AddressError::LocalPartCharacter('\u{a0}')),
        ("sárah@b.co", AddressError::LocalPartCharacter('á')),
        ("a\"b@b.co", AddressError::LocalPartCharacter('"')),
        (".a@b.co", AddressError::LocalPartDots),
        ("a.@b.co", AddressError::LocalPartDots),
        ("a..b@b.co", AddressError::LocalPartDots),
        ("a@", AddressError::NoDomain),
        ("a@b", AddressError::OneLabel),
        ("a@localhost.", AddressError::OneLabel),
        ("a@b..co", AddressError::Domain),
        ("a@-b.co", AddressError::Domain),
        ("a@b-.co", AddressError::Domain),
        ("a@b_c.co", AddressError::Domain),
        ("a@b c.co", AddressError::Domain),
        ("a@xn--\u{7f}.co", AddressError::Domain),
        ("a@xn--0.co", AddressError::Domain),
        ("a@[127.0.0.1]", AddressError::Domain),
        ("a@127.0.0.1", AddressError::NumericTopLevel),
        (&long_label, AddressError::Domain),
        (&long_domain, AddressError::TooLong),
        (&long_raw, AddressError::TooLong),
    ];
    for (raw, expected) in rows {
        assert_eq!(EmailAddress::parse(raw), Err(expected), "{raw:?}");
    }
}

#[test]
fn the_longest_address_is_taken() {
    let local = "a".repeat(MAX_LOCAL_PART_BYTES);
    let label = "b".repeat(61);
    let longest = format!("{local}@{label}.{label}.{label}.co");
    assert_eq!(longest.len(), MAX_ADDRESS_BYTES - 1);
    assert!(EmailAddress::parse(&longest).is_ok());
    assert!(EmailAddress::parse(&longest.replace(".co", ".com")).is_ok());
    assert_eq!(
        EmailAddress::parse(&longest.replace(".co", ".coop")),
        Err(AddressError::TooLong)
    );
}

#[test]
fn roles_are_flagged() {
    let is_role = |raw| EmailAddress::parse(raw).map(|address| address.is_role());
    assert_eq!(is_role("Info@example.com"), Ok(true));
    assert_eq!(is_role("no-reply+x@gmail.com"), Ok(true));
    assert_eq!(is_role("sarah@example.com"), Ok(false));
}

proptest! {
    #[test]
    fn parsing_never_panics(raw in any::<String>()) {
        let _ = EmailAddress::parse(&raw);
    }

    #[test]
    fn what_was_parsed_parses_to_itself(raw in "[\"<' \u{feff}]{0,2}[a-zA-Z0-9.+_'-]{1,20}@[a-zA-Z0-9äß例.-]{1,20}[>\" .,]{0,2}") {
        if let Ok(address) = EmailAddress::parse(&raw) {
            prop_assert!(address.as_str().is_ascii() && address.as_str().len() <= MAX_ADDRESS_BYTES);
            prop_assert_eq!(EmailAddress::parse(address.as_str()), Ok(address));
        }
    }
}
