//! Moods of records and their fields.

use lumina_fullenrich_sandbox::{Mood, Moods};
use serde_json::Value;

use super::{moody, with};
use crate::world::{BATCH_URL, CONTACT_URL, World, crowd, refs, secs};

/// A world in which a crowd was looked up, and the answer.
fn looked_up(mood: Mood) -> (World, Value) {
    let mut world = moody([mood]);
    let id = world.start_for(&refs(&crowd("r", 40)));
    world.advance(secs(10));
    let answer = world.read(&id);
    assert_eq!(
        world.arrivals(BATCH_URL)[0].body,
        answer.bytes,
        "a GET tells what the callback told"
    );
    (world, answer.json)
}

fn plain() -> Value {
    let mut world = with(Moods::default());
    let id = world.start_for(&refs(&crowd("r", 40)));
    world.advance(secs(10));
    world.read(&id).json
}

fn profile_of<'a>(answer: &'a Value, email: &str) -> Option<&'a Value> {
    let of = |record: &&Value| record["input"]["email"] == email;
    answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .find(of)
        .map(|record| &record["profile"])
}

/// The paths of all fields, and what is there.
fn leaves(value: &Value, path: &str, into: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            into.push((path.to_owned(), Value::String("an object".into())));
            fields
                .iter()
                .for_each(|(name, field)| leaves(field, &format!("{path}/{name}"), into));
        }
        Value::Array(items) => {
            into.push((path.to_owned(), Value::String("an array".into())));
            items
                .iter()
                .enumerate()
                .for_each(|(n, item)| leaves(item, &format!("{path}/{n}"), into));
        }
        other => into.push((path.to_owned(), other.clone())),
    }
}

fn all_leaves(value: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    leaves(value, "", &mut all);
    all
}

#[test]
fn fields_go_missing_are_null_or_malformed() {
    let plain = plain();
    for mood in [Mood::FieldsMissing, Mood::FieldsNull, Mood::FieldsMalformed] {
        let (mut world, answer) = looked_up(mood);
        let mut differ = 0;
        for email in crowd("r", 40) {
            let whole = profile_of(&plain, &email).unwrap();
            let Some(spoilt) = profile_of(&answer, &email) else {
                assert_eq!(mood, Mood::FieldsMissing, "only then the input may be missing");
                continue;
            };
            assert_eq!(spoilt["id"], whole["id"], "it is somebody all the same");
            assert_ne!(spoilt, whole);
            differ += 1;
            let (before, after) = (all_leaves(whole), all_leaves(spoilt));
            match mood {
                Mood::FieldsMissing => assert!(after.iter().all(|leaf| before.contains(leaf))),
                Mood::FieldsNull => {
                    let new = |leaf: &&(String, Value)| !before.contains(leaf);
                    assert!(after.iter().filter(new).all(|(_, value)| value.is_null()));
                }
                _ => {
                    let headcounts = after.iter().filter(|(path, _)| path.ends_with("/headcount"));
                    assert!(headcounts.into_iter().all(|(_, value)| *value == 0));
                    let dates = after.iter().filter(|(path, _)| path.ends_with("_at"));
                    assert!(dates.into_iter().all(|date| !before.contains(date)));
                }
            }
        }
        assert!(differ > 20, "{differ}");
        assert_eq!(world.occurred(mood), 40);
        assert_eq!(world.totals().charges, 40);
        assert_eq!(world.arrivals(CONTACT_URL).len(), 40);
    }
}

#[test]
fn the_report_says_what_was_told_of_whom() {
    for mood in [Mood::FieldsMissing, Mood::FieldsNull, Mood::FieldsMalformed] {
        let (world, answer) = looked_up(mood);
        let told = world.batch_line(0).told;
        assert_eq!(told.len(), 40);
        let (mut named, mut linked) = (0, 0);
        for line in told {
            let Some(profile) = profile_of(&answer, &line.email) else {
                continue;
            };
            let url = profile.pointer("/social_profiles/professional_network/url");
            assert_eq!(line.full_name.as_deref(), profile["full_name"].as_str());
            assert_eq!(line.linkedin_url.as_deref(), url.and_then(Value::as_str));
            named += u32::from(line.full_name.is_some());
            linked += u32::from(line.linkedin_url.is_some());
            assert!(!line.left_out);
        }
        assert!(
            (5..40).contains(&named) && (2..40).contains(&linked),
            "{mood}: {named} {linked}"
        );
    }
}

#[test]
fn a_record_is_left_out_and_charged_all_the_same() {
    let (mut world, answer) = looked_up(Mood::RecordsMissing);
    assert_eq!(
        (answer["status"].as_str(), answer["data"].as_array().unwrap().len()),
        (Some("FINISHED"), 39)
    );
    assert_eq!(answer["cost"]["credits"], 40);
    let told = world.batch_line(0).told;
    let left_out: Vec<&str> = told
        .iter()
        .filter(|line| line.left_out)
        .map(|line| line.email.as_str())
        .collect();
    assert_eq!(left_out.len(), 1);
    assert_eq!(profile_of(&answer, left_out[0]), None);
    assert_eq!(world.arrivals(CONTACT_URL).len(), 40, "its own event told it");
    assert_eq!(world.occurred(Mood::RecordsMissing), 1);
}

#[test]
fn a_record_comes_that_nobody_asked_for() {
    let (mut world, answer) = looked_up(Mood::RecordsUnknown);
    assert_eq!(answer["data"].as_array().unwrap().len(), 41);
    let stranger = profile_of(&answer, "nobody-asked-for@unknown.example").unwrap();
    assert_eq!(stranger["full_name"], "Unknown");
    assert_eq!(world.totals().charges, 40);
    assert_eq!(world.account("nobody-asked-for@unknown.example"), (0, 0));
    assert_eq!(world.occurred(Mood::RecordsUnknown), 1);
}
