//! Runs without end, and retention beside them: whether sizes and speeds stay as they are.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt};
use jiff::SignedDuration;
use lumina_workflow::store::{Purge, Store};
use lumina_workflow::{Engine, Failure, Run, StartOptions, Step, StepError, TokioRuntime, WorkerOptions, Workflow};
use lumina_workflow_sqlite::{Options, SqliteStore};

use crate::measure::stopwatch;
use crate::process;

/// How many are under way at once.
const IN_FLIGHT: usize = 1_000;

/// How long a finished run is kept: so short that each part of a soak is purged many times over.
const KEPT: SignedDuration = SignedDuration::from_secs(1);

/// Runs that one transaction of retention deletes.
const PURGED_AT_ONCE: usize = 250;

const WORK: Step = Step::action("work");

struct OneStep;

impl Workflow for OneStep {
    const NAME: &'static str = "one-step";
    const STEPS: &'static [Step] = &[WORK];
    type Input = String;
    type Output = String;

    async fn run(&self, run: &Run, input: String) -> Result<String, Failure> {
        run.step(WORK, move |_| std::future::ready(Ok::<_, StepError>(input.clone())))
            .await
    }
}

/// One part of a soak.
#[derive(Debug, Clone, Copy)]
pub struct Part {
    /// Runs that ended in a second of it.
    pub per_second: f64,
    /// What the database takes on the disk at its end, in MiB.
    pub database_mib: f64,
    /// What its write-ahead log takes, which grows to some 130 MiB before it begins anew.
    pub log_mib: f64,
    /// Anonymous memory at its end, in MiB.
    pub memory_mib: f64,
}

/// Executes `parts` times `runs` runs, while finished ones are deleted.
///
/// # Errors
/// When the database does not take them.
pub async fn soak(path: &Path, parts: usize, runs: u64) -> Result<Vec<Part>> {
    let store = SqliteStore::open(Options::new(path))?;
    let engine = Engine::builder(Arc::new(store.clone()), Arc::new(TokioRuntime::current()))
        .register(OneStep)?
        .build()
        .await?;
    let worker = engine.start_worker(WorkerOptions {
        max_in_flight: IN_FLIGHT,
        ..WorkerOptions::default()
    });
    let retention = Arc::new(Retention::default());
    let purging = tokio::spawn(retention.clone().purge(store.clone()));
    let mut all = Vec::new();
    for _ in 0..parts {
        all.push(play(&engine, path, runs, &retention).await?);
    }
    retention.over.store(true, Ordering::SeqCst);
    purging.await??;
    worker.shutdown(Duration::from_secs(10)).await;
    store.close().await?;
    Ok(all)
}

/// A part counts when its runs have ended and those of the part before have been deleted: what is not deleted in time
/// is not for free.
async fn play(engine: &Engine, path: &Path, runs: u64, retention: &Retention) -> Result<Part> {
    let (watch, deleted) = (stopwatch(), retention.deleted.load(Ordering::SeqCst));
    let input = "x".repeat(198);
    let ended = futures_util::stream::iter(0..runs).map(|_| async {
        let run = engine.start::<OneStep>(&input, StartOptions::default()).await?.run();
        engine.wait_for_end(run).await??;
        anyhow::Ok(())
    });
    ended.buffer_unordered(IN_FLIGHT).try_collect::<Vec<()>>().await?;
    while retention.deleted.load(Ordering::SeqCst) < deleted + runs / 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(Part {
        per_second: runs as f64 / watch().as_secs_f64(),
        database_mib: file_mib(path),
        log_mib: file_mib(&path.with_extension("db-wal")),
        memory_mib: process::anonymous_mib()?,
    })
}

#[derive(Default)]
struct Retention {
    over: AtomicBool,
    deleted: AtomicU64,
}

impl Retention {
    async fn purge(self: Arc<Self>, store: SqliteStore) -> Result<()> {
        while !self.over.load(Ordering::SeqCst) {
            let what = Purge {
                before: store.now().await?.saturating_sub(KEPT)?,
                workflow: None,
                limit: PURGED_AT_ONCE,
            };
            match store.purge(what).await? {
                0 => tokio::time::sleep(Duration::from_millis(20)).await,
                deleted => drop(self.deleted.fetch_add(deleted as u64, Ordering::SeqCst)),
            }
        }
        Ok(())
    }
}

fn file_mib(path: &Path) -> f64 {
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    bytes as f64 / (1024.0 * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The long one in short: the database is as large after five parts as after two, whatever its log.
    #[test]
    fn sizes_stay_flat() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("soak.db");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .unwrap();
        let parts = runtime.block_on(soak(&path, 5, 6_000)).unwrap();
        let (second, last) = (parts[1], parts[4]);
        assert!(
            last.database_mib <= second.database_mib * 1.5 + 4.0,
            "the database has grown: {parts:?}"
        );
    }
}
