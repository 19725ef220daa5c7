//! What is read from a result.

use std::collections::BTreeMap;

use lumina_fullenrich::result::{Company, Headcount, Profile, Record};
use lumina_fullenrich::{Answer, BatchStatus};

use crate::golden;
use crate::scripted::at;

#[test]
fn a_full_result_is_read_in_full() {
    let result = golden::result("finished.json");
    assert_eq!(result.id, Some(golden::batch_id()));
    assert_eq!(result.name.as_deref(), Some("Reverse Email Lookup"));
    assert_eq!(result.status, Some(BatchStatus::Finished));
    assert!(result.is_final());
    assert_eq!(result.credits(), Some(2));

    let record = &result.data[0];
    assert_eq!(record.input.email.as_deref(), Some("Sarah.Dev@Example.com"));
    assert_eq!(
        record.custom,
        BTreeMap::from([("job_id".into(), "1".into()), ("run_id".into(), "7".into())])
    );
    check_person(record.profile.as_deref().expect("the person was found"));
}

fn check_person(person: &Profile) {
    assert_eq!(person.full_name.as_deref(), Some("Sarah Dev"));
    assert_eq!(person.headline.as_deref(), Some("VP Engineering at Acme"));
    assert_eq!(person.location.country_code.as_deref(), Some("FR"));
    assert_eq!(person.linkedin_url(), Some("https://www.linkedin.com/in/sarah-dev"));
    assert_eq!(person.social_profiles.professional_network.connection_count, Some(512));
    assert_eq!(person.skills, ["Rust", "Databases"]);
    let position = person.current_employment().expect("she has a position");
    assert_eq!(position.title.as_deref(), Some("VP Engineering"));
    assert_eq!(position.seniority.as_deref(), Some("VP"));
    assert_eq!(position.job_functions[0].sub_function.as_deref(), Some("Software"));
    assert_eq!(position.start_at, Some(at("2021-03-01T00:00:00Z")));
    assert_eq!(position.end_at, None);
    check_company(position.company.as_ref().expect("the position has a company"));
}

fn check_company(company: &Company) {
    assert_eq!(company.name.as_deref(), Some("Acme"));
    assert_eq!(company.domain.as_deref(), Some("acme.example"));
    assert_eq!(company.year_founded, Some(1999));
    assert_eq!(company.size(), Some(Headcount::Exact(320)));
    assert_eq!(company.industry.main_industry.as_deref(), Some("Software Development"));
    assert_eq!(company.locations.headquarters.city.as_deref(), Some("Lyon"));
    assert!(company.locations.offices.is_empty());
    assert_eq!(company.specialties, ["anvils", "rockets"]);
    let network = &company.social_profiles.professional_network;
    assert_eq!(network.web_url(), Some("https://www.linkedin.com/company/acme"));
}

#[test]
fn nobody_found_is_an_absent_null_or_empty_profile() {
    let found: Vec<bool> = golden::result("finished.json")
        .data
        .iter()
        .map(Record::is_found)
        .collect();
    assert_eq!(found, [true, false, false, false, false, true]);
}

#[test]
fn what_does_not_fit_is_left_out_and_hurts_nothing_beside_it() {
    let result = golden::result("finished_sparse.json");
    assert_eq!((result.name.as_deref(), result.credits()), (None, Some(1)));
    assert_eq!(result.data.len(), 2, "what is no record is passed over");
    let record = &result.data[0];
    assert_eq!(record.custom, BTreeMap::from([("job_id".into(), "1".into())]));
    let person = record.profile.as_deref().expect("the person was found");
    assert_eq!(
        (person.id.as_deref(), person.full_name.as_deref()),
        (None, Some("Max Muster"))
    );
    assert_eq!(person.linkedin_url(), None, "a script is no address");
    assert_eq!(person.skills, ["Rust", "SQL"]);

    let position = person.current_employment().expect("there is a position");
    assert_eq!(
        position.title.as_deref(),
        Some("Founder"),
        "current holds only is_current, so the first of all counts"
    );
    assert_eq!(
        (position.is_current, position.start_at, position.end_at),
        (None, None, None)
    );
    let company = position.company.as_ref().expect("the position has a company");
    assert_eq!(
        company.size(),
        Some(Headcount::Range {
            from: 51,
            to: Some(200)
        }),
        "0 means unknown"
    );
    assert_eq!(company.year_founded, None);
    assert_eq!(person.employment.all[1].start_at, Some(at("2012-05-01T00:00:00Z")));
    assert!(!result.data[1].is_found());
}

#[test]
fn a_contact_event_looks_like_a_running_batch_with_one_record() {
    let result = golden::result("contact_event.json");
    assert!(!result.is_final());
    assert_eq!(result.data.len(), 1);
    assert!(result.data[0].is_found());
}

#[test]
fn only_three_statuses_are_an_end() {
    let table = [
        ("created.json", false),
        ("in_progress.json", false),
        ("rate_limit.json", false),
        ("unknown.json", false),
        ("without_status.json", false),
        ("finished.json", true),
        ("canceled.json", true),
        ("credits_insufficient.json", true),
    ];
    for (name, is_final) in table {
        assert_eq!(golden::result(name).is_final(), is_final, "{name}");
    }
    for text in [
        "CREATED",
        "IN_PROGRESS",
        "FINISHED",
        "CANCELED",
        "CREDITS_INSUFFICIENT",
        "RATE_LIMIT",
        "UNKNOWN",
    ] {
        assert_eq!(BatchStatus::parse(text).to_string(), text);
    }
}

