//! What is answered.

use std::collections::BTreeSet;

use lumina_fullenrich_sandbox::{InsufficientAnswer, Mood, Moods, RunningAnswer, SandboxConfig, UnpayableBatch};
use serde_json::{Value, json};

use super::{looked_up, moody, records};
use crate::golden::{fields_of, fits, golden};
use crate::world::{World, batch, config, crowd, refs, secs};

/// The profiles of a crowd.
fn people() -> Vec<Value> {
    let (_, answer) = looked_up(config(), 100);
    records(&answer)
        .iter()
        .map(|record| record["profile"].clone())
        .collect()
}

/// Every value of these people that has this name, however deep.
fn all_called<'a>(name: &str, value: &'a Value, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(field, value)| {
            found.extend((field == name).then_some(value));
            all_called(name, value, found);
        }),
        Value::Array(items) => items.iter().for_each(|item| all_called(name, item, found)),
        _ => {}
    }
}

fn called<'a>(name: &str, people: &'a [Value]) -> Vec<&'a Value> {
    let mut found = Vec::new();
    people.iter().for_each(|person| all_called(name, person, &mut found));
    found
}

fn shape(pointer: &str) -> Value {
    golden("profile.shape.json").pointer(pointer).unwrap().clone()
}

/// All of these have the documented fields and no others, and together they have every one.
fn assert_shaped(shape: &Value, values: &[&Value]) {
    let mut seen = BTreeSet::new();
    for value in values {
        fits(shape, value).unwrap_or_else(|reason| panic!("{reason}: {value}"));
        seen.append(&mut fields_of(value));
    }
    assert_eq!(seen, fields_of(shape));
}

fn text_set(values: &[&Value]) -> BTreeSet<String> {
    values
        .iter()
        .filter_map(|value| value.as_str())
        .map(str::to_owned)
        .collect()
}

/// Whether a field is absent, or has this value, in an object that is there.
fn is_field_so(profile: &Value, path: &str, value: Option<&Value>) -> bool {
    let path = format!("/{path}");
    let (parent, name) = path.rsplit_once('/').unwrap();
    let parent = profile.pointer(parent).and_then(Value::as_object);
    parent.is_some_and(|parent| parent.get(name) == value)
}

