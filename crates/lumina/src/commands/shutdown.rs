//! Going down in order: a first signal drains, a second one ends the process.

use std::time::Duration;

use lumina_workflow::Worker;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;

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

/// Lets attempts end, gives leases back, and closes the database.
pub(super) async fn drain(app: &App, worker: &Worker) -> anyhow::Result<()> {
    tracing::info!("shutting down; what runs is resumed by the next start");
    worker.shutdown(GRACE).await;
    app.store.close().await?;
    Ok(())
}
