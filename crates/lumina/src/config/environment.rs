//! The environment: a few names that are known from elsewhere, and `LUMINA_SECTION__KEY` for everything.

use toml::Value;

use super::layers::{Entries, Entry, Found, Written};
use super::{Origin, keys};

const PREFIX: &str = "LUMINA_";

/// Names that hosts, guides and tools set already, and what they mean here.
const SEED_NAMES: &[(&str, &str)] = &[
    ("DATABASE_URL", "database.url"),
    ("FULLENRICH_API_KEY", "fullenrich.api_key"),
    ("FULLENRICH_BASE_URL", "fullenrich.base_url"),
    ("FULLENRICH_WEBHOOK_URL", "fullenrich.webhook_url"),
    ("NEWSLETTER_WEBHOOK_SECRET", "webhooks.secret"),
];

/// Sets the port of the address alone.
const PORT: &str = "PORT";

pub(super) fn seed_names(environment: &[(String, String)]) -> Vec<Found> {
    let known = SEED_NAMES
        .iter()
        .filter_map(|(name, path)| Some((*name, *path, value_of(environment, name)?)));
    known
        .map(|(name, path, text)| found(name, path.to_owned(), text))
        .collect()
}

/// `LUMINA_` names. They are laid over the other names, being the more exact ones.
pub(super) fn own_names(environment: &[(String, String)]) -> Vec<Found> {
    let own = environment.iter().filter(|(_, text)| !text.is_empty());
    let own = own.filter_map(|(name, text)| Some((name, name.strip_prefix(PREFIX)?, text)));
    own.map(|(name, rest, text)| found(name, rest.to_lowercase().replace("__", "."), text))
        .collect()
}

/// `PORT` keeps the host of the address below it. What is no port makes an address that is none, and is refused as
/// such.
pub(super) fn lay_port(environment: &[(String, String)], entries: &mut Entries) {
    let Some(port) = value_of(environment, PORT) else {
        return;
    };
    let key = keys::find("server.address").expect("the address is a setting");
    let below = entries
        .get(key.path)
        .map(|entry| entry.value.clone())
        .or_else(|| key.default_value());
    let below = below.as_ref().and_then(Value::as_str).unwrap_or_default();
    let host = below.rsplit_once(':').map_or("", |(host, _)| host);
    let value = Value::String(format!("{host}:{}", port.trim()));
    let origin = Origin::Environment { name: PORT.to_owned() };
    entries.insert(key.path.to_owned(), Entry { value, origin });
}

fn found(name: &str, path: String, text: &str) -> Found {
    let origin = Origin::Environment { name: name.to_owned() };
    Found {
        path,
        written: Written::Text(text.to_owned()),
        origin,
    }
}

/// The variable's value; an empty one counts as unset, as container files write it.
fn value_of<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let set = environment
        .iter()
        .find(|(known, text)| known == name && !text.is_empty());
    set.map(|(_, text)| text.as_str())
}
