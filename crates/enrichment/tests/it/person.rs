use lumina_enrichment::person::{Company, HeadcountRange, Person};
use proptest::prelude::*;

#[test]
fn ranges_are_read_in_the_ways_they_are_written() {
    let rows = [
        ("1-10", 1, Some(10), "1-10"),
        ("51–200", 51, Some(200), "51-200"),
        (" 1,001 - 5,000 ", 1001, Some(5000), "1001-5000"),
        ("10001+", 10_001, None, "10001+"),
        ("10,001+", 10_001, None, "10001+"),
    ];
    for (text, least, most, shown) in rows {
        let range: HeadcountRange = text.parse().unwrap();
        assert_eq!((range.least(), range.most()), (least, most), "{text}");
        assert_eq!(range.to_string(), shown);
    }
    for wrong in [
        "",
        "-",
        "+",
        "0-10",
        "0+",
        "10-1",
        "many",
        "1-2-3",
        "99999999999999999999+",
    ] {
        assert!(wrong.parse::<HeadcountRange>().is_err(), "{wrong}");
    }
}

#[test]
fn a_headcount_of_zero_is_unknown() {
    let company = |headcount| Company {
        headcount,
        ..Company::default()
    };
    assert_eq!(company(Some(0)).known_headcount(), None);
    assert_eq!(company(Some(7)).known_headcount(), Some(7));
}

#[test]
fn a_person_is_shown_by_the_names_that_are_known() {
    let named = |full: &str, first: &str, last: &str| {
        let some = |text: &str| Some(text.to_owned());
        Person {
            full_name: some(full),
            first_name: some(first),
            last_name: some(last),
            ..Person::default()
        }
    };
    assert_eq!(named("Sarah Dev", "S", "D").display_name().unwrap(), "Sarah Dev");
    assert_eq!(named(" ", "Sarah", "Dev").display_name().unwrap(), "Sarah Dev");
    assert_eq!(named("", "", "Dev").display_name().unwrap(), "Dev");
    assert_eq!(named("", " ", "").display_name(), None);
    assert_eq!(Person::default().display_name(), None);
}

proptest! {
    #[test]
    fn reading_a_range_never_panics(text in "\\PC{0,20}|[0-9]{1,25}[-+–][0-9]{0,25}") {
        if let Ok(range) = text.parse::<HeadcountRange>() {
            prop_assert_eq!(range.to_string().parse(), Ok(range));
        }
    }
}