fn person(json: &str) -> Profile {
    let body = format!(r#"{{"data":[{{"profile":{json}}}]}}"#);
    let (result, _) = Answer::parse(body.into()).expect("the body is an object").into_parts();
    *result
        .data
        .into_iter()
        .next()
        .and_then(|record| record.profile)
        .expect("somebody was found")
}

#[test]
fn the_current_position_is_the_fuller_one() {
    let table = [
        (r#"{"current":{"title":"A"},"all":[{"title":"B"}]}"#, Some("A")),
        (
            r#"{"current":{"is_current":true},"all":[{"title":"B"},{"title":"C"}]}"#,
            Some("B"),
        ),
        (
            r#"{"current":{"is_current":true,"company":{},"title":""},"all":[{"title":"B"}]}"#,
            Some("B"),
        ),
        (
            r#"{"current":{"is_current":true,"company":{"name":"X"}},"all":[{"title":"B"}]}"#,
            None,
        ),
        (r#"{"current":{"is_current":true},"all":[]}"#, None),
        (
            r#"{"current":null,"all":[{"title":"B"},{"title":"C","is_current":true}]}"#,
            Some("C"),
        ),
        (r#"{"all":[{"title":"B","is_current":false}]}"#, None),
    ];
    for (employment, expected) in table {
        let person = person(&format!(r#"{{"full_name":"X","employment":{employment}}}"#));
        let title = person
            .current_employment()
            .and_then(|position| position.title.as_deref());
        assert_eq!(title, expected, "{employment}");
    }
}

#[test]
fn the_size_is_the_headcount_or_the_range() {
    let range = |from, to| Some(Headcount::Range { from, to });
    let table = [
        (Some(7), Some("1-10"), Some(Headcount::Exact(7))),
        (Some(0), Some("1-10"), range(1, Some(10))),
        (None, Some("11-50"), range(11, Some(50))),
        (None, Some("51-200"), range(51, Some(200))),
        (None, Some("201-500"), range(201, Some(500))),
        (None, Some("501-1000"), range(501, Some(1000))),
        (None, Some("1001-5000"), range(1001, Some(5000))),
        (None, Some("5001-10000"), range(5001, Some(10_000))),
        (None, Some("10001+"), range(10_001, None)),
        (None, Some("10,001+"), range(10_001, None)),
        (None, Some("51 \u{2013} 200"), range(51, Some(200))),
        (None, Some("200-51"), None),
        (None, Some("many"), None),
        (Some(0), None, None),
        (None, None, None),
    ];
    for (headcount, text, expected) in table {
        let company = Company {
            headcount,
            headcount_range: text.map(str::to_owned),
            ..Company::default()
        };
        assert_eq!(company.size(), expected, "{headcount:?} {text:?}");
    }
}

#[test]
fn only_a_web_address_is_a_link() {
    let table = [
        ("https://www.linkedin.com/in/jos\u{e9}", true),
        ("http://linkedin.com/in/x", true),
        ("linkedin.com/in/x", false),
        ("javascript:alert(1)", false),
        ("https://x.example/\\\"onclick=", false),
    ];
    for (url, is_link) in table {
        let json = format!(r#"{{"social_profiles":{{"professional_network":{{"url":"{url}"}}}}}}"#);
        assert_eq!(person(&json).linkedin_url().is_some(), is_link, "{url}");
    }
}

#[test]
fn nothing_paid_for_looks_like_nothing_found() {
    let table = [
        (r#"{"full_name":5}"#, None),
        (r#"{"full_name":"cut \ud83d"}"#, None),
        (r#"{"full_name":"A","full_name":"B"}"#, Some("B")),
        (r#"{"cut \ud83d":1,"full_name":"A"}"#, Some("A")),
        (r#"{"headline":"cut \ud83d","full_name":"A","year":1e999}"#, Some("A")),
        (r#"{"cut \ud83d":1}"#, None),
    ];
    for (json, expected) in table {
        assert_eq!(person(json).full_name.as_deref(), expected, "{json}");
    }
}

#[test]
fn broken_utf_8_costs_a_character_and_not_the_answer() {
    let mut body = br#"{"status":"FINISHED","data":[{"profile":{"full_name":"Jos"#.to_vec();
    body.extend_from_slice(&[0xC3, b'"', b'}', b'}', b']', b'}']);
    let answer = Answer::parse(body.into()).expect("it is an object");
    let person = answer.result().data[0].profile.as_deref().expect("somebody was found");
    assert_eq!(person.full_name.as_deref(), Some("Jos\u{fffd}"));
}

#[test]
fn only_what_is_no_object_is_unreadable() {
    let table = [
        ("", "it is no JSON object"),
        ("null", "it is no JSON object"),
        ("[{}]", "it is no JSON object"),
        ("<html>", "it is no JSON object"),
        (r#"{"status":"FINISHED""#, "EOF while parsing"),
        (r#"{"status":"FINISHED"} and more"#, "trailing characters"),
    ];
    for (body, expected) in table {
        let error = Answer::parse(body.into()).expect_err("it is no result").to_string();
        assert!(
            error.starts_with("the body is no enrichment result: ") && error.contains(expected),
            "{error}"
        );
    }
}
