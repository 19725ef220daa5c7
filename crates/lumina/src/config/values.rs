//! What the sections read from.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value;

use super::layers::Entries;
use super::read::FromValue;
use super::{Key, Origin, Problem, Setting, Shown, keys, settings, shown};

/// The longest duration that a setting takes: ten years. What is longer is a slip, and would not fit a date.
const MAX_DURATION: Duration = Duration::from_secs(3650 * 24 * 3600);

/// The values in force. A wrong one is noted as a problem and read as its default, so that one pass finds them all.
pub(super) struct Values {
    entries: Entries,
    problems: Vec<Problem>,
    derived: BTreeMap<String, Value>,
}

impl Values {
    pub(super) fn new(entries: Entries, problems: Vec<Problem>) -> Self {
        Self {
            entries,
            problems,
            derived: BTreeMap::new(),
        }
    }

    /// A setting that may be unset.
    pub(super) fn optional<T: FromValue>(&mut self, path: &str) -> Option<T> {
        let read = T::from_value(&self.entries.get(path)?.value);
        read.map_err(|why| self.refuse(path, why)).ok()
    }

    /// A setting with a default.
    pub(super) fn get<T: FromValue>(&mut self, path: &str) -> T {
        self.optional(path).unwrap_or_else(|| default_of(path))
    }

    /// A duration within its limits.
    pub(super) fn duration(&mut self, path: &str, at_least: Duration) -> Duration {
        let given = self.get(path);
        let limit = if given < at_least {
            format!("write at least {}", in_words(at_least))
        } else if given > MAX_DURATION {
            format!("write at most {}", in_words(MAX_DURATION))
        } else {
            return given;
        };
        self.refuse(path, limit);
        default_of(path)
    }

    /// A number within its limits, which begin at 1 or higher.
    pub(super) fn count(&mut self, path: &str, limits: RangeInclusive<u32>) -> NonZeroU32 {
        let given: u32 = self.get(path);
        if limits.contains(&given)
            && let Some(count) = NonZeroU32::new(given)
        {
            return count;
        }
        self.refuse(
            path,
            format!("write a whole number from {} to {}", limits.start(), limits.end()),
        );
        NonZeroU32::new(default_of(path)).expect("a default is within its limits")
    }

    /// Notes that a value will not do, and why.
    pub(super) fn refuse(&mut self, path: &str, detail: String) {
        let is_secret = keys::find(path).is_none_or(|key| key.is_secret);
        let entry = self.entries.get(path);
        self.problems.push(Problem::Value {
            key: path.to_owned(),
            shown: entry.and_then(|entry| shown::excerpt(&entry.value, is_secret)),
            origin: entry.map_or(Origin::Default, |entry| entry.origin.clone()),
            detail,
        });
    }

    /// How many problems there are by now.
    pub(super) fn problem_count(&self) -> usize {
        self.problems.len()
    }

    /// Notes what an unset setting comes to.
    pub(super) fn derive(&mut self, path: &str, value: String) {
        self.derived.insert(path.to_owned(), Value::String(value));
    }

    /// The names that were chosen right below a section, in order.
    pub(super) fn names_in(&self, section: &str) -> Vec<String> {
        settings::names_in(&self.entries, section)
    }

    /// Everything as it may be shown, and what was wrong.
    pub(super) fn finish(mut self) -> (Vec<Setting>, Vec<Problem>) {
        let mut all = settings::list(&self.entries);
        for setting in &mut all {
            if let Some(value) = self.derived.remove(&setting.key) {
                setting.shown = Shown::Derived(value);
            }
        }
        (all, self.problems)
    }
}

fn default_of<T: FromValue>(path: &str) -> T {
    let default = keys::find(path).and_then(Key::default_value);
    let default = default.expect("a setting that is read with a default has one");
    T::from_value(&default).expect("a default is valid")
}

/// The way limits are written: in the largest unit that leaves no rest.
fn in_words(duration: Duration) -> String {
    let units = [
        (24 * 3600 * 1000, "d"),
        (3600 * 1000, "h"),
        (60 * 1000, "m"),
        (1000, "s"),
        (1, "ms"),
    ];
    let millis = duration.as_millis();
    let unit = units.into_iter().find(|(length, _)| millis.is_multiple_of(*length));
    unit.map_or_else(String::new, |(length, name)| format!("{}{name}", millis / length))
}
