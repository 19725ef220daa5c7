//! Whatever comes in, reading it never panics, and a large body is no trouble.

use bytes::Bytes;
use lumina_fullenrich::result::{Record, ResultHead};
use lumina_fullenrich::{Answer, MAX_RESPONSE_BYTES};
use proptest::prelude::*;
use serde_json::{Map, Value};

use crate::golden;
use crate::scripted::{Desk, read_label};

/// Keys that mean something at some depth, so that wrong values land where they are looked for.
const KEYS: &[&str] = &[
    "id",
    "name",
    "status",
    "cost",
    "credits",
    "data",
    "input",
    "email",
    "custom",
    "profile",
    "full_name",
    "location",
    "social_profiles",
    "professional_network",
    "url",
    "employment",
    "current",
    "all",
    "title",
    "is_current",
    "start_at",
    "company",
    "headcount",
    "headcount_range",
    "industry",
    "main_industry",
    "job_functions",
    "skills",
    "other",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["FINISHED", "2024-1-0T00:00:00.000Z", "51-200", "+", "-", "10001+"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(7, 96, 8, |inner| {
        let member = (prop::sample::select(KEYS), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(member, 0..8).prop_map(|members| {
                Value::from(
                    members
                        .into_iter()
                        .map(|(k, v)| (k.to_owned(), v))
                        .collect::<Map<_, _>>(),
                )
            }),
        ]
    })
}

/// A value that some readers cannot hold, or that is of no use anywhere.
fn spoilt_value() -> impl Strategy<Value = String> {
    let deep = (1_usize..600).prop_map(|depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth)));
    let fixed = [
        "1e999",
        "-0",
        "18446744073709551616",
        r#""cut \ud83d""#,
        r#""2024-1-0T00:00:00.000Z""#,
        r#"{"cut \ud83d":1}"#,
        r#"{"a":1,"a":2}"#,
        "[[],{},null]",
    ];
    prop_oneof![
        3 => any_json().prop_map(|value| value.to_string()),
        2 => prop::sample::select(fixed.to_vec()).prop_map(str::to_owned),
        1 => deep,
    ]
}

