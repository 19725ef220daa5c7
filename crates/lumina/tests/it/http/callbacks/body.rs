//! Bodies: the genuine one, damaged in every way that keeps some of it, and anything else.

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// How a body comes about.
#[derive(Debug, Clone)]
pub enum Written {
    /// The provider's final answer as it is.
    Genuine,
    /// The same with damage, one after the other.
    Damaged(Vec<Damage>),
    /// Any JSON.
    Json(Value),
    /// Any bytes.
    Bytes(Vec<u8>),
}

/// What is wrong with a body. Places are counted modulo how many there are.
#[derive(Debug, Clone)]
pub enum Damage {
    /// Something is missing.
    Remove(Index),
    /// Something is something else: null, of another type, or nested deeply.
    Put(Index, Value),
    /// A list has one of its items twice.
    Double(Index, Index),
    /// The records come in another order.
    Turn(Index),
    /// A record of nobody's job.
    Stranger(u128),
    /// Another status.
    Status(&'static str),
    /// Another batch's id.
    Id(&'static str),
    /// A record is about another person.
    Person(Index, String),
    /// Two records have each other's person.
    Swap(Index, Index),
    /// No record at all.
    NoData,
    /// Each record is there twice, once without its person.
    TwiceOnceEmpty { first: bool },
    /// Every number of this name is this one, which need not be one that JSON's readers can hold.
    Number { key: &'static str, text: &'static str },
    /// The text breaks off.
    Cut(Index),
    /// A byte is another one.
    Byte(Index, u8),
    /// Bytes are put in.
    Insert(Index, Vec<u8>),
    /// A member of the outermost object is there twice.
    Twice(&'static str),
}

impl Damage {
    /// Whether a strict reader can no longer be asked what the body says.
    fn is_to_the_text(&self) -> bool {
        use Damage::{Byte, Cut, Insert, Number, Twice};
        matches!(self, Cut(..) | Byte(..) | Insert(..) | Twice(..) | Number { .. })
    }
}

/// A body, and whether a strict reader is right about it.
pub struct Body {
    pub bytes: Vec<u8>,
    pub is_clear: bool,
}

impl Written {
    /// The body, made from the genuine one.
    pub fn write(&self, genuine: &Value) -> Body {
        let clear = |value: &Value| Body {
            bytes: value.to_string().into_bytes(),
            is_clear: true,
        };
        match self {
            Self::Genuine => clear(genuine),
            Self::Json(value) => clear(value),
            Self::Bytes(bytes) => Body {
                bytes: bytes.clone(),
                is_clear: false,
            },
            Self::Damaged(damages) => damage(genuine, damages),
        }
    }
}

fn damage(genuine: &Value, damages: &[Damage]) -> Body {
    let (mut value, mut text) = (genuine.clone(), None);
    for damage in damages {
        match damage.is_to_the_text() {
            true => spoil(text.get_or_insert_with(|| value.to_string().into_bytes()), damage),
            // What no longer is a value cannot be changed as one.
            false if text.is_some() => {}
            false => change(&mut value, damage),
        }
    }
    Body {
        is_clear: text.is_none(),
        bytes: text.unwrap_or_else(|| value.to_string().into_bytes()),
    }
}

fn change(body: &mut Value, damage: &Damage) {
    match damage {
        Damage::Remove(at) => remove(body, at),
        Damage::Put(at, new) => *pick(body, at, |_| true).expect("it is one itself") = new.clone(),
        Damage::Double(list, item) => double(body, list, item),
        Damage::Status(word) => set(body, "status", json!(word)),
        Damage::Id(id) => set(body, "id", json!(id)),
        Damage::NoData => set(body, "data", json!([])),
        other => {
            if let Some(records) = body.get_mut("data").and_then(Value::as_array_mut) {
                change_records(records, other);
            }
        }
    }
}

fn change_records(records: &mut Vec<Value>, damage: &Damage) {
    let count = records.len();
    match damage {
        Damage::Stranger(job) => {
            let job = Uuid::from_u128(*job).to_string();
            records.insert(
                0,
                json!({"custom": {"lumina_job": job}, "profile": {"full_name": "A Stranger"}}),
            );
        }
        Damage::TwiceOnceEmpty { first } => twice_once_empty(records, *first),
        _ if records.is_empty() => {}
        Damage::Turn(by) => records.rotate_left(by.index(count)),
        Damage::Person(index, name) => {
            set(&mut records[index.index(count)], "profile", json!({"full_name": name}));
        }
        Damage::Swap(one, other) => swap(records, one.index(count), other.index(count)),
        _ => unreachable!("the others are not about records"),
    }
}

fn swap(records: &mut [Value], one: usize, other: usize) {
    let person = |record: &Value| record.get("profile").cloned().unwrap_or(Value::Null);
    let (first, second) = (person(&records[one]), person(&records[other]));
    set(&mut records[one], "profile", second);
    set(&mut records[other], "profile", first);
}

fn twice_once_empty(records: &mut Vec<Value>, first: bool) {
    let mut empty = records.clone();
    empty.iter_mut().for_each(|record| set(record, "profile", Value::Null));
    match first {
        true => records.splice(0..0, empty),
        false => records.splice(records.len().., empty),
    };
}

fn spoil(text: &mut Vec<u8>, damage: &Damage) {
    match damage {
        Damage::Cut(at) => text.truncate(at.index(text.len().max(1))),
        Damage::Byte(at, byte) if !text.is_empty() => {
            let at = at.index(text.len());
            text[at] = *byte;
        }
        Damage::Insert(at, bytes) => {
            let at = at.index(text.len() + 1);
            text.splice(at..at, bytes.iter().copied());
        }
        Damage::Twice(member) if text.first() == Some(&b'{') => {
            text.splice(1..1, format!("{member},").into_bytes());
        }
        Damage::Number { key, text: number } => {
            let whole = String::from_utf8_lossy(text).into_owned();
            *text = replace_numbers(&whole, key, number).into_bytes();
        }
        _ => {}
    }
}

/// Every `"key":123` with another number.
fn replace_numbers(text: &str, key: &str, number: &str) -> String {
    let name = format!("\"{key}\":");
    let mut parts = text.split(&name);
    let mut replaced = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        replaced += &format!("{name}{number}{rest}");
    }
    replaced
}

/// One of the values in it, itself among them, that are of this kind.
fn pick<'v>(value: &'v mut Value, at: &Index, is_meant: fn(&Value) -> bool) -> Option<&'v mut Value> {
    let mut paths = Vec::new();
    list_paths(value, String::new(), &mut paths);
    paths.retain(|path| value.pointer(path).is_some_and(is_meant));
    if paths.is_empty() {
        return None;
    }
    value.pointer_mut(&paths[at.index(paths.len())])
}

