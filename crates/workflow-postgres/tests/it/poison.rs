//! A change that the database never takes costs nobody but who made it.

use std::sync::Arc;

use lumina_workflow::store::StoreError;
use lumina_workflow::{Engine, EngineError, Failure, Run, StartOptions, Step, StepError, TokioRuntime, Workflow};
use lumina_workflow_postgres::testing::Database;

use crate::opened::*;

const WORK: Step = Step::action("work");

struct Worker;

impl Workflow for Worker {
    const NAME: &'static str = "poison";
    const STEPS: &'static [Step] = &[WORK];
    type Input = String;
    type Output = String;

    async fn run(&self, run: &Run, input: String) -> Result<String, Failure> {
        run.step(WORK, move |_| std::future::ready(Ok::<_, StepError>(input.clone())))
            .await
    }
}

/// Whatever the reason: this one's row is refused.
const REFUSE: &str = "CREATE FUNCTION lumina.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     IF NEW.input LIKE '%poison%' THEN RAISE EXCEPTION 'this row is poisoned'; END IF; RETURN NEW; END $$; \
     CREATE TRIGGER refuse BEFORE INSERT ON lumina.workflow_run FOR EACH ROW EXECUTE FUNCTION lumina.refuse()";

#[tokio::test]
async fn a_poisoned_change_fails_alone() {
    let database = Database::fresh();
    let store = open(database.options()).await;
    database.execute(REFUSE);
    let engine = Engine::builder(Arc::new(store.clone()), Arc::new(TokioRuntime::current()));
    let engine = engine.register(Worker).unwrap().build().await.unwrap();
    let starts = (0..60).map(|number| {
        let input = if number % 20 == 13 {
            "poison".to_owned()
        } else {
            number.to_string()
        };
        let engine = &engine;
        async move {
            let started = engine.start::<Worker>(&input, StartOptions::default()).await;
            (input, started)
        }
    });
    for (input, started) in futures_util::future::join_all(starts).await {
        match started {
            Ok(_) => assert_ne!(input, "poison"),
            Err(EngineError::Store(StoreError::Broken(said))) => {
                assert!(input == "poison" && said.contains("poisoned"), "{input}: {said}");
            }
            Err(error) => panic!("{input}: {error}"),
        }
    }
    assert_eq!(runs(&store).await.len(), 57);
}
