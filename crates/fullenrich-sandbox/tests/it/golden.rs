//! Bodies written down from what is known of the provider, and the stored and sent forms that are promises of ours.
//!
//! In these files `"<uuid>"` stands for any UUID and `"<text>"` for any text that is not empty.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lumina_fullenrich_sandbox::{InsufficientAnswer, Latency, Mood, RunningAnswer, SandboxConfig, UnpayableBatch};
use serde_json::Value;

use crate::world::{Answer, BATCH_URL, BULK, CONTACT_URL, World, config, crowd, refs, secs};

pub fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name);
    serde_json::from_slice(&fs::read(&path).unwrap()).unwrap()
}

fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(mark), Value::String(text)) if mark == "<uuid>" => text.parse::<uuid::Uuid>().is_ok(),
        (Value::String(mark), Value::String(text)) if mark == "<text>" => !text.is_empty(),
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(e, a)| matches(e, a))
        }
        (Value::Object(expected), Value::Object(actual)) => {
            expected.len() == actual.len()
                && expected
                    .iter()
                    .all(|(key, value)| actual.get(key).is_some_and(|actual| matches(value, actual)))
        }
        _ => expected == actual,
    }
}

#[track_caller]
fn assert_golden(name: &str, actual: &Value) {
    assert!(
        matches(&golden(name), actual),
        "{name} is not\n{}",
        serde_json::to_string_pretty(actual).unwrap()
    );
}

#[track_caller]
fn assert_answer(name: &str, status: u16, answer: &Answer) {
    assert_eq!(answer.status, status, "{name}");
    assert_golden(name, &answer.json);
}

/// With this seed the address of the documented example is nobody's in the example's form, or that of somebody without
/// gaps.
fn quick() -> SandboxConfig {
    SandboxConfig {
        seed: 20,
        ..config().with_lookup_delay(secs(10))
    }
}

/// Whether a value has the shape: every field a documented one, of its kind, absent or null.
pub fn fits(shape: &Value, actual: &Value) -> Result<(), String> {
    let fits_kind = match (shape, actual) {
        (_, Value::Null) => true,
        (Value::String(kind), _) => match kind.as_str() {
            "string" => actual.is_string(),
            "integer" => actual.is_u64(),
            "bool" => actual.is_boolean(),
            kind => kind == "any" || kind.split('|').any(|choice| actual == choice),
        },
        (Value::Array(shape), Value::Array(items)) => {
            items.iter().try_for_each(|item| fits(&shape[0], item))?;
            true
        }
        (Value::Object(shape), Value::Object(fields)) => {
            for (name, value) in fields {
                let shape = shape.get(name).ok_or_else(|| format!("{name} is not documented"))?;
                fits(shape, value).map_err(|reason| format!("{name}: {reason}"))?;
            }
            true
        }
        _ => false,
    };
    fits_kind
        .then_some(())
        .ok_or_else(|| format!("{actual} is not {shape}"))
}

#[test]
fn every_invented_person_has_documented_fields_only() {
    let mut world = World::new(quick());
    let shape = golden("profile.shape.json");
    let mut seen = BTreeSet::new();
    for batch in 0..10 {
        let id = world.start_for(&refs(&crowd(&format!("r{batch}x"), 100)));
        world.advance(secs(10));
        for record in world.read(&id).json["data"].as_array().unwrap() {
            fits(&shape, &record["profile"]).unwrap_or_else(|reason| panic!("{}: {reason}", record["input"]));
            seen.append(&mut fields_of(&record["profile"]));
        }
    }
    assert_eq!(seen, fields_of(&shape), "and together they have every one");
}

