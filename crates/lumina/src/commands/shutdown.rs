//! Going down in order: a first signal drains, a second one ends the process.

use std::process::ExitCode;
use std::time::Duration;

use lumina_workflow::Worker;
use lumina_workflow_postgres::MigrateError;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::database::{Database, SCHEMA_OWNER, server_scripts};
use crate::presence::Presence;

/// How long attempts may take to end by themselves.
const GRACE: Duration = Duration::from_secs(10);

/// The exit code of a process that was told twice: as if the second signal had killed it.
const KILLED: i32 = 130;

/// How often it is looked whether a newer version has changed the tables.
const LOOK: Duration = Duration::from_secs(10);

/// Why a process goes down.
pub(super) enum Why {
    /// Somebody has asked it to.
    Requested,
    /// A newer version has changed the database's tables.
    Outdated(MigrateError),
}

impl Why {
    /// What the process ends with.
    pub fn conclude(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Requested => Ok(ExitCode::SUCCESS),
            Self::Outdated(error) => Err(error.into()),
        }
    }
}

/// Ends when the process is to end. A further request ends it at once; what is durable stays so.
pub(super) async fn due(app: &App) -> anyhow::Result<Why> {
    tokio::select! {
        requested = requested() => requested.map(|()| Why::Requested),
        error = outdated(app) => {
            tracing::warn!(%error, "what runs is handed over to newer processes");
            Ok(Why::Outdated(error))
        }
    }
}

/// Ends when somebody asks the process to end.
pub(super) async fn requested() -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        std::process::exit(KILLED);
    });
    Ok(())
}

/// Ends when the database's tables are newer than this process. Nobody changes those of a file that is executed.
async fn outdated(app: &App) -> MigrateError {
    let Database::Server(store) = &app.database else {
        return std::future::pending().await;
    };
    loop {
        app.context.runtime.sleep(LOOK).await;
        match store.missing_scripts(SCHEMA_OWNER, &server_scripts()).await {
            Err(error @ (MigrateError::Newer { .. } | MigrateError::Changed { .. })) => return error,
            Err(error) => tracing::debug!(%error, "it is not known whether the tables were changed"),
            Ok(_) => {}
        }
    }
}

/// Lets attempts end, gives leases back, and closes the database.
pub(super) async fn drain(app: &App, worker: &Worker, presence: Presence) -> anyhow::Result<()> {
    tracing::info!("shutting down; what runs is resumed by whoever executes it next");
    presence.drain().await;
    worker.shutdown(GRACE).await;
    presence.end().await;
    app.database.close().await?;
    Ok(())
}
