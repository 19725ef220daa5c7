//! How long a run takes from its start to its end when nothing else happens.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use lumina_workflow::{Engine, Failure, Run, StartOptions, Step, StepError, TokioRuntime, WorkerOptions, Workflow};
use lumina_workflow_sqlite::{Options, SqliteStore};

use crate::bench::Bench;
use crate::figure::Figure;
use crate::measure::{on_runtime, percentile, stopwatch};
use crate::registry::Benchmark;

/// The median time of such a run.
pub const BENCHMARK: Benchmark = Benchmark {
    name: "workflow/sqlite/sequential_p50_ms",
    about: "a run of three steps that do nothing, from its start to its known end, one run after another",
    run,
};

const RUNS: usize = 3_000;

/// A start, two steps' records, and the last record with the end: what must be durable one after the other. The
/// claim is flushed with the first record.
const COMMITS: u32 = 4;

const STEPS: [Step; 3] = [Step::action("first"), Step::action("second"), Step::action("third")];

struct ThreeSteps;

impl Workflow for ThreeSteps {
    const NAME: &'static str = "three-steps";
    const STEPS: &'static [Step] = &STEPS;
    type Input = ();
    type Output = ();

    async fn run(&self, run: &Run, (): ()) -> Result<(), Failure> {
        for step in STEPS {
            let nothing = |_| std::future::ready(Ok::<_, StepError>(()));
            run.step(step, nothing).await?;
        }
        Ok(())
    }
}

fn run(bench: &Bench) -> Result<Vec<Figure>> {
    let floor = bench.commit_floor()?.p50 * COMMITS;
    let mut times = bench.with_database("sequential", |path| on_runtime(measure(path)))?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    Ok(vec![
        Figure::alone(BENCHMARK.name, ms(percentile(&mut times, 50)), "ms").against(ms(floor)),
        Figure::alone(
            "workflow/sqlite/sequential_p99_ms",
            ms(percentile(&mut times, 99)),
            "ms",
        ),
    ])
}

async fn measure(path: &Path) -> Result<Vec<Duration>> {
    let store = SqliteStore::open(Options::new(path))?;
    let engine = Engine::builder(Arc::new(store.clone()), Arc::new(TokioRuntime::current()))
        .register(ThreeSteps)?
        .build()
        .await?;
    let worker = engine.start_worker(WorkerOptions::default());
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let watch = stopwatch();
        let run = engine.start::<ThreeSteps>(&(), StartOptions::default()).await?.run();
        engine.wait_for_end(run).await??;
        times.push(watch());
    }
    worker.shutdown(Duration::from_secs(10)).await;
    store.close().await?;
    Ok(times)
}