/// The paths of all fields, through objects and the first items of arrays.
pub fn fields_of(value: &Value) -> BTreeSet<String> {
    let children: Vec<(&str, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.as_str(), field)).collect(),
        Value::Array(items) => items.first().map(|item| ("0", item)).into_iter().collect(),
        _ => return BTreeSet::new(),
    };
    let below = |(name, child): (&str, &Value)| {
        let inner = fields_of(child).into_iter().map(move |path| format!("/{path}"));
        inner
            .chain([String::new()])
            .map(|path| format!("{name}{path}"))
            .collect::<Vec<_>>()
    };
    children.into_iter().flat_map(below).collect()
}

#[test]
fn the_account() {
    let mut world = World::new(quick());
    assert_answer("credits.json", 200, &world.get("/api/v2/account/credits"));
    assert_answer("verify.json", 200, &world.get("/api/v2/account/keys/verify"));
    assert_eq!(
        &world.get("/api/v2/account/credits").bytes[..],
        br#"{"balance":5000.0}"#,
        "a double, also on the wire"
    );
}

#[test]
fn a_lookup_that_finds_nobody() {
    let mut world = World::new(SandboxConfig {
        not_found_percent: 100,
        running: RunningAnswer::Status,
        ..quick()
    });
    let answer = world.post(BULK, &golden("start.request.json"));
    assert_answer("start.answer.json", 200, &answer);
    let id = answer.json["enrichment_id"].as_str().unwrap();
    assert_answer("running.json", 200, &world.read(id));
    world.advance(secs(10));
    let read = world.read(id);
    assert_answer("not_found.json", 200, &read);
    assert_golden("not_found.json", &world.arrivals(BATCH_URL)[0].json());
    assert_golden("not_found.contact.json", &world.arrivals(CONTACT_URL)[0].json());
    // The documented example, byte for byte, but for the id.
    let wire = String::from_utf8(read.bytes.to_vec())
        .unwrap()
        .replace(id, "2db5ea61-1752-42cf-8ea1-ab1da060cd0a");
    let key = "test-api-key-not-real";
    assert_eq!(
        lumina_fullenrich_sandbox::sign(key, wire.as_bytes()),
        "de75aeefce050a06364eefc6990ff251fa2d3010"
    );
}

#[test]
fn a_lookup_that_finds_somebody() {
    let mut world = World::new(quick());
    let id = world.start(&golden("start.request.json"));
    world.advance(secs(10));
    assert_answer("found.json", 200, &world.read(&id));
}

#[test]
fn a_running_batch_as_an_error() {
    let mut world = World::new(SandboxConfig {
        running: RunningAnswer::Error,
        ..quick()
    });
    let id = world.start(&golden("start.request.json"));
    assert_answer("running.error.json", 400, &world.read(&id));
}

#[test]
fn a_batch_that_cannot_be_paid_for() {
    let rows = [
        (
            UnpayableBatch::StopsMidway,
            InsufficientAnswer::PaymentRequired,
            402,
            "insufficient.empty.json",
        ),
        (
            UnpayableBatch::StopsMidwayWithBlanks,
            InsufficientAnswer::Ok,
            200,
            "insufficient.blank.json",
        ),
    ];
    for (unpayable, insufficient, status, file) in rows {
        let mut world = World::new(SandboxConfig {
            credits: 0,
            unpayable,
            insufficient,
            ..quick()
        });
        let id = world.start(&golden("start.request.json"));
        world.advance(secs(10));
        assert_answer(file, status, &world.read(&id));
    }
}

#[test]
fn an_error_body() {
    let mut world = World::new(quick());
    let answer = world.read("2db5ea61-1752-42cf-8ea1-ab1da060cd0a");
    assert_answer("error.json", 404, &answer);
}

#[test]
fn the_ledger_page() {
    let mut world = World::new(quick());
    world.start(&golden("start.request.json"));
    world.advance(secs(10));
    assert_answer("ledger.json", 200, &world.get("/sandbox/ledger"));
    let summary = world.get("/sandbox/ledger?summary=true");
    let mut totals = golden("ledger.json");
    for list in ["addresses", "batches", "chargedTwice", "deliveries", "callsPerMinute"] {
        totals.as_object_mut().unwrap().remove(list);
    }
    assert_eq!((summary.status, summary.json), (200, totals));
}

