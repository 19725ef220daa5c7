//! From the configuration to an application.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use lumina_enrichment::email::Classifier;
use lumina_fullenrich::{BoxFuture, ReqwestOptions, ReqwestTransport, Transport, TransportError};
use lumina_workflow::TokioRuntime;
use lumina_workflow_postgres::{Options, Statements};
use lumina_workflow_sqlite::{Mode, Role};
use secrecy::{ExposeSecret as _, SecretString};

use crate::app::{App, Parts, ProviderParts};
use crate::config::{CallbackMode, Config, Database};
use crate::database::DatabaseParts;
use crate::encryption;
use crate::records::{Budgets, People};
use crate::workflows::PipelineSettings;

/// What a process is called at a server, when it does not stay.
const COMMAND: &str = "lumina";

/// Opens the database beside whoever executes it.
pub(super) async fn open_client(config: &Config) -> anyhow::Result<App> {
    App::open(parts(config, Role::Client, COMMAND, CallbackMode::Polling)?).await
}

/// The same for a command that takes nobody in and has nobody looked up: whose people they are, invented or real, is
/// neither asked nor settled.
pub(super) async fn open_viewer(config: &Config) -> anyhow::Result<App> {
    App::open(Parts {
        people: None,
        ..parts(config, Role::Client, COMMAND, CallbackMode::Polling)?
    })
    .await
}

/// Opens the database to execute it: a file as the one process that does, a server's as one of many, which is called
/// so there.
pub(super) async fn open_executor(config: &Config, called: &str, callback: CallbackMode) -> anyhow::Result<App> {
    if config.fullenrich.api_key.is_none() {
        bail!(
            "no FullEnrich key is set: put it into FULLENRICH_API_KEY or fullenrich.api_key. To see Lumina work without one, run `lumina demo`"
        );
    }
    App::open(parts(config, Role::Executor, called, callback)?).await
}

fn parts(config: &Config, role: Role, called: &str, callback: CallbackMode) -> anyhow::Result<Parts> {
    Ok(Parts {
        database: database(config, role, called)?,
        codec: encryption::codec(config.encryption_key_file.as_deref()).context("database.encryption_key_file")?,
        runtime: Arc::new(TokioRuntime::current()),
        provider: provider(config, callback)?,
        settings: settings(config),
        profile: config.icp.clone(),
        classifier: Classifier::with_overrides(&config.addresses)?,
        people: Some(people(config)),
    })
}

/// The configured database.
pub(super) fn database(config: &Config, role: Role, called: &str) -> anyhow::Result<DatabaseParts> {
    Ok(match &config.database {
        Database::Sqlite { path } => DatabaseParts::File {
            path: path.clone(),
            role,
            mode: Mode::Threads,
        },
        Database::Postgres { url } => DatabaseParts::Server(Box::new(server(config, url, called)?)),
    })
}

/// How a server is opened, by a process that is called so there unless its URL says otherwise.
pub(super) fn server(config: &Config, url: &SecretString, called: &str) -> anyhow::Result<Options> {
    let link = &config.server_link;
    let mut options = Options::new(url.expose_secret())
        .context("database.url")?
        .connections(link.connections.get() as usize);
    if let Some(direct) = &link.listen_url {
        options = options.statements(Statements::Unnamed);
        options = options.listen(direct.expose_secret()).context("database.listen_url")?;
    }
    for config in [Some(&mut options.config), options.listen.as_mut()]
        .into_iter()
        .flatten()
    {
        if config.get_application_name() == Some(COMMAND) {
            config.application_name(called);
        }
    }
    Ok(options)
}

/// Whose people the configured provider knows.
pub(super) fn people(config: &Config) -> People {
    if config.fullenrich.is_real_provider() {
        People::Real
    } else {
        People::Sandbox
    }
}

/// The way to the provider, with the configured patience.
pub(super) fn transport(config: &Config) -> anyhow::Result<Arc<dyn Transport>> {
    let wanted = &config.fullenrich;
    Ok(Arc::new(ReqwestTransport::new(&ReqwestOptions {
        connect_timeout: wanted.connect_timeout,
        timeout: wanted.timeout,
        ..ReqwestOptions::default()
    })?))
}

fn provider(config: &Config, callback: CallbackMode) -> anyhow::Result<ProviderParts> {
    let wanted = &config.fullenrich;
    let transport = match wanted.api_key {
        Some(_) => transport(config)?,
        None => Arc::new(NoKey),
    };
    Ok(ProviderParts {
        transport,
        base_url: wanted.base_url.as_str().to_owned(),
        api_key: wanted.api_key.clone().unwrap_or_else(|| SecretString::from("not-set")),
        calls_per_minute: wanted.calls_per_minute,
        callback: match callback {
            CallbackMode::Webhook { url } => Some(url.batch().to_owned()),
            CallbackMode::Polling => None,
        },
    })
}

pub(super) fn settings(config: &Config) -> PipelineSettings {
    let wanted = &config.enrichment;
    PipelineSettings {
        deadline: wanted.deadline,
        linger: wanted.linger,
        reconcile_window: wanted.reconcile_window,
        max_in_flight: wanted.max_in_flight_batches.get(),
        poll_without_webhook: wanted.poll.without_webhook,
        poll_first: wanted.poll.first,
        poll_every: wanted.poll.every,
        budgets: Budgets {
            per_day: wanted.budget.per_day.limit(),
            per_month: wanted.budget.per_month.limit(),
        },
        retry_first: wanted.retry.first,
        retry_unreachable: wanted.retry.unreachable,
        probe_every: wanted.probe,
        late_poll: wanted.late_poll,
        refresh_after: wanted.refresh_after,
        sweep_every: wanted.sweep,
        batch_every: wanted.schedule,
        raw_kept: config.retention.raw,
        runs_kept: config.retention.runs,
    }
}

/// Commands that work without a key never call the provider.
struct NoKey;

impl Transport for NoKey {
    fn send(
        &self,
        _request: http::Request<bytes::Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, TransportError>> {
        let detail = "no FullEnrich key is set (FULLENRICH_API_KEY)".to_owned();
        Box::pin(async move { Err(TransportError::NotSent { detail }) })
    }
}
