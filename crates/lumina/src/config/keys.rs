//! The registry of settings.

use toml::Value;

use super::{addresses, database, enrichment, fullenrich, icp, log, newsletters, retention, server, webhooks, worker};

/// One setting, as its section declares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// Its dotted path, such as `enrichment.deadline`. A segment `*` stands for a name that the operator chooses.
    pub path: &'static str,
    /// The default as it would be written into the environment; nothing when it is unset until somebody sets it.
    pub default: Option<&'static str>,
    /// What it means, with its limits: a sentence or two.
    pub summary: &'static str,
    /// Whether its value is never shown.
    pub is_secret: bool,
    kind: Kind,
}

/// How text from the environment or a flag becomes a TOML value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text, whatever it looks like.
    Text,
    /// A TOML value where it reads as one, else text.
    Literal,
    /// A TOML array, or texts separated by commas.
    List,
}

impl Key {
    const fn new(kind: Kind, path: &'static str, default: Option<&'static str>, summary: &'static str) -> Self {
        Self {
            path,
            default,
            summary,
            is_secret: false,
            kind,
        }
    }

    pub(super) const fn text(path: &'static str, default: &'static str, summary: &'static str) -> Self {
        Self::new(Kind::Text, path, Some(default), summary)
    }

    pub(super) const fn literal(path: &'static str, default: &'static str, summary: &'static str) -> Self {
        Self::new(Kind::Literal, path, Some(default), summary)
    }

    pub(super) const fn list(path: &'static str, summary: &'static str) -> Self {
        Self::new(Kind::List, path, Some(""), summary)
    }

    pub(super) const fn optional(path: &'static str, summary: &'static str) -> Self {
        Self::new(Kind::Text, path, None, summary)
    }

    pub(super) const fn secret(path: &'static str, summary: &'static str) -> Self {
        Self {
            is_secret: true,
            ..Self::optional(path, summary)
        }
    }

    pub(super) const fn secrets(path: &'static str, summary: &'static str) -> Self {
        Self {
            is_secret: true,
            ..Self::list(path, summary)
        }
    }

    /// The environment variable that sets it, such as `LUMINA_ENRICHMENT__BUDGET__PER_DAY`.
    #[must_use]
    pub fn environment_name(&self) -> String {
        environment_name(self.path)
    }

    /// Whether the operator chooses a part of its path.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.path.split('.').any(|segment| segment == "*")
    }

    /// The value that a text stands for.
    pub(super) fn value_of(&self, text: &str) -> Value {
        match self.kind {
            Kind::Text => Value::String(text.to_owned()),
            Kind::Literal => read_literal(text).unwrap_or_else(|| Value::String(text.to_owned())),
            Kind::List => read_list(text),
        }
    }

    pub(super) fn default_value(&self) -> Option<Value> {
        self.default.map(|text| self.value_of(text))
    }

    fn matches(&self, path: &str) -> bool {
        let mut given = path.split('.');
        let mut own = self.path.split('.');
        loop {
            match (own.next(), given.next()) {
                (None, None) => return true,
                (Some(own), Some(given)) if own == "*" || own == given => {}
                _ => return false,
            }
        }
    }

    /// Whether it lies in the section `path`, at any depth.
    fn is_within(&self, path: &str) -> bool {
        let depth = path.split('.').count();
        let own: Vec<&str> = self.path.split('.').collect();
        own.len() > depth
            && own
                .iter()
                .zip(path.split('.'))
                .all(|(own, given)| *own == "*" || *own == given)
    }

    /// Its path; in a section of chosen names with the name that `path` has.
    fn named_like(&self, path: &str) -> String {
        let chosen = self.path.split_once("*").and_then(|(section, rest)| {
            let name = path.strip_prefix(section)?.split('.').next()?;
            Some(format!("{section}{name}{rest}"))
        });
        chosen.unwrap_or_else(|| self.path.to_owned())
    }

    /// How far a mistyped path is from this setting; see [`nearest`].
    fn distance(&self, path: &str) -> usize {
        let own = self.named_like(path);
        let whole = strsim::damerau_levenshtein(&own, path);
        if self.is_pattern() {
            return whole;
        }
        let depth = path.split('.').count();
        let section = own
            .match_indices('.')
            .nth(depth - 1)
            .map_or(own.as_str(), |(at, _)| &own[..at]);
        let in_section = strsim::damerau_levenshtein(section, path);
        let word = strsim::damerau_levenshtein(last(&own), last(path));
        let by_word = if word <= ONE_SLIP { word + WRONG_PLACE } else { whole };
        whole.min(in_section).min(by_word)
    }
}

/// What a word in the wrong section counts, in mistyped letters.
const WRONG_PLACE: usize = 2;

/// A word that is further away is another word.
const ONE_SLIP: usize = 1;

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn read_literal(text: &str) -> Option<Value> {
    let mut table: toml::Table = format!("value = {text}").parse().ok()?;
    // A text with a line break could bring keys of its own.
    if table.len() == 1 { table.remove("value") } else { None }
}

fn read_list(text: &str) -> Value {
    if text.trim_start().starts_with('[') {
        return read_literal(text).unwrap_or_else(|| Value::String(text.to_owned()));
    }
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    Value::Array(parts.map(|part| Value::String(part.to_owned())).collect())
}

const SECTIONS: &[&[Key]] = &[
    database::KEYS,
    server::KEYS,
    fullenrich::KEYS,
    enrichment::KEYS,
    icp::KEYS,
    addresses::KEYS,
    webhooks::KEYS,
    newsletters::KEYS,
    retention::KEYS,
    log::KEYS,
    worker::KEYS,
];

/// All settings, section by section: what a reference is made from.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().copied().flatten()
}

/// The setting that a path names.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    keys().find(|key| key.matches(path))
}

/// Whether settings lie below the path.
pub(super) fn is_section(path: &str) -> bool {
    keys().any(|key| key.is_within(path))
}

/// The path of the setting that was most likely meant: by its letters, by those of its section where only that was
/// written, or by its last word, since a word in the wrong section is many letters from the right place.
pub(super) fn nearest(path: &str) -> String {
    let nearest = keys().min_by_key(|key| key.distance(path));
    nearest.expect("there are settings").named_like(path)
}

/// The environment variable of a path.
pub(super) fn environment_name(path: &str) -> String {
    format!("LUMINA_{}", path.to_uppercase().replace('.', "__"))
}
