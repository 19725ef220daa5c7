//! A test's hand in the engine: what it sees, and what follows from what it does.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lumina_workflow::deterministic::DeterministicRuntime;
use lumina_workflow::store::memory::{self, MemoryStore};
use lumina_workflow::testing::{AttemptPoint, Interceptor, Intervention, RecordPoint};
use lumina_workflow::{
    Engine, Failure, FailureKind, Payload, Retry, Run, RunId, Runtime, StartOptions, Step, StepError, StoreClock,
    WorkerOptions, Workflow,
};

const ACTION: Step = Step::action("action")
    .timeout("10s")
    .retry(Retry::constant(2).without_jitter());
const EFFECT: Step = Step::action("effect")
    .outside_effect()
    .timeout("10s")
    .retry(Retry::constant(2).without_jitter());
const GATED: Step = Step::action("gated");
const IN_TX: Step = Step::action("in-tx").retry(Retry::constant(2).without_jitter());
const NAP: Step = Step::sleep("nap");

/// One step of each kind that has code, and a sleep.
struct Each;

impl Workflow for Each {
    const NAME: &'static str = "each";
    const STEPS: &'static [Step] = &[ACTION, EFFECT, GATED, IN_TX, NAP];
    type Input = ();
    type Output = [u32; 4];

    async fn run(&self, run: &Run, (): ()) -> Result<[u32; 4], Failure> {
        let action = run.step(ACTION.key("k"), |_| async { Ok(1) }).await?;
        let effect = run.step(EFFECT, |_| async { Ok(1) }).await?;
        let gated = run
            .gated_step(GATED, || async { Ok(1) }, |_, permit| async move { Ok(permit) })
            .await?;
        let write = memory::attach(|tx| {
            tx.put("written", Payload::null());
            Ok(Payload::from_stored("1"))
        });
        let in_tx = run.step_in_tx(IN_TX, write).await?;
        run.sleep(NAP, Duration::from_secs(60)).await;
        Ok([action, effect, gated, in_tx])
    }
}

type Rule = Box<dyn Fn(&AttemptPoint<'_>) -> Intervention + Send + Sync>;

/// Notes what it sees, and rules over attempts.
struct Hand {
    seen: Mutex<Vec<String>>,
    rule: Rule,
    skips: bool,
}

impl Hand {
    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.seen.lock().expect("nobody panics while holding it")
    }

    fn note(&self, text: String) {
        self.lock().push(text);
    }

    fn seen(&self) -> Vec<String> {
        self.lock().clone()
    }
}

impl Interceptor for Hand {
    fn attempt(&self, point: &AttemptPoint<'_>) -> Intervention {
        assert_eq!(
            (point.workflow, point.declared.name),
            ("each", point.step.name.as_str())
        );
        let tx = if point.in_tx { " in tx" } else { "" };
        let AttemptPoint { step, attempt, .. } = point;
        self.note(format!(
            "{} {} {} {attempt}{tx}",
            step.kind.as_str(),
            step.name,
            step.key
        ));
        (self.rule)(point)
    }

    fn skips_gate(&self, _: &AttemptPoint<'_>) -> bool {
        self.skips
    }

    fn recording(&self, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        self.note(format!("recording {}", row(&point)));
        Box::pin(std::future::ready(()))
    }

    fn recorded(&self, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        self.note(format!("recorded {}", row(&point)));
        Box::pin(std::future::ready(()))
    }
}

fn row(point: &RecordPoint<'_>) -> String {
    let row = point.record.what.to_row();
    let payload = row
        .payload
        .map_or_else(String::new, |payload| format!(" {}", payload.as_str()));
    let step = point.declared.map_or("run", |step| step.name);
    format!("{step} {}{payload}", row.what)
}

/// What came of a run, and how long it took.
struct Played {
    end: Result<[u32; 4], Failure>,
    took: Duration,
    seen: Vec<String>,
    written: bool,
}

