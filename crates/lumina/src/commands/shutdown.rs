//! Going down in order: a first signal drains, a second one ends the process.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use lumina_workflow::Worker;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::presence::Presence;

/// How long attempts may take to end by themselves.
const GRACE: Duration = Duration::from_secs(10);

/// The exit code of a process that was told twice: as if the second signal had killed it.
const KILLED: i32 = 130;

/// Ends when somebody asks the process to end. A further request ends it at once; what is
/// durable stays so.
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

/// Why a process goes down.
pub(super) enum Why {
    /// Somebody asked for it.
    Asked,
    /// A newer version has changed the database's tables.
    Outdated(String),
}

/// Ends when somebody asks the process to end, or when the database is another one than it knows.
pub(super) async fn wait(presence: &Presence) -> anyhow::Result<Why> {
    tokio::select! {
        asked = requested() => asked.map(|()| Why::Asked),
        newer = presence.outdated() => Ok(Why::Outdated(newer)),
    }
}

/// How the process ends when it has gone down.
pub(super) fn conclude(why: Why) -> anyhow::Result<ExitCode> {
    match why {
        Why::Asked => Ok(ExitCode::SUCCESS),
        Why::Outdated(newer) => bail!(
            "a newer version of Lumina has changed the database ({newer}); this one has handed over what it had and ends: start that version here"
        ),
    }
}

/// Lets attempts end, gives leases back, and closes the database.
pub(super) async fn drain(app: &App, worker: &Worker, presence: Presence) -> anyhow::Result<()> {
    tracing::info!("shutting down; what runs is resumed by whoever executes it next");
    presence.drain().await;
    worker.shutdown(GRACE).await;
    presence.end().await;
    app.store.close().await?;
    Ok(())
}
