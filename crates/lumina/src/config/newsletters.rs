use std::collections::BTreeMap;

use http::HeaderName;
use lumina_intake::newsletters::JsonPointer;
use secrecy::SecretString;
use toml::Value;

use super::Key;
use super::check::Findings;
use super::read::{FromValue, text};
use super::values::Values;
use super::webhooks::WebhookSecret;

pub(super) const KEYS: &[Key] = &[
    Key::optional(
        "newsletters.*.email",
        "Where the address stands in the body: a JSON pointer such as /data/email.",
    ),
    Key::optional("newsletters.*.name", "Where the person's name stands: a JSON pointer."),
    Key::optional(
        "newsletters.*.source",
        "Where the campaign or form stands that the person came from: a JSON pointer.",
    ),
    Key::secret(
        "newsletters.*.secret",
        "The secret that a delivery carries; at least 16 bytes.",
    ),
    Key::optional(
        "newsletters.*.header",
        "The header that carries the secret; unset, the URL does.",
    ),
];

/// The longest name of a source: it is a part of a URL.
const MAX_NAME_CHARS: usize = 64;

/// A newsletter platform that delivers to `/api/webhooks/newsletters/{source}`.
#[derive(Debug, Clone)]
pub struct NewsletterConfig {
    /// Where the address stands.
    pub email: JsonPointer,
    /// Where the person's name stands.
    pub name: Option<JsonPointer>,
    /// Where the campaign or form stands that the person came from.
    pub source: Option<JsonPointer>,
    /// What a delivery carries. Without it the route is not configured.
    pub secret: Option<SecretString>,
    /// The header that carries it; without one the URL does.
    pub header: Option<HeaderName>,
}

impl NewsletterConfig {
    pub(super) fn check(&self, source: &str, findings: &mut Findings) {
        if self.secret.is_none() {
            let message =
                format!("no secret: /api/webhooks/newsletters/{source} answers 503; give at least 16 random bytes");
            findings.warning(&format!("newsletters.{source}.secret"), &message);
        }
    }
}

impl FromValue for JsonPointer {
    fn from_value(value: &Value) -> Result<Self, String> {
        const EXPECTED: &str = "a JSON pointer in quotes, such as \"/data/email\"";
        text(value, EXPECTED)?.parse().map_err(|_| format!("write {EXPECTED}"))
    }
}

impl FromValue for HeaderName {
    fn from_value(value: &Value) -> Result<Self, String> {
        const EXPECTED: &str = "the name of a header in quotes, such as \"X-Webhook-Secret\"";
        text(value, EXPECTED)?.parse().map_err(|_| format!("write {EXPECTED}"))
    }
}

pub(super) fn read(values: &mut Values) -> BTreeMap<String, NewsletterConfig> {
    let names = values.names_in("newsletters");
    names
        .into_iter()
        .filter_map(|name| read_one(values, &name).map(|config| (name, config)))
        .collect()
}

fn read_one(values: &mut Values, name: &str) -> Option<NewsletterConfig> {
    let key = |field: &str| format!("newsletters.{name}.{field}");
    let problems_before = values.problem_count();
    let email = values.optional(&key("email"));
    if email.is_none() && values.problem_count() == problems_before {
        let detail = "not set; write where the address stands, such as \"/data/email\"".to_owned();
        values.refuse(&key("email"), detail);
    }
    if !is_name(name) {
        let detail =
            "name the source with small letters, digits and _, a letter first: it is a part of the route".to_owned();
        values.refuse(&key("email"), detail);
    }
    let (name, source) = (values.optional(&key("name")), values.optional(&key("source")));
    let secret = values.optional(&key("secret")).map(|WebhookSecret(secret)| secret);
    let header = values.optional(&key("header"));
    Some(NewsletterConfig {
        email: email?,
        name,
        source,
        secret,
        header,
    })
}

/// What fits a route and the name of an environment variable alike.
fn is_name(name: &str) -> bool {
    let is_word = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    is_word && name.starts_with(|c: char| c.is_ascii_lowercase()) && name.len() <= MAX_NAME_CHARS
}
