//! `lumina worker`: the engine without HTTP.

use std::process::ExitCode;

use lumina_workflow::WorkerOptions;

use super::{composition, serve, shutdown};
use crate::config::{CallbackMode, Config};
use crate::presence::Presence;

pub(super) async fn run(config: &Config) -> anyhow::Result<ExitCode> {
    let app = composition::open_executor(config, CallbackMode::Polling).await?;
    serve::greet(config, &app, &CallbackMode::Polling).await;
    let worker = app.engine.start_worker(worker_options(config));
    let presence = Presence::begin(&app, worker.id(), "worker").await?;
    let why = shutdown::wait(&presence).await?;
    shutdown::drain(&app, &worker, presence).await?;
    shutdown::conclude(why)
}

/// The one executing process of a file takes over what its predecessor held.
pub(super) fn worker_options(config: &Config) -> WorkerOptions {
    WorkerOptions {
        max_in_flight: config.worker.max_in_flight.get() as usize,
        takeover: true,
        ..WorkerOptions::default()
    }
}
