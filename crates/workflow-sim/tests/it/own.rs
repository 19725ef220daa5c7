//! Somebody's own workflow, client and checks, over either store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use lumina_workflow::store::{RunQuery, RunStatus};
use lumina_workflow::{Engine, EngineError, Failure, NewEvent, Payload, Retry, Run, StartOptions, Step, Workflow};
use lumina_workflow_sim::{Backend, Cells, MemoryBackend, Simulation, SqliteBackend};

const BOOK: Step = Step::action("book").retry(Retry::exponential(3));
const PAID: Step = Step::wait("wait-for-payment", "paid").timeout("1h");
const SHIP: Step = Step::action("ship");

/// Counts two cells around a wait.
struct Order<B>(Arc<B>);

impl<B: Cells> Workflow for Order<B> {
    const NAME: &'static str = "order";
    const STEPS: &'static [Step] = &[BOOK, PAID, SHIP];
    type Input = u64;
    type Output = u64;

    async fn run(&self, run: &Run, _: u64) -> Result<u64, Failure> {
        run.step_in_tx::<u64>(BOOK, self.0.count("booked")).await?;
        let paid: u64 = run.wait(PAID).await?;
        run.step_in_tx::<u64>(SHIP, self.0.count("shipped")).await?;
        Ok(paid)
    }
}

type Asked<T> = BoxFuture<'static, Result<T, EngineError>>;

fn simulate<B: Cells>(seed: u64, make: impl FnOnce(&Simulation) -> B) {
    let simulation = Simulation::new(seed).processes(2).traced(true);
    let backend = Arc::new(make(&simulation));
    let (code, cells) = (backend.clone(), backend.clone());
    let report = simulation
        .over(backend.clone() as Arc<dyn Backend>)
        .build_engine(move |boot| {
            boot.engine()
                .register(Order(code.clone()))
                .expect("the steps are sound")
        })
        .client(|world| async move {
            for number in 0..3 {
                let start = move |engine: Engine| -> Asked<_> {
                    let options = StartOptions::keyed(format!("order-{number}"));
                    Box::pin(async move { engine.start::<Order<B>>(&number, options).await })
                };
                let run = world.ask(start).await.expect("the order is started").run();
                world.sleep(Duration::from_secs(20)).await;
                let pay = move |engine: Engine| -> Asked<_> {
                    let event = NewEvent::new("payment", run, "paid", Payload::encode(&number).expect("a number"));
                    Box::pin(async move { engine.emit(event).await })
                };
                world.ask(pay).await.expect("the payment is stored");
            }
        })
        .check(move |world| {
            let counted = (cells.read("booked"), cells.read("shipped"));
            if counted != (3, 3) {
                world.blame(format!("booked and shipped: {counted:?}"));
            }
        })
        .run();
    assert!(report.is_good() && report.runs == 3, "{report}");
}

#[test]
fn an_own_workflow_is_put_through_it() {
    for seed in 0..40 {
        simulate(seed, |simulation| MemoryBackend::new(simulation.store_clock()));
    }
    for seed in 0..10 {
        simulate(seed, |simulation| SqliteBackend::new(simulation.store_clock()));
    }
}

#[test]
fn a_check_of_ones_own_is_heard() {
    let report = Simulation::new(1)
        .build_engine(lumina_workflow_sim::Boot::engine)
        .check(|world| {
            let query = RunQuery {
                statuses: vec![RunStatus::Completed],
                limit: 1,
                ..RunQuery::default()
            };
            drop(world.store().runs(query));
            world.blame("nothing was sold");
        })
        .run();
    assert_eq!(report.violations, ["nothing was sold"]);
}