fn list_paths(value: &Value, path: String, paths: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            let below = items.iter().enumerate();
            below.for_each(|(at, item)| list_paths(item, format!("{path}/{at}"), paths));
        }
        Value::Object(members) => {
            let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
            let below = members.iter();
            below.for_each(|(key, item)| list_paths(item, format!("{path}/{}", escaped(key)), paths));
        }
        _ => {}
    }
    paths.push(path);
}

fn holds_something(value: &Value) -> bool {
    value.as_object().is_some_and(|members| !members.is_empty()) || is_full_list(value)
}

fn is_full_list(value: &Value) -> bool {
    value.as_array().is_some_and(|items| !items.is_empty())
}

fn remove(body: &mut Value, at: &Index) {
    match pick(body, at, holds_something) {
        Some(Value::Object(members)) => {
            let key = members.keys().nth(at.index(members.len())).cloned();
            members.remove(&key.expect("it is one of them"));
        }
        Some(Value::Array(items)) => drop(items.remove(at.index(items.len()))),
        _ => {}
    }
}

fn double(body: &mut Value, list: &Index, item: &Index) {
    if let Some(Value::Array(items)) = pick(body, list, is_full_list) {
        items.push(items[item.index(items.len())].clone());
    }
}

fn set(value: &mut Value, key: &str, new: Value) {
    if let Value::Object(members) = value {
        members.insert(key.to_owned(), new);
    }
}

