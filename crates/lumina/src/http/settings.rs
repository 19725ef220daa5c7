//! What HTTP needs of the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use http::HeaderName;
use lumina_intake::newsletters::{ConfiguredSource, SharedSecrets, SigningSecrets};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{Config, Database, NewsletterConfig, WebhooksConfig};
use crate::token::Token;

/// What HTTP needs of the configuration.
#[derive(Debug)]
pub struct HttpSettings {
    /// What every route but the webhooks' and the health's needs.
    pub token: Token,
    /// Sign the bodies of `/api/webhooks/subscribe`; without them the route is not configured.
    pub subscribe: Option<SigningSecrets>,
    /// The platforms that deliver to `/api/webhooks/newsletters/{source}`, by their name there.
    pub newsletters: BTreeMap<String, NewsletterSource>,
    /// Sign the provider's answers; without one the routes are not configured.
    pub signing_keys: Vec<SecretString>,
    /// Where uploads lie while they are read. It belongs to this process alone: what is in it at the start is deleted.
    pub upload_folder: PathBuf,
    /// How large bodies may be.
    pub limits: BodyLimits,
}

/// A platform that delivers.
#[derive(Debug)]
pub struct NewsletterSource {
    /// Where its fields are.
    pub fields: ConfiguredSource,
    /// What a delivery carries; without one the source is not configured.
    pub secrets: Option<SharedSecrets>,
    /// The header that carries it; without one it is `secret` in the URL's query.
    pub header: Option<HeaderName>,
}

/// How large bodies may be, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    /// A webhook's: 1 MiB by default, many times what a platform sends.
    pub webhook: usize,
    /// An answer of the provider: 32 MiB by default. A hundred people take well under 4 MiB, and an answer that is
    /// refused was paid for.
    pub enrichment: usize,
    /// A file: 200 MiB by default, the largest exports.
    pub upload: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            webhook: MIB,
            enrichment: 32 * MIB,
            upload: 200 * MIB,
        }
    }
}

impl HttpSettings {
    /// As configured, for a process that listens on this port.
    ///
    /// # Errors
    /// When a secret is too short, which the configuration refuses as well.
    pub fn new(config: &Config, token: Token, port: u16) -> anyhow::Result<Self> {
        let read = |(name, source): (&String, &NewsletterConfig)| {
            let source = read_source(source).with_context(|| format!("newsletters.{name}"))?;
            Ok((name.clone(), source))
        };
        Ok(Self {
            token,
            subscribe: read_subscribe(&config.webhooks)?,
            newsletters: config.newsletters.iter().map(read).collect::<anyhow::Result<_>>()?,
            signing_keys: config.fullenrich.signing_keys(),
            upload_folder: upload_folder(&config.database, port),
            limits: BodyLimits::default(),
        })
    }
}

fn read_subscribe(config: &WebhooksConfig) -> anyhow::Result<Option<SigningSecrets>> {
    let Some(current) = &config.secret else { return Ok(None) };
    let previous = config.previous_secret.as_ref().map(ExposeSecret::expose_secret);
    let secrets = SigningSecrets::new(current.expose_secret(), previous).context("webhooks.secret")?;
    Ok(Some(secrets))
}

fn read_source(config: &NewsletterConfig) -> anyhow::Result<NewsletterSource> {
    let secrets = config
        .secret
        .as_ref()
        .map(|secret| SharedSecrets::new(secret.expose_secret(), None));
    Ok(NewsletterSource {
        fields: ConfiguredSource {
            email: config.email.clone(),
            name: config.name.clone(),
            source: config.source.clone(),
        },
        secrets: secrets.transpose()?,
        header: config.header.clone(),
    })
}

/// `./lumina.db.uploads` for `./lumina.db`: on the same disk, which has room, and not that of another database. Of those
/// who serve a server's database, several may be in one folder.
fn upload_folder(database: &Database, port: u16) -> PathBuf {
    match database {
        Database::Sqlite { .. } => database.beside(".uploads"),
        Database::Postgres { .. } => database.beside(&format!(".{port}.uploads")),
    }
}
