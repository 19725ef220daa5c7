use std::time::Duration;

use lumina_enrichment::credits::{CreditPrice, Credits, LookupEstimate, Money};
use proptest::prelude::*;

fn price(text: &str) -> CreditPrice {
    text.parse().unwrap()
}

#[test]
fn prices_are_exact() {
    let rows = [
        ("0.055", 55_000, "0.055"),
        ("1", 1_000_000, "1"),
        ("0", 0, "0"),
        ("0.000001", 1, "0.000001"),
        (" 12.50 ", 12_500_000, "12.5"),
        ("1000.999999", 1_000_999_999, "1000.999999"),
    ];
    for (text, micros, shown) in rows {
        assert_eq!(price(text).per_credit().micros(), micros, "{text}");
        assert_eq!(price(text).to_string(), shown);
    }
    for wrong in [
        "",
        ".",
        "1.",
        ".5",
        "-1",
        "0,055",
        "1e3",
        "0.0000001",
        "1001",
        "99999999999999999999",
        "+1",
    ] {
        assert!(wrong.parse::<CreditPrice>().is_err(), "{wrong}");
    }
}

#[test]
fn a_price_is_read_from_a_string_and_from_a_number() {
    #[derive(serde::Deserialize)]
    struct Section {
        credit_price: CreditPrice,
    }
    let read = |value: &str| toml::from_str::<Section>(&format!("credit_price = {value}")).map(|s| s.credit_price);
    for value in ["\"0.055\"", "0.055", "5.5e-2"] {
        assert_eq!(read(value).unwrap(), price("0.055"), "{value}");
    }
    assert_eq!(read("2").unwrap(), price("2"));
    assert_eq!(read("0.1").unwrap(), price("0.1"));
    let error = read("\"cheap\"").err().unwrap().to_string();
    assert!(error.contains("\"cheap\" is no price of a credit"), "{error}");
    for wrong in ["-1", "nan", "true", "0.1234567"] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn money_is_shown_rounded_up() {
    let rows = [
        (0, "0.00"),
        (1, "0.01"),
        (10_000, "0.01"),
        (10_001, "0.02"),
        (12_345_678, "12.35"),
    ];
    for (micros, shown) in rows {
        assert_eq!(Money::from_micros(micros).to_string(), shown);
    }
}

#[test]
fn credits_add_up_without_wrapping() {
    let all = [Credits::new(2), Credits::new(u64::MAX), Credits::new(5)];
    assert_eq!(all.into_iter().sum::<Credits>(), Credits::new(u64::MAX));
    assert_eq!(Credits::new(2).saturating_sub(Credits::new(3)), Credits::ZERO);
    assert_eq!(
        (Credits::new(1).to_string(), Credits::ZERO.to_string()),
        ("1 credit".into(), "0 credits".into())
    );
}

#[test]
fn an_estimate_bounds_credits_money_and_time() {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let rows = [
        (0, 3, 0, "0.00", minutes(0)),
        (1, 3, 1, "0.06", minutes(4)),
        (100, 3, 1, "5.50", minutes(4)),
        (101, 3, 2, "5.56", minutes(8)),
        (101, 0, 2, "5.56", minutes(8)),
        (200_000, 3, 2_000, "11000.00", minutes(8_000)),
    ];
    for (lookups, in_flight, batches, money, duration) in rows {
        let estimate = LookupEstimate::new(lookups, Some(price("0.055")), in_flight);
        assert_eq!(estimate.credits_at_most, Credits::new(lookups));
        assert_eq!(estimate.batches, batches, "{lookups}");
        assert_eq!(estimate.money_at_most.unwrap().to_string(), money, "{lookups}");
        assert_eq!(estimate.duration_at_most, duration, "{lookups}");
    }
    assert_eq!(LookupEstimate::new(5, None, 1).money_at_most, None);
}

proptest! {
    #[test]
    fn a_price_reads_as_it_is_shown(micros in 0..=1_000_999_999_u64) {
        let shown = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let read = price(&shown);
        prop_assert_eq!(read.per_credit().micros(), micros);
        prop_assert_eq!(price(&read.to_string()), read);
    }

    #[test]
    fn estimates_never_overflow(lookups in any::<u64>(), in_flight in any::<u32>(), text in any::<String>()) {
        let _ = LookupEstimate::new(lookups, Some(price("1000")), in_flight);
        let _ = text.parse::<CreditPrice>();
    }
}