fn play(rule: impl Fn(&AttemptPoint<'_>) -> Intervention + Send + Sync + 'static, skips: bool) -> Played {
    let hand = Arc::new(Hand {
        seen: Mutex::default(),
        rule: Box::new(rule),
        skips,
    });
    let runtime = DeterministicRuntime::new(1);
    let shared: Arc<dyn Runtime> = Arc::new(runtime.clone());
    let store = Arc::new(MemoryStore::new(StoreClock::of(shared.clone())));
    let builder = Engine::builder(store.clone(), shared)
        .register(Each)
        .expect("the steps are sound")
        .intercept(hand.clone());
    let (end, took) = runtime
        .block_on(async {
            let engine = builder.build().await.expect("the store answers");
            let _worker = engine.start_worker(WorkerOptions::default());
            let started = engine.start::<Each>(&(), StartOptions::default()).await;
            let run: RunId = started.expect("the run starts").run();
            let end = engine.wait_for_end(run).await.expect("the run is there");
            let row = engine
                .run(run)
                .await
                .expect("the store answers")
                .expect("the run is there");
            (
                end,
                Duration::try_from(row.finished_at.expect("it has ended").duration_since(row.created_at))
                    .expect("nothing ends before its start"),
            )
        })
        .expect("the run ends");
    runtime.drop_tasks();
    let end = end.map(|output| output.decode().expect("it ends with numbers"));
    Played {
        end,
        took,
        seen: hand.seen(),
        written: store.get("written").is_some(),
    }
}

fn answer(value: u32) -> Intervention {
    Intervention::Answer(Ok(Payload::encode(&value).expect("a number has a JSON form")))
}

fn only(
    step: Step,
    then: impl Fn(u32) -> Intervention + Send + Sync + 'static,
) -> impl Fn(&AttemptPoint<'_>) -> Intervention + Send + Sync + 'static {
    move |point| {
        if *point.declared == step {
            then(point.attempt)
        } else {
            Intervention::Pass
        }
    }
}

/// Each attempt before its code, each record before and after it is durable, a transaction's
/// result once it is known.
#[test]
fn it_sees_everything_in_order() {
    let played = play(|_| Intervention::Pass, false);
    assert_eq!(played.end, Ok([1, 1, 1, 1]));
    assert!(played.written);
    assert_eq!(
        played.seen,
        [
            "action action =k 1",
            "recording action completed 1",
            "recording effect attempt_started",
            "recorded action completed 1",
            "recorded effect attempt_started",
            "effect effect #1 1",
            "recording effect completed 1",
            "recorded effect completed 1",
            "action gated #1 1",
            "action in-tx #1 1 in tx",
            "recording gated completed 1",
            "recording in-tx completed",
            "recorded gated completed 1",
            "recorded in-tx completed 1",
        ]
        .into_iter()
        .chain([
            "recording nap opened",
            "recorded nap opened",
            "recording nap completed null",
            "recorded nap completed null"
        ])
        .collect::<Vec<_>>()
    );
}

/// Every kind of step takes a replaced result, and its code does not run.
#[test]
fn a_result_can_be_replaced() {
    for (place, step) in [ACTION, EFFECT, GATED, IN_TX].into_iter().enumerate() {
        for skips in [false, true] {
            let played = play(only(step, |_| answer(9)), skips && step == GATED);
            let mut expected = [1; 4];
            expected[place] = 9;
            assert_eq!(played.end, Ok(expected), "{}", step.name);
            assert_eq!(played.written, step != IN_TX, "an answered attachment writes nothing");
        }
    }
}

/// A replaced error is judged by the step's policy, and a failing transaction leaves no write.
#[test]
fn an_error_can_be_replaced() {
    let retry = |attempt| match attempt {
        1 => Intervention::Answer(Err(StepError::retry("on purpose"))),
        _ => Intervention::Pass,
    };
    for step in [ACTION, EFFECT, IN_TX] {
        let played = play(only(step, retry), false);
        assert_eq!(played.end, Ok([1; 4]), "{}", step.name);
        assert_eq!(played.took.as_secs(), 61, "a second of backoff, and the nap");
    }
    for step in [ACTION, EFFECT, GATED, IN_TX] {
        let played = play(
            only(step, |_| Intervention::Answer(Err(StepError::fail("on purpose")))),
            false,
        );
        let failure = played.end.unwrap_err();
        assert_eq!((failure.step.as_deref(), failure.attempts), (Some(step.name), 1));
        assert!(!played.written);
    }
}

/// A panic is an end like that of code that panics: fail, and of an outside effect unknown.
#[test]
fn a_panic_can_be_played() {
    for (step, kind) in [
        (ACTION, FailureKind::Failed),
        (EFFECT, FailureKind::Unknown),
        (GATED, FailureKind::Failed),
        (IN_TX, FailureKind::Failed),
    ] {
        let played = play(only(step, |_| Intervention::Panic("on purpose".to_owned())), false);
        let failure = played.end.unwrap_err();
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (kind, "the code panicked: on purpose"),
            "{}",
            step.name
        );
        assert!(!played.written);
    }
}

/// A delay passes on the runtime, and an attempt's timeout runs meanwhile.
#[test]
fn an_attempt_can_be_delayed() {
    for step in [ACTION, EFFECT, GATED, IN_TX] {
        let played = play(only(step, |_| Intervention::Pass.after(Duration::from_secs(9))), false);
        assert_eq!(played.end, Ok([1; 4]), "{}", step.name);
        assert_eq!(played.took.as_secs(), 69, "{}", step.name);
    }
    let late = |_| Intervention::Pass.after(Duration::from_secs(11));
    let failure = play(only(ACTION, late), false).end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Failed, 2));
    let failure = play(only(EFFECT, late), false).end.unwrap_err();
    assert_eq!((failure.kind, failure.attempts), (FailureKind::Unknown, 1));
}

/// Code that runs needs its gate's permit; a gate that was skipped all the same is told as a panic.
#[test]
fn a_skipped_gate_needs_an_answer() {
    let failure = play(|_| Intervention::Pass, true).end.unwrap_err();
    assert_eq!(failure.step.as_deref(), Some("gated"));
    assert!(
        failure.message.contains("the gate's own answer is handed on"),
        "{failure}"
    );
}