facts! {
    /// id            uuid, the enrichment_id
    /// name          string
    fn the_envelope() {
        let mut world = World::new(config());
        let id = world.start_for(&["a@readers.example"]);
        for _ in 0..2 {
            let answer = world.read(&id).json;
            assert_eq!((&answer["id"], &answer["name"]), (&json!(id), &json!("a batch")));
            id.parse::<uuid::Uuid>().unwrap();
            world.advance(secs(90));
        }
    }

    /// status        CREATED | IN_PROGRESS | FINISHED | CANCELED | CREDITS_INSUFFICIENT | RATE_LIMIT | UNKNOWN   (the last two undefined anywhere)
    fn every_status() {
        let mut seen = BTreeSet::new();
        let mut look = |world: &mut World, id: &str| {
            seen.insert(world.read(id).json["status"].as_str().unwrap().to_owned());
        };
        let mut world = World::new(config());
        world.start_for(&refs(&crowd("r", 100)));
        let waits = world.start_for(&["waits@readers.example"]);
        for _ in 0..3 {
            look(&mut world, &waits);
            world.advance(secs(100));
        }
        for mood in [Mood::Canceled, Mood::InsufficientMidway] {
            let mut world = moody([mood]);
            let id = world.start_for(&["a@readers.example"]);
            world.advance(secs(90));
            look(&mut world, &id);
        }
        let mut world = moody([Mood::StatusUnknown]);
        for _ in 0..10 {
            let id = world.start_for(&["a@readers.example"]);
            look(&mut world, &id);
        }
        let all = "CANCELED CREATED CREDITS_INSUFFICIENT FINISHED IN_PROGRESS RATE_LIMIT UNKNOWN";
        assert_eq!(seen.into_iter().collect::<Vec<_>>().join(" "), all);
    }

    /// cost.credits  integer, for the batch so far
    fn the_cost_so_far() {
        let mut world = World::new(config());
        let id = world.start_for(&refs(&crowd("r", 50)));
        let mut costs = Vec::new();
        for _ in 0..4 {
            costs.push(world.read(&id).json["cost"]["credits"].as_u64().unwrap());
            world.advance(secs(30));
        }
        assert!(costs.is_sorted() && costs[0] == 0 && (1..50).contains(&costs[2]) && costs[3] == 50, "{costs:?}");
    }

    /// data[]        input.email · custom (as sent) · profile (Person)
    fn a_record() {
        let mut body = batch(&["Sarah.Dev@Readers.example"]);
        body["data"][0]["custom"] = json!({"job": "7"});
        let mut world = World::new(config());
        let id = world.start(&body);
        world.advance(secs(90));
        let answer = world.read(&id).json;
        let record = records(&answer)[0].as_object().unwrap();
        assert_eq!(record.keys().collect::<Vec<_>>(), ["custom", "input", "profile"]);
        assert_eq!(record["input"], json!({"email": "Sarah.Dev@Readers.example"}));
        assert_eq!(record["custom"], json!({"job": "7"}));
        assert!(record["profile"].is_object());
    }

    /// Person        id full_name first_name last_name headline description? location{country country_code city region}
    /// social_profiles.professional_network{id url handle connection_count}   <- the LinkedIn profile: url
    /// educations[] languages[] skills[] employment.current (Employment) employment.all[]
    fn a_person() {
        let people = people();
        assert_shaped(&golden("profile.shape.json"), &people.iter().collect::<Vec<_>>());
        let url = |person: &&Value| person.pointer("/social_profiles/professional_network/url").cloned();
        let urls: Vec<Value> = people.iter().filter_map(|person| url(&person)).collect();
        assert!(urls.len() > 50);
        let linkedin = |url: &Value| url.as_str().is_some_and(|url| url.starts_with("https://www.linkedin.com/in/"));
        assert!(urls.iter().all(linkedin), "{urls:?}");
    }

    /// Employment    title seniority is_current job_functions[]{function sub_function} description? start_at end_at company
    fn an_employment() {
        let people = people();
        let all = called("all", &people);
        let employments: Vec<&Value> = all.iter().flat_map(|all| all.as_array().unwrap()).collect();
        assert_shaped(&shape("/employment/all/0"), &employments);
    }

    /// Company       id name domain website? description year_founded headcount (0 = unknown)
    /// headcount_range '1-10'|'11-50'|'51-200'|'201-500'|'501-1000'|'1001-5000'|'5001-10000'|'10001+'
    /// company_type specialties[] locations{headquarters{city region country country_code ...} offices[]|null}
    /// industry.main_industry social_profiles.professional_network{url ...} logo_url
    fn a_company() {
        let people = people();
        let companies = called("company", &people);
        assert_shaped(&shape("/employment/all/0/company"), &companies);
        let ranges = text_set(&called("headcount_range", &people));
        let documented = ["1-10", "11-50", "51-200", "201-500", "501-1000", "1001-5000", "5001-10000", "10001+"];
        assert_eq!(ranges, documented.map(str::to_owned).into());
        let unknown = |company: &&&Value| company["headcount"] == 0;
        assert!(companies.iter().any(|company| unknown(&company)));
    }

    /// - No response field is guaranteed; any may be absent or null [o,c].
    fn any_field_may_be_absent_or_null() {
        let is_field = |path: &String| path != "id" && !path.ends_with("/0");
        let all: BTreeSet<String> = fields_of(&golden("profile.shape.json")).into_iter().filter(is_field).collect();
        for (mood, sign) in [(Mood::FieldsMissing, None), (Mood::FieldsNull, Some(&Value::Null))] {
            let mut seen = BTreeSet::new();
            for seed in 0..6 {
                let settings = SandboxConfig { seed, moods: Moods::always([mood]), ..config() };
                let (_, answer) = looked_up(settings, 100);
                for record in records(&answer) {
                    let is_so = |path: &&String| is_field_so(&record["profile"], path, sign);
                    seen.extend(all.iter().filter(is_so).cloned());
                }
            }
            assert_eq!(seen, all, "{mood}");
        }
    }

    /// Dates are sometimes malformed (`2024-1-0T00:00:00.000Z`) [o]: never fail on one.
    fn some_dates_are_none() {
        let people = people();
        let dates = text_set(&called("start_at", &people));
        let malformed = dates.iter().filter(|date| date.ends_with("-0T00:00:00.000Z")).count();
        assert!(malformed > 0 && malformed < dates.len() / 3, "{dates:?}");
    }

    /// - `employment.current` may hold only `is_current`; then `employment.all[0]` is fuller [o].
    fn the_present_employment_may_say_nothing() {
        let people = people();
        let bare = |employment: &&Value| employment["current"] == json!({"is_current": true});
        let employments: Vec<&Value> = called("employment", &people);
        let bare: Vec<&&Value> = employments.iter().filter(|employment| bare(employment)).collect();
        assert!(!bare.is_empty());
        assert!(bare.iter().all(|employment| employment["all"][0]["title"].is_string()));
    }

    /// - `headcount` can be 0 while `headcount_range` is given: use the range.
    fn a_headcount_of_nought_with_a_range() {
        let people = people();
        let companies = called("company", &people);
        let odd = |company: &&&Value| company["headcount"] == 0 && company["headcount_range"].is_string();
        assert!(companies.iter().any(|company| odd(&company)));
        assert!(companies.iter().any(|company| company["headcount"].as_u64() > Some(0)));
    }

    /// - **Not found**: the record is there with `input` and `custom`; `profile` is absent, null or `{}` [c].
    fn nobody() {
        let mut body = batch(&refs(&crowd("r", 30)));
        for contact in body["data"].as_array_mut().unwrap() {
            contact["custom"] = json!({"k": "v"});
        }
        let mut world = World::new(SandboxConfig { not_found_percent: 100, ..config() });
        let id = world.start(&body);
        world.advance(secs(90));
        let answer = world.read(&id).json;
        let mut forms = BTreeSet::new();
        for record in records(&answer) {
            assert!(record["input"]["email"].is_string() && record["custom"] == json!({"k": "v"}));
            forms.insert(record.get("profile").map(Value::to_string));
        }
        assert_eq!(forms, [None, Some("null".into()), Some("{}".into())].into());
    }

    /// - `data[]` is not promised to be in input order: match by `custom`, then by `input.email` (case-insensitive).
    fn an_order_of_its_own() {
        let (_, answer) = looked_up(config(), 20);
        let order: Vec<&str> = records(&answer)
            .iter()
            .map(|record| record["input"]["email"].as_str().unwrap())
            .collect();
        let asked = crowd("r", 20);
        assert_ne!(order, refs(&asked));
        assert_eq!(BTreeSet::from_iter(order), BTreeSet::from_iter(refs(&asked)));
        let mut world = World::new(config());
        let upper = world.start_for(&["SARAH@READERS.EXAMPLE"]);
        world.advance(secs(90));
        let lower = world.start_for(&["sarah@readers.example"]);
        world.advance(secs(90));
        let profile = |world: &mut World, id: &str| world.read(id).json["data"][0]["profile"].clone();
        assert_eq!(profile(&mut world, &upper), profile(&mut world, &lower), "it is one address");
    }

    /// - **Running** on GET: 200 with another status and perhaps no `data` [c], or 400 `error.enrichment.in_progress` [o]. Accept both.
    fn a_running_batch() {
        let read = |running, moods: Moods| {
            let mut world = World::new(SandboxConfig { running, moods, ..config() });
            let id = world.start_for(&["a@readers.example"]);
            world.read(&id)
        };
        for (running, data) in [(RunningAnswer::Status, false), (RunningAnswer::StatusAndData, true)] {
            let answer = read(running, Moods::default());
            assert_eq!((answer.status, answer.json["status"].as_str()), (200, Some("IN_PROGRESS")));
            assert_eq!(answer.json.get("data").is_some(), data);
        }
        for answer in [
            read(RunningAnswer::Error, Moods::default()),
            read(RunningAnswer::Status, Moods::always([Mood::InProgressError])),
        ] {
            assert_eq!((answer.status, answer.json["code"].as_str()), (400, Some("error.enrichment.in_progress")));
        }
    }

    /// - **CREDITS_INSUFFICIENT**: on GET as 402 *with the result body*, or as 200.
    fn short_of_credits() {
        for (insufficient, status) in [(InsufficientAnswer::PaymentRequired, 402), (InsufficientAnswer::Ok, 200)] {
            let mut world = World::new(SandboxConfig { insufficient, credits: 3, ..config() });
            let id = world.start_for(&refs(&crowd("r", 5)));
            world.advance(secs(90));
            let answer = world.read(&id);
            assert_eq!((answer.status, &answer.json["id"]), (status, &json!(id)));
            assert_eq!(answer.json["status"], "CREDITS_INSUFFICIENT");
        }
    }

    /// `data` may be partial or empty: a record without profile there means "not looked at", not "not found".
    fn data_short_of_credits() {
        let data = |unpayable, credits| {
            let mut world = World::new(SandboxConfig { unpayable, credits, ..config() });
            let id = world.start_for(&refs(&crowd("r", 5)));
            world.advance(secs(90));
            let answer = world.read(&id).json;
            let profiles = records(&answer).iter().filter(|record| record["profile"].is_object()).count();
            (records(&answer).len(), profiles, world.totals().lookups)
        };
        assert_eq!(data(UnpayableBatch::StopsMidway, 3), (3, 3, 3));
        assert_eq!(data(UnpayableBatch::StopsMidwayWithBlanks, 3), (5, 3, 3), "two were not looked at");
        assert_eq!(data(UnpayableBatch::StopsMidway, 0), (0, 0, 0));
        assert_eq!(data(UnpayableBatch::FailsWhole, 3), (0, 0, 0));
    }

    /// - CANCELED: data unknown, treat like the former.
    fn a_canceled_batch() {
        let settings = SandboxConfig { moods: Moods::always([Mood::Canceled]), ..config() };
        let (world, answer) = looked_up(settings, 5);
        assert_eq!(answer["status"], "CANCELED");
        let lookups = world.totals().lookups;
        let profiles = records(&answer).iter().filter(|record| record["profile"].is_object()).count();
        assert!((1..5).contains(&lookups) && profiles as u64 == lookups, "{answer}");
    }
}
