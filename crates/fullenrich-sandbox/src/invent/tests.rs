use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;

type Shows = fn(&Value) -> bool;

const CROWD: usize = 4_000;

fn person(seed: u64, email: &str) -> Value {
    serde_json::to_value(somebody(seed, email)).expect("a person is plain data")
}

fn address(number: usize) -> String {
    format!("reader{number}@mail.example")
}

/// What a scorer would look at first: `current`, or `all[0]` where that says nothing.
fn position(person: &Value) -> &Value {
    let current = &person["employment"]["current"];
    if current["title"].is_null() {
        &person["employment"]["all"][0]
    } else {
        current
    }
}

fn share_of(people: &[Value], holds: impl Fn(&Value) -> bool) -> usize {
    people.iter().filter(|person| holds(person)).count() * 100 / people.len()
}

#[test]
fn the_same_seed_and_address_give_the_same_person_whatever_the_case() {
    assert_eq!(person(7, "Ann@Mail.Example"), person(7, "ann@mail.example"));
    assert_ne!(person(7, "ann@mail.example"), person(8, "ann@mail.example"));
    assert_ne!(person(7, "ann@mail.example"), person(7, "bob@mail.example"));
}

#[test]
fn the_share_of_the_missing_is_as_configured() {
    for percent in [0, 30, 100] {
        let missing = (0..CROWD).filter(|n| !is_found(3, &address(*n), percent)).count() * 100 / CROWD;
        assert!(
            missing.abs_diff(percent.into()) <= 2,
            "{percent} % were asked for, {missing} % came"
        );
    }
}

#[test]
fn nobody_comes_in_all_three_forms() {
    let forms: Vec<_> = (0..50)
        .map(|n| nobody(1, &address(n)).map(|profile| json!(profile)))
        .collect();
    for form in [None, Some(Value::Null), Some(json!({}))] {
        assert!(forms.contains(&form), "{form:?}");
    }
}

#[test]
fn delays_fill_the_span_and_do_not_leave_it() {
    let (min, max) = (Duration::from_secs(30), Duration::from_secs(90));
    let delays: Vec<_> = (0..CROWD)
        .map(|n| lookup_delay(1, &address(n), Latency::Uniform, min, max))
        .collect();
    assert_eq!(delays.iter().min(), Some(&min));
    assert_eq!(delays.iter().max(), Some(&max));
    let fixed = Duration::from_millis(3_001);
    assert_eq!(lookup_delay(1, "a@b.example", Latency::Uniform, fixed, fixed), fixed);
}

#[test]
fn people_differ_enough_for_a_score_to_spread() {
    let people: Vec<Value> = (0..CROWD).map(|n| person(5, &address(n))).collect();
    let mut seniorities = BTreeMap::new();
    let mut ranges = BTreeMap::new();
    for position in people.iter().map(position) {
        *seniorities.entry(position["seniority"].as_str()).or_insert(0) += 1;
        *ranges
            .entry(position["company"]["headcount_range"].as_str())
            .or_insert(0) += 1;
    }
    assert_eq!(seniorities.len(), 11, "ten and none: {seniorities:?}");
    assert_eq!(ranges.len(), 9, "eight and none: {ranges:?}");
    let high = share_of(&people, |person| {
        let position = position(person);
        let industry = position["company"]["industry"]["main_industry"].as_str();
        let headcount = position["company"]["headcount"].as_u64().unwrap_or(0);
        (50..=500).contains(&headcount)
            && matches!(
                position["seniority"].as_str(),
                Some("Owner" | "Founder" | "C-level" | "VP" | "Head" | "Director")
            )
            && matches!(
                industry,
                Some("Software Development" | "Technology, Information and Internet" | "Financial Services")
            )
    });
    assert!((3..=20).contains(&high), "{high} % are just whom one looks for");
}

#[test]
fn people_have_the_gaps_that_real_ones_have() {
    let people: Vec<Value> = (0..CROWD).map(|n| person(5, &address(n))).collect();
    let gaps: [(&str, Shows); 9] = [
        ("bare current", |p| {
            p["employment"]["current"] == json!({"is_current": true}) && position(p)["title"].is_string()
        }),
        ("no employment", |p| p["employment"].is_null()),
        ("no company", |p| {
            position(p)["title"].is_string() && position(p)["company"].is_null()
        }),
        ("no network", |p| p["social_profiles"].is_null()),
        ("headcount 0 with a range", |p| {
            position(p)["company"]["headcount"] == json!(0) && position(p)["company"]["headcount_range"].is_string()
        }),
        ("headcount 0 without a range", |p| {
            position(p)["company"]["headcount"] == json!(0) && position(p)["company"]["headcount_range"].is_null()
        }),
        ("offices null", |p| {
            let locations = &position(p)["company"]["locations"];
            locations.is_object() && locations["offices"].is_null()
        }),
        ("no industry", |p| {
            position(p)["company"].is_object() && position(p)["company"]["industry"].is_null()
        }),
        ("malformed date", |p| p.to_string().contains("-0T00:00:00.000Z")),
    ];
    for (gap, shows) in gaps {
        let share = people.iter().filter(|person| shows(person)).count() * 1000 / CROWD;
        assert!((10..600).contains(&share), "{gap}: {share} of a thousand");
    }
}

#[test]
fn companies_are_invented_and_colleagues_agree() {
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    for n in 0..CROWD {
        for employment in person(5, &address(n))["employment"]["all"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let Some(name) = employment["company"]["name"].as_str() else {
                continue;
            };
            assert!(
                employment["company"]["domain"]
                    .as_str()
                    .is_some_and(|domain| domain.ends_with(".example"))
            );
            let first = seen
                .entry(name.to_owned())
                .or_insert_with(|| employment["company"].clone());
            assert_eq!(first, &employment["company"]);
        }
    }
    assert!(seen.len() > 300, "{} companies", seen.len());
}

#[test]
fn headcounts_lie_within_their_range() {
    for person in (0..CROWD).map(|n| person(5, &address(n))) {
        let company = &position(&person)["company"];
        let (Some(count), Some(range)) = (company["headcount"].as_u64(), company["headcount_range"].as_str()) else {
            continue;
        };
        let (low, high) = range.split_once('-').map_or((10_001, u64::MAX), |(low, high)| {
            (low.parse().expect("a number"), high.parse().expect("a number"))
        });
        assert!(count == 0 || (low..=high).contains(&count), "{count} in {range}");
    }
}
