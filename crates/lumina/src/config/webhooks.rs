use lumina_intake::newsletters::MIN_SECRET_BYTES;
use secrecy::SecretString;
use toml::Value;

use super::Key;
use super::check::Findings;
use super::read::{FromValue, text};
use super::shown::check_secret;
use super::values::Values;

pub(super) const KEYS: &[Key] = &[
    Key::secret(
        "webhooks.secret",
        "Signs the bodies of /api/webhooks/subscribe; at least 16 bytes. Also `NEWSLETTER_WEBHOOK_SECRET`.",
    ),
    Key::secret(
        "webhooks.previous_secret",
        "Believed as well, while senders change over to a new secret.",
    ),
];

/// The signed webhook of our own.
#[derive(Debug, Clone)]
pub struct WebhooksConfig {
    /// Signs bodies. Without it the route is not configured.
    pub secret: Option<SecretString>,
    /// Believed as well during a change.
    pub previous_secret: Option<SecretString>,
}

impl WebhooksConfig {
    pub(super) fn read(values: &mut Values) -> Self {
        let config = Self {
            secret: values.optional("webhooks.secret").map(|WebhookSecret(secret)| secret),
            previous_secret: values
                .optional("webhooks.previous_secret")
                .map(|WebhookSecret(secret)| secret),
        };
        if config.previous_secret.is_some() && config.secret.is_none() {
            let detail = "set webhooks.secret too: a previous secret alone opens nothing".to_owned();
            values.refuse("webhooks.previous_secret", detail);
        }
        config
    }

    /// The secrets whose signatures are believed, the current one first; empty when the route is not configured.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.secret.iter().chain(&self.previous_secret)
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        if self.secret.is_none() {
            findings.warning(
                "webhooks.secret",
                "no webhook secret: /api/webhooks/subscribe answers 503; set NEWSLETTER_WEBHOOK_SECRET to at least 16 \
                 random bytes",
            );
        }
    }
}

/// A secret that is long enough for a route that strangers can reach.
pub(super) struct WebhookSecret(pub SecretString);

impl FromValue for WebhookSecret {
    fn from_value(value: &Value) -> Result<Self, String> {
        check_secret(text(value, "text in quotes")?, MIN_SECRET_BYTES).map(Self)
    }
}
