use std::collections::BTreeSet;

use super::layers::Entries;
use super::{Key, Origin, Shown, keys};

/// A setting as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// Its path, such as `enrichment.deadline`.
    pub key: String,
    /// Its value, as far as it may be shown.
    pub shown: Shown,
    /// Where the value came from.
    pub origin: Origin,
}

/// Every setting in the order of declaration; a pattern once for each name that was chosen.
pub(super) fn list(entries: &Entries) -> Vec<Setting> {
    let mut all: Vec<Setting> = Vec::new();
    let mut sections_done = BTreeSet::new();
    for key in keys::keys() {
        match key.path.split_once(".*.") {
            None => all.push(setting(key, key.path, entries)),
            Some((section, _)) if sections_done.insert(section) => all.extend(chosen(section, entries)),
            Some(_) => {}
        }
    }
    all
}

/// All settings of all chosen names, name by name.
fn chosen(section: &str, entries: &Entries) -> Vec<Setting> {
    let pattern = format!("{section}.*.");
    let mut all = Vec::new();
    for name in names_in(entries, section) {
        let own = keys::keys().filter_map(|key| Some((key, key.path.strip_prefix(&pattern)?)));
        all.extend(own.map(|(key, rest)| setting(key, &format!("{section}.{name}.{rest}"), entries)));
    }
    all
}

pub(super) fn names_in(entries: &Entries, section: &str) -> Vec<String> {
    let below = entries
        .keys()
        .filter_map(|path| path.strip_prefix(section)?.strip_prefix('.'));
    let names: BTreeSet<&str> = below.filter_map(|rest| rest.split('.').next()).collect();
    names.into_iter().map(str::to_owned).collect()
}

fn setting(key: &Key, path: &str, entries: &Entries) -> Setting {
    let entry = entries.get(path);
    let value = entry.map(|entry| entry.value.clone()).or_else(|| key.default_value());
    Setting {
        key: path.to_owned(),
        shown: value.map_or(Shown::Unset, |value| Shown::of(&value, key.is_secret)),
        origin: entry.map_or(Origin::Default, |entry| entry.origin.clone()),
    }
}