#[test]
fn the_ledger_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let mut world = World::on(quick(), Some(path.clone()));
    world.start(&golden("start.request.json"));
    world.advance(secs(10));
    world.sandbox().add_credits(5).unwrap();
    let lines: Value = fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .collect();
    assert_golden("ledger.lines.json", &lines);
}

/// What the first version wrote is read, and gone on with.
#[test]
fn a_ledger_file_of_the_first_version() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.jsonl");
    let id = "2db5ea61-1752-42cf-8ea1-ab1da060cd0a";
    let lines = golden("ledger.lines.first.json");
    let lines = lines.as_array().unwrap().iter().map(|line| format!("{line}\n"));
    fs::write(&path, lines.collect::<String>().replace("<uuid>", id)).unwrap();
    let mut world = World::on(quick(), Some(path));
    assert_golden("found.json", &world.read(id).json);
    let line = world.batch_line(0);
    assert_eq!((line.reached_by, line.credits), (vec!["read", "contact", "final"], 1));
    assert!(
        world
            .sandbox()
            .report()
            .deliveries
            .iter()
            .all(|line| line.sha256.is_none())
    );
    let again = world.start(&golden("start.request.json"));
    world.advance(secs(10));
    assert_eq!(world.read(&again).json["cost"]["credits"], 0, "a repeat is free");
}

#[test]
fn the_configuration() {
    let written = r#"
        api_key = "k"
        seed = 7
        lookup_min = "200ms"
        lookup_max = "1m 30s"
        running = "status_and_data"
        unpayable = "fails_whole"
        insufficient = "ok"
        answer_max = "3s"
        lookup_latency = "long_tailed"
        [moods]
        error_after = 5
        callback_forged = 0.5
        invalid_addresses = true
        refused_addresses = ["a@readers.example"]
        next = { answer_lost = 2 }
    "#;
    let read: SandboxConfig = toml::from_str(written).unwrap();
    assert_eq!(
        (read.seed, read.lookup_min.as_millis(), read.lookup_max, read.credits),
        (7, 200, secs(90), 5000)
    );
    assert_eq!(
        (read.answer_max, read.lookup_latency, read.moods.refused_addresses.len()),
        (secs(3), Latency::LongTailed, 1)
    );
    let percent = |mood| f64::from(read.moods.of(mood));
    assert_eq!(
        [Mood::ErrorAfter, Mood::CallbackForged, Mood::ResetAfter].map(percent),
        [5.0, 0.5, 0.0]
    );
    assert_eq!(
        (read.moods.invalid_addresses, read.moods.next[&Mood::AnswerLost]),
        (true, 2)
    );
    let again = toml::to_string(&read).unwrap();
    assert!(
        again.contains("lookup_max = \"1m 30s\"") && !again.contains("api_key"),
        "{again}"
    );
    assert!(
        toml::from_str::<SandboxConfig>("lookup_mim = \"1s\"")
            .unwrap_err()
            .to_string()
            .contains("lookup_min")
    );
    for (wrong, words) in [
        ("[moods]\nreset_afther = 1", "reset_after"),
        ("[moods]\nreset_after = 101", "0 to 100"),
        ("[moods]\nreset_after = \"often\"", "often"),
    ] {
        let error = toml::from_str::<SandboxConfig>(wrong).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    for (change, words) in [
        ("not_found_percent = 101", "0 to 100"),
        ("lookup_min = \"2m\"", "longer"),
        ("answer_min = \"2m\"", "`answer_min`"),
        ("read_min = \"2m\"", "`read_min`"),
        ("api_key = \"\"", "empty"),
        ("moods.next.invalid_addresses = 1", "a switch"),
    ] {
        let wrong: SandboxConfig = toml::from_str(change).unwrap();
        assert!(wrong.check().unwrap_err().to_string().contains(words), "{change}");
    }
}
