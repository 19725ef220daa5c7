//! The configuration: `lumina.toml`, then the environment, then flags.
//!
//! Every setting is declared once, in its section's file, with its default and one sentence about it ([`keys`]). A
//! later layer replaces a value of an earlier one key by key; a key that nobody declared is an error that names the
//! nearest one. Each value remembers where it came from ([`Config::settings`]), and what a person should know before
//! serving with it is said by [`Config::check`].
//!
//! Secrets are [`SecretString`](secrecy::SecretString)s; no error, no rendering and no `Debug` shows one.
//!
//! ```
//! use lumina::config::{Budget, Config, ConfigFile, Sources};
//! use lumina_enrichment::credits::Credits;
//!
//! let config = Config::load(Sources {
//!     file: ConfigFile::Nothing,
//!     environment: vec![("DATABASE_URL".into(), "sqlite:/var/lib/lumina/leads.db".into())],
//!     flags: vec![("enrichment.budget.per_day".into(), "200".into())],
//! })?;
//! assert_eq!(config.enrichment.budget.per_day, Budget::AtMost(Credits::new(200)));
//! assert_eq!(config.origin("database.url").expect("declared").to_string(), "environment DATABASE_URL");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod addresses;
mod check;
mod database;
mod enrichment;
mod environment;
mod error;
mod file;
mod fullenrich;
mod http_url;
mod icp;
mod keys;
mod layers;
mod log;
mod newsletters;
mod origin;
mod permissions;
mod read;
mod retention;
mod server;
mod settings;
mod shown;
#[cfg(test)]
mod tests;
mod values;
mod webhooks;
mod worker;

pub use check::{Finding, Severity};
pub use database::{Database, ServerLink};
pub use enrichment::{Budget, BudgetConfig, EnrichmentConfig, PollConfig, RetryConfig};
pub use error::{ConfigError, Problem};
pub use fullenrich::{CallbackMode, CallbackUrl, DEFAULT_CALLBACK_PATH, FullenrichConfig};
pub use http_url::HttpUrl;
pub use keys::{Key, keys};
pub use layers::{ConfigFile, DEFAULT_FILE, Sources};
pub use log::{LogConfig, LogFormat};
pub use newsletters::NewsletterConfig;
pub use origin::Origin;
pub use permissions::is_open_to_others;
pub use retention::RetentionConfig;
pub use server::ServerConfig;
pub use settings::Setting;
pub use shown::Shown;
pub use webhooks::WebhooksConfig;
pub use worker::WorkerConfig;

use std::collections::BTreeMap;
use std::path::PathBuf;

use lumina_enrichment::email::ClassOverrides;
use lumina_enrichment::icp::IcpProfile;

use values::Values;

/// All settings, read and checked one by one.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything is kept.
    pub database: Database,
    /// How that is talked to, when it is on a server.
    pub server_link: ServerLink,
    /// The keys that payloads are encrypted with; without it they are stored as they are.
    pub encryption_key_file: Option<PathBuf>,
    /// The addresses that are listened on, and the token.
    pub server: ServerConfig,
    /// The provider's account.
    pub fullenrich: FullenrichConfig,
    /// How lookups are made, and what they may cost.
    pub enrichment: EnrichmentConfig,
    /// The ideal customer profile. Whether it is consistent is said by [`Config::check`].
    pub icp: IcpProfile,
    /// Domains whose class the operator sets. Whether they are consistent is said by [`Config::check`].
    pub addresses: ClassOverrides,
    /// The signed webhook of our own.
    pub webhooks: WebhooksConfig,
    /// Newsletter platforms that deliver subscribers, by the name in their route.
    pub newsletters: BTreeMap<String, NewsletterConfig>,
    /// How long things are kept.
    pub retention: RetentionConfig,
    /// What is logged, and in which form.
    pub log: LogConfig,
    /// How runs are executed.
    pub worker: WorkerConfig,
    settings: Vec<Setting>,
}

impl Config {
    /// Reads all layers: defaults, the file, the environment, flags.
    ///
    /// # Errors
    /// Everything that is wrong, at once: a file that cannot be read, a key that does not exist, a value that cannot
    /// be one of its setting.
    pub fn load(sources: Sources) -> Result<Self, ConfigError> {
        let (entries, problems) = layers::merge(sources)?;
        let mut values = Values::new(entries, problems);
        let config = Self::read(&mut values);
        let (settings, problems) = values.finish();
        if problems.is_empty() {
            Ok(Self { settings, ..config })
        } else {
            Err(ConfigError { problems })
        }
    }

    fn read(values: &mut Values) -> Self {
        let database = values.get("database.url");
        let fullenrich = FullenrichConfig::read(values);
        Self {
            server_link: ServerLink::read(values),
            encryption_key_file: values.optional("database.encryption_key_file"),
            server: ServerConfig::read(values, &database),
            enrichment: EnrichmentConfig::read(values, &fullenrich),
            icp: icp::read(values),
            addresses: addresses::read(values),
            webhooks: WebhooksConfig::read(values),
            newsletters: newsletters::read(values),
            retention: RetentionConfig::read(values),
            log: LogConfig::read(values),
            worker: WorkerConfig::read(values),
            settings: Vec::new(),
            database,
            fullenrich,
        }
    }

    /// Every setting as it stands, with its origin and with secrets masked, section by section.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }

    /// Where a setting's value came from; nothing when no setting is called so.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        self.settings
            .iter()
            .find(|setting| setting.key == key)
            .map(|setting| &setting.origin)
    }
}