/// A member that means something elsewhere, twice where that is wrong, or under a key that cannot be read.
fn spoilt_member() -> impl Strategy<Value = String> {
    let any = (
        prop::sample::select(vec![r#""other""#, r#""id""#, r#""input""#, r#""cut \ud83d""#]),
        spoilt_value(),
    );
    let any = any.prop_map(|(key, value)| format!("{key}:{value}"));
    let before = prop::sample::select(vec![
        "status",
        "cost",
        "data",
        "custom",
        "profile",
        "full_name",
        "employment",
        "title",
    ]);
    // The right one comes after it, and counts.
    let twice = (before, spoilt_value()).prop_map(|(key, value)| format!(r#""{key}":{value}"#));
    prop_oneof![any, twice]
}

/// Something in the place of a record, valid as JSON and nothing more.
fn spoilt_record() -> impl Strategy<Value = String> {
    let members = prop::collection::vec(spoilt_member(), 1..4);
    prop_oneof![
        spoilt_value(),
        members.prop_map(|members| format!("{{{}}}", members.join(",")))
    ]
}

fn good_record(number: usize) -> String {
    format!(r#"{{"custom":{{"job_id":"{number}"}},"profile":{{"full_name":"Person {number}"}}}}"#)
}

/// Reads the body and everything that is computed from it.
fn read_all(body: Bytes) -> Option<usize> {
    let head = ResultHead::parse(&body).ok();
    let answer = Answer::parse(body).ok();
    let whole = answer.as_ref().map(ResultHead::from);
    assert_eq!(head, whole, "the head alone says what the whole says");
    let answer = answer?;
    let result = answer.result();
    let people = result.data.iter().filter_map(|record| record.profile.as_deref());
    for person in people {
        let position = person.current_employment();
        let _size = position.and_then(|position| position.company.as_ref()?.size());
        let _url = person.linkedin_url();
    }
    Some(result.data.len())
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        read_all(bytes.into());
    }

    #[test]
    fn any_json_object_is_read(value in any_json(), status in prop::sample::select(vec!["FINISHED", "?"])) {
        let body = match value {
            Value::Object(members) => Value::Object(members),
            other => serde_json::json!({ "status": status, "data": [other.clone(), { "profile": other }] }),
        };
        prop_assert!(read_all(body.to_string().into()).is_some());
    }

    #[test]
    fn a_golden_body_with_any_damage_is_read_or_refused(at in 0_usize..4000, byte in any::<u8>(), cut in any::<bool>()) {
        // Without the file's last line break: a body that only lost that is still whole.
        let mut body = golden::body("finished.json").trim_ascii_end().to_vec();
        let at = at % body.len();
        if cut { body.truncate(at) } else { body[at] = byte }
        let records = read_all(body.into());
        prop_assert!(!cut || records.is_none(), "what broke off is not taken for whole");
    }

    /// What is wrong with one record concerns that one: all others are read as if it were not there.
    #[test]
    fn a_record_is_read_whatever_is_beside_it(good in 1_usize..12, beside in prop::collection::vec((any::<prop::sample::Index>(), spoilt_record()), 0..12)) {
        let mut records: Vec<String> = (0..good).map(good_record).collect();
        for (at, spoilt) in beside {
            records.insert(at.index(records.len() + 1), spoilt);
        }
        let body = format!(r#"{{"status":"FINISHED","data":[{}]}}"#, records.join(","));
        read_all(body.clone().into());
        let (result, _) = Answer::parse(body.clone().into()).expect("it is an object").into_parts();
        for number in 0..good {
            let job = number.to_string();
            let record = result.data.iter().find(|record| record.custom.get("job_id") == Some(&job));
            let record = record.unwrap_or_else(|| panic!("record {number} is lost in {body}"));
            let name = record.profile.as_ref().and_then(|person| person.full_name.as_deref());
            prop_assert_eq!(name, Some(&*format!("Person {number}")), "{}", body);
        }
    }

    /// What is wrong with one member of a record or of the whole concerns that one alone.
    #[test]
    fn a_member_is_read_whatever_is_beside_it(places in prop::collection::vec(spoilt_member(), 4)) {
        let [whole, record, person, position] = &places[..] else { unreachable!("there are four") };
        let body = format!(
            r#"{{{whole},"status":"FINISHED","cost":{{"credits":1}},"data":[{{{record},"custom":{{"job_id":"7"}},"profile":
            {{{person},"full_name":"Sarah Dev","employment":{{"current":{{{position},"title":"Founder"}}}}}}}}]}}"#
        );
        read_all(body.clone().into());
        let (result, _) = Answer::parse(body.clone().into()).expect("it is an object").into_parts();
        prop_assert_eq!((result.is_final(), result.credits()), (true, Some(1)), "{}", body);
        prop_assert_eq!(result.data.len(), 1, "{}", body);
        let read = &result.data[0];
        prop_assert_eq!(read.custom.get("job_id").map(String::as_str), Some("7"), "{}", body);
        let person = read.profile.as_ref().expect("somebody was found");
        prop_assert_eq!(person.full_name.as_deref(), Some("Sarah Dev"), "{}", body);
        let title = person.current_employment().and_then(|position| position.title.as_deref());
        prop_assert_eq!(title, Some("Founder"), "{}", body);
    }

    #[test]
    fn any_answer_has_a_meaning(code in 100_u16..1000, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O");
        runtime.block_on(async {
            let desk = Desk::answering(code, body.clone(), &[("retry-after", "\t9 9")]);
            let read = desk.read().await;
            assert!(!["finished", "canceled"].contains(&read_label(&read).as_str()), "noise is no result");
            let _started = Desk::answering(code, body, &[]).start().await;
        });
    }
}

#[test]
fn a_body_of_32_mib_is_read_whole() {
    let filler = "x".repeat(MAX_RESPONSE_BYTES / 100 - 200);
    let records: Vec<String> = (0..100)
        .map(|n| {
            format!(r#"{{"custom":{{"job_id":"{n}"}},"profile":{{"full_name":"P{n}","description":"{filler}"}}}}"#)
        })
        .collect();
    let body = format!(r#"{{"status":"FINISHED","data":[{}]}}"#, records.join(","));
    assert!(body.len() > MAX_RESPONSE_BYTES * 99 / 100 && body.len() <= MAX_RESPONSE_BYTES);
    let (result, _) = Answer::parse(body.into()).expect("it is an object").into_parts();
    assert_eq!(result.data.len(), 100);
    assert!(result.data.iter().all(Record::is_found));
    assert_eq!(result.data[99].custom["job_id"], "99");
}

#[test]
fn a_body_made_to_grow_stays_small() {
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    assert_eq!(read_all(deep.into()), Some(0));
    let many = format!(r#"{{"data":[{}{{}}]}}"#, "{},".repeat(1_000_000));
    assert_eq!(read_all(many.into()), Some(500), "a batch has at most 100 records");
}
