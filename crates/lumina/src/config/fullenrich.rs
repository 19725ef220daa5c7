use std::num::NonZeroU32;
use std::time::Duration;

use secrecy::SecretString;
use toml::Value;

use super::check::Findings;
use super::read::{FromValue, text};
use super::values::Values;
use super::{HttpUrl, Key};

pub(super) const KEYS: &[Key] = &[
    Key::secret(
        "fullenrich.api_key",
        "The key of the FullEnrich account that pays for lookups and signs their answers. Also `FULLENRICH_API_KEY`.",
    ),
    Key::secrets(
        "fullenrich.extra_signing_keys",
        "Keys whose signatures are believed besides the API key's: the old one, for a while after it was changed.",
    ),
    Key::text(
        "fullenrich.base_url",
        "https://app.fullenrich.com/api/v2",
        "Where FullEnrich's API is, or a sandbox. Also `FULLENRICH_BASE_URL`.",
    ),
    Key::optional(
        "fullenrich.webhook_url",
        "The full public URL that FullEnrich sends answers to; without a path it is /api/webhooks/enrichment. Unset, \
         answers are polled. Also `FULLENRICH_WEBHOOK_URL`.",
    ),
    Key::literal(
        "fullenrich.calls_per_minute",
        "60",
        "How many calls a calendar minute may be made, all endpoints together; 1 to 100000. FullEnrich allows 60.",
    ),
    Key::text(
        "fullenrich.connect_timeout",
        "10s",
        "The longest time for a connection, TLS included; at most fullenrich.timeout.",
    ),
    Key::text("fullenrich.timeout", "45s", "The longest time for a whole call."),
];

/// The path of a callback URL that names none.
pub const DEFAULT_CALLBACK_PATH: &str = "/api/webhooks/enrichment";

/// What a sandbox may be asked in a minute at most.
const MAX_CALLS_PER_MINUTE: u32 = 100_000;

/// FullEnrich's documented limit.
const PROVIDERS_CALLS_PER_MINUTE: u32 = 60;

const MIN_TIMEOUT: Duration = Duration::from_millis(100);

/// The provider's account.
#[derive(Debug, Clone)]
pub struct FullenrichConfig {
    /// Pays for lookups and signs their answers.
    pub api_key: Option<SecretString>,
    /// Sign answers as well.
    pub extra_signing_keys: Vec<SecretString>,
    /// Where the API is.
    pub base_url: HttpUrl,
    /// Where answers are sent to.
    pub webhook_url: Option<CallbackUrl>,
    /// In a calendar minute, all endpoints together.
    pub calls_per_minute: NonZeroU32,
    /// For name lookup, connection and TLS.
    pub connect_timeout: Duration,
    /// For a whole call.
    pub timeout: Duration,
}

/// How answers come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallbackMode {
    /// The provider calls this URL.
    Webhook {
        /// The public URL.
        url: CallbackUrl,
    },
    /// They are asked for.
    Polling,
}

/// The public URL that the provider calls; never without a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackUrl(HttpUrl);

impl CallbackUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let url = HttpUrl::parse(text)?;
        if url.has_path() {
            Ok(Self(url))
        } else {
            Self::parse(&format!("{}{DEFAULT_CALLBACK_PATH}", url.as_str()))
        }
    }

    /// The URL itself.
    #[must_use]
    pub fn url(&self) -> &HttpUrl {
        &self.0
    }

    /// For the answer of a whole batch.
    #[must_use]
    pub fn batch(&self) -> &str {
        self.0.as_str()
    }

    /// For the answer to one contact.
    #[must_use]
    pub fn contact(&self) -> String {
        format!("{}/contact", self.0.as_str())
    }
}

impl FromValue for CallbackUrl {
    fn from_value(value: &Value) -> Result<Self, String> {
        Self::parse(text(
            value,
            "the full public URL in quotes, such as \"https://lumina.example.com\"",
        )?)
    }
}

impl FullenrichConfig {
    pub(super) fn read(values: &mut Values) -> Self {
        let config = Self {
            api_key: values.optional("fullenrich.api_key"),
            extra_signing_keys: values.get("fullenrich.extra_signing_keys"),
            base_url: values.get("fullenrich.base_url"),
            webhook_url: values.optional("fullenrich.webhook_url"),
            calls_per_minute: values.count("fullenrich.calls_per_minute", 1..=MAX_CALLS_PER_MINUTE),
            connect_timeout: values.duration("fullenrich.connect_timeout", MIN_TIMEOUT),
            timeout: values.duration("fullenrich.timeout", MIN_TIMEOUT),
        };
        if config.connect_timeout > config.timeout {
            let detail = "write a time that is not longer than fullenrich.timeout".to_owned();
            values.refuse("fullenrich.connect_timeout", detail);
        }
        config
    }

    /// How answers come back.
    #[must_use]
    pub fn callback_mode(&self) -> CallbackMode {
        self.webhook_url
            .clone()
            .map_or(CallbackMode::Polling, |url| CallbackMode::Webhook { url })
    }

    /// Whether lookups go to FullEnrich itself and cost money, and not to a sandbox.
    #[must_use]
    pub fn is_real_provider(&self) -> bool {
        let host = self.base_url.host();
        host == "fullenrich.com" || host.ends_with(".fullenrich.com")
    }

    /// The keys whose signatures are believed, the API key first.
    #[must_use]
    pub fn signing_keys(&self) -> Vec<SecretString> {
        self.api_key.iter().chain(&self.extra_signing_keys).cloned().collect()
    }

    pub(super) fn check(&self, findings: &mut Findings) {
        if self.api_key.is_none() {
            findings.error(
                "fullenrich.api_key",
                "no API key: nothing can be looked up; copy it from FullEnrich's settings into FULLENRICH_API_KEY",
            );
        }
        if !self.base_url.is_https() && !self.base_url.is_loopback() {
            findings.warning(
                "fullenrich.base_url",
                "the API key and all addresses travel unencrypted; use https://",
            );
        }
        if self.is_real_provider() {
            self.check_against_provider(findings);
        }
    }

    fn check_against_provider(&self, findings: &mut Findings) {
        if self.calls_per_minute.get() > PROVIDERS_CALLS_PER_MINUTE {
            let message = "FullEnrich refuses more than 60 calls a minute; above that calls are wasted on refusals";
            findings.warning("fullenrich.calls_per_minute", message);
        }
        let Some(CallbackUrl(url)) = &self.webhook_url else {
            return;
        };
        if url.is_loopback() {
            let message = "FullEnrich cannot reach this machine under a loopback name; give the public URL of a tunnel \
                           or proxy, or leave it out to poll";
            findings.error("fullenrich.webhook_url", message);
        } else if !url.is_https() {
            let message = "answers about people would travel unencrypted; use an https:// URL";
            findings.warning("fullenrich.webhook_url", message);
        }
    }
}
