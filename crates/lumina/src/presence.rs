//! A process that executes runs says every few seconds that it is there.
//!
//! Nobody is elected by this and nothing is decided by it: who has a run is decided by its lease. It is there for the
//! people who run the fleet.

use std::time::Duration;

use lumina_workflow::WorkerId;
use tokio::task::JoinHandle;

use crate::app::App;
use crate::records::{Records, WorkerSign};

/// How often a process says that it is there.
pub const BEAT: Duration = Duration::from_secs(10);

/// Who has said nothing for so long is not there, or cannot reach the database.
pub const SILENT: Duration = Duration::from_secs(30);

/// A process that is there, until this is ended.
pub struct Presence {
    app: App,
    sign: WorkerSign,
    beating: JoinHandle<()>,
}

impl Presence {
    /// Says that a worker is there, now and from now on.
    #[must_use]
    pub fn begin(app: &App, worker: WorkerId, command: &str) -> Self {
        let sign = WorkerSign {
            id: worker.0,
            host: host(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: command.to_owned(),
            is_draining: false,
        };
        let beating = tokio::spawn(beat(app.clone(), sign.clone()));
        Self {
            app: app.clone(),
            sign,
            beating,
        }
    }

    /// It takes nothing new any more.
    pub async fn drain(&self) {
        self.beating.abort();
        let sign = WorkerSign {
            is_draining: true,
            ..self.sign.clone()
        };
        write(&self.app, Records::note_worker(sign)).await;
    }

    /// It is gone, and has given back what it had.
    pub async fn end(self) {
        self.beating.abort();
        write(&self.app, Records::forget_worker(self.sign.id)).await;
    }
}

async fn beat(app: App, sign: WorkerSign) {
    loop {
        write(&app, Records::note_worker(sign.clone())).await;
        app.context.runtime.sleep(BEAT).await;
    }
}

/// That it could not be said is told by its silence.
async fn write(app: &App, what: lumina_workflow::store::Attachment) {
    if let Err(error) = app.engine.transact(app.context.runtime.new_id(), what).await {
        tracing::debug!(%error, "it could not be said that this process is there");
    }
}

/// What the machine is called.
fn host() -> String {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match name.is_empty() {
        true => "unknown".to_owned(),
        false => name,
    }
}
