//! Fields that are missing, null or malformed.

use serde_json::{Map, Value, json};

use crate::dice::Dice;
use crate::moods::Mood;

/// How many of a hundred fields are spoilt.
const SHARE: u64 = 30;

/// Spoils a person. Its `id` stays, so that it is not taken for nobody's empty profile, and something is always
/// spoilt.
pub(super) fn spoil(person: &mut Value, mood: Mood, mut dice: Dice) {
    let Value::Object(fields) = person else { return };
    let id = fields.remove("id");
    let before = fields.clone();
    spoil_fields(fields, mood, &mut dice);
    if *fields == before {
        spoil_field(fields, "full_name", mood, &mut dice);
    }
    if let Some(id) = id {
        fields.insert("id".into(), id);
    }
}

fn spoil_fields(fields: &mut Map<String, Value>, mood: Mood, dice: &mut Dice) {
    let names: Vec<String> = fields.keys().cloned().collect();
    for name in names {
        let always = mood == Mood::FieldsMalformed && (name.ends_with("_at") || name == "headcount");
        if always || dice.chance(SHARE) {
            spoil_field(fields, &name, mood, dice);
        } else if let Some(value) = fields.get_mut(&name) {
            spoil_below(value, mood, dice);
        }
    }
}

fn spoil_below(value: &mut Value, mood: Mood, dice: &mut Dice) {
    match value {
        Value::Object(fields) => spoil_fields(fields, mood, dice),
        Value::Array(items) => items.iter_mut().for_each(|item| spoil_below(item, mood, dice)),
        _ => {}
    }
}

fn spoil_field(fields: &mut Map<String, Value>, name: &str, mood: Mood, dice: &mut Dice) {
    match mood {
        Mood::FieldsMissing => drop(fields.remove(name)),
        Mood::FieldsNull => drop(fields.insert(name.into(), Value::Null)),
        _ => {
            let wrong = malformed(name, fields.get(name).unwrap_or(&Value::Null), dice);
            fields.insert(name.into(), wrong);
        }
    }
}

/// A value of a kind that nobody expects here.
fn malformed(name: &str, value: &Value, dice: &mut Dice) -> Value {
    if name.ends_with("_at") {
        return dice
            .pick(&["2024-1-0T00:00:00.000Z", "2024-13-45", "0000-00-00", "Present", ""])
            .into();
    }
    match value {
        _ if name == "headcount" => 0.into(),
        Value::String(_) if dice.chance(50) => json!(7),
        Value::String(_) => json!({}),
        Value::Number(_) => "many".into(),
        Value::Array(_) => json!({}),
        Value::Object(_) => json!([]),
        _ => "yes".into(),
    }
}
