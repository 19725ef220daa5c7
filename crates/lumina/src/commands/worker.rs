//! `lumina worker`: the engine without HTTP.

use std::process::ExitCode;

use lumina_workflow::WorkerOptions;

use super::{composition, serve, shutdown};
use crate::config::{CallbackMode, Config, Database};
use crate::presence::Presence;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let callback = callback_mode(config);
    let app = composition::open_executor(config, "lumina worker", callback.clone()).await?;
    serve::greet(config, &app, &callback).await;
    let worker = app.engine.start_worker(worker_options(config));
    let presence = Presence::begin(&app, worker.id(), "worker");
    let why = shutdown::due(&app).await?;
    shutdown::drain(&app, &worker, presence).await?;
    why.conclude()
}

/// Nobody else executes a file, so nobody serves it: the provider would call back in vain. On a server somebody may.
fn callback_mode(config: &Config) -> CallbackMode {
    match config.database {
        Database::Sqlite { .. } => CallbackMode::Polling,
        Database::Postgres { .. } => config.fullenrich.callback_mode(),
    }
}

/// The one executing process of a file takes over what its predecessor held. On a server those who hold something may
/// be there.
pub(super) fn worker_options(config: &Config) -> WorkerOptions {
    WorkerOptions {
        max_in_flight: config.worker.max_in_flight.get() as usize,
        lease: config.worker.lease,
        takeover: config.database.sqlite_path().is_some(),
    }
}