/// Any JSON whose objects have members that mean something.
pub fn any_json() -> impl Strategy<Value = Value> {
    const KEYS: [&str; 14] = [
        "id",
        "status",
        "cost",
        "credits",
        "data",
        "input",
        "email",
        "custom",
        "profile",
        "full_name",
        "lumina_run",
        "lumina_job",
        "lumina_attempt",
        "employment",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "FINISHED",
            "CANCELED",
            "2024-1-0T00:00:00.000Z",
            "51-200",
            "a-batch",
            ""
        ])
        .prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let member = (prop::sample::select(KEYS.to_vec()), inner.clone());
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::from),
            prop::collection::vec(member, 0..6).prop_map(|members| {
                let named = members.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::from(named.collect::<Map<_, _>>())
            }),
        ]
    })
}

fn wrong_values() -> impl Strategy<Value = Value> {
    let nested = (1_usize..200).prop_map(|depth| (0..depth).fold(Value::Null, |value, _| json!([value])));
    prop_oneof![
        3 => Just(Value::Null),
        1 => nested,
        4 => any_json(),
    ]
}

/// Up to three kinds of damage.
pub fn damages() -> impl Strategy<Value = Vec<Damage>> {
    const STATUSES: [&str; 10] = [
        "CREATED",
        "IN_PROGRESS",
        "CANCELED",
        "cancelled",
        "CREDITS_INSUFFICIENT",
        "RATE_LIMIT",
        "UNKNOWN",
        " finished ",
        "DONE",
        "",
    ];
    const IDS: [&str; 4] = ["another-batch", "0b5cb2d0-0b3f-44d6-9b4f-0d8b0a3a5f0e", "a b", ""];
    const TWICE: [&str; 4] = [
        "\"id\":\"another-batch\"",
        "\"status\":\"CANCELED\"",
        "\"data\":[]",
        "\"cost\":null",
    ];
    const NUMBERS: [&str; 5] = ["18446744073709551615", "9223372036854775808", "-1", "1e999", "0.5"];
    let index = any::<Index>;
    let number = (
        prop::sample::select(vec!["credits", "headcount", "year_founded"]),
        prop::sample::select(NUMBERS.to_vec()),
    );
    let one = prop_oneof![
        4 => index().prop_map(Damage::Remove),
        4 => (index(), wrong_values()).prop_map(|(at, new)| Damage::Put(at, new)),
        2 => (index(), index()).prop_map(|(list, item)| Damage::Double(list, item)),
        1 => index().prop_map(Damage::Turn),
        2 => any::<u128>().prop_map(Damage::Stranger),
        3 => prop::sample::select(STATUSES.to_vec()).prop_map(Damage::Status),
        2 => prop::sample::select(IDS.to_vec()).prop_map(Damage::Id),
        2 => (index(), "[A-Z][a-z]{2,8}").prop_map(|(at, name)| Damage::Person(at, name)),
        1 => (index(), index()).prop_map(|(one, other)| Damage::Swap(one, other)),
        1 => Just(Damage::NoData),
        1 => any::<bool>().prop_map(|first| Damage::TwiceOnceEmpty { first }),
        2 => number.prop_map(|(key, text)| Damage::Number { key, text }),
        1 => index().prop_map(Damage::Cut),
        2 => (index(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        2 => (index(), prop::collection::vec(any::<u8>(), 1..4)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => prop::sample::select(TWICE.to_vec()).prop_map(Damage::Twice),
    ];
    prop::collection::vec(one, 1..4)
}
