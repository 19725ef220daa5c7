//! What a failing assertion says.

use std::panic::{AssertUnwindSafe, catch_unwind};

use lumina_workflow::store::RunStatus;
use lumina_workflow::testing::{History, TestEngine};
use lumina_workflow::{Failure, Run, RunId, Step, StepError, Workflow};

use super::shop::*;

fn said(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).expect_err("the assertion fails");
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => (*panic.downcast::<&str>().expect("a panic has a text")).to_owned(),
    }
}

fn failed() -> (TestEngine, RunId) {
    let kit = TestEngine::new().register(Shop::default());
    kit.fail(RESERVE, 1, StepError::retry("busy").with_code(503));
    kit.fail(CHARGE, 1, StepError::fail("the card has expired"));
    kit.stub(RELEASE, |_| Ok(()));
    let run = kit.start::<Shop>(&1);
    kit.end::<Shop>(run).expect_err("the card has expired");
    (kit, run)
}

/// The whole text, so that a change of it is seen.
#[test]
fn a_difference_is_shown_with_the_whole_history() {
    let (kit, run) = failed();
    let text = said(|| {
        kit.history(run)
            .assert_steps(["reserve: again after 1 in 1s", "reserve: done 2", "charge: done 1"]);
    });
    let expected = format!(
        "line 3 of the history is not as expected
  expected: charge: done 1
  found:    charge: started 1
run {run} of shop is failed: step charge: the card has expired
           +0s  reserve: again after 1 in 1s  busy (code 503) (Exponential backoff of up to 1s)
           +1s  reserve: done 2  null
           +1s  charge: started 1
           +1s  charge: failed for good  the card has expired (the error is final)
           +1s  failing for good  step charge: the card has expired
           +1s  ! release: done 1  null
"
    );
    assert_eq!(text, expected);
}

#[test]
fn each_assertion_says_what_is_missing() {
    let (kit, run) = failed();
    type Assertion = fn(&History) -> &History;
    let table: [(Assertion, &str); 6] = [
        (
            |h| h.assert_steps(["reserve: again after 1 in 1s"]),
            "expected: nothing more\n  found:    reserve: done 2",
        ),
        (
            |h| h.assert_steps(h.lines().into_iter().chain(["x".to_owned()])),
            "expected: x\n  found:    nothing more",
        ),
        (
            |h| h.assert_includes(["charge: done 1"]),
            "`charge: done 1` does not come in the history",
        ),
        (
            |h| h.assert_includes(["reserve: done 2", "reserve: again after 1 in 1s"]),
            "`reserve: again after 1 in 1s` does not come after `reserve: done 2`",
        ),
        (
            |h| h.assert_lacks(CHARGE),
            "step charge was reached, and should not have been",
        ),
        (|h| h.assert_status(RunStatus::Completed), "the run is not completed"),
    ];
    for (assertion, expected) in table {
        let text = said(|| {
            assertion(&kit.history(run));
        });
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("! release: done 1"), "the history is told: {text}");
    }
}

/// What cannot come is said, with the history, instead of a test that hangs.
#[test]
fn what_cannot_come_is_said() {
    let kit = TestEngine::new().register(Shop::default());
    kit.stub(CHARGE, |_| Ok("three"));
    let run = kit.start::<Shop>(&1);
    let text = said(|| drop(kit.end::<Shop>(run)));
    assert!(
        text.contains("the end cannot come") && text.contains("is blocked: step charge"),
        "{text}"
    );

    let (kit, run) = failed();
    let text = said(|| kit.run_until_wait(run, PAID));
    assert!(
        text.contains("the run has ended without waiting at wait-for-payment"),
        "{text}"
    );

    let kit = TestEngine::new();
    let text = said(|| {
        kit.start::<Shop>(&1);
    });
    assert!(
        text.contains("shop cannot be started: no workflow named shop is registered here"),
        "{text}"
    );

    let kit = TestEngine::new().register(Shop::default());
    let text = said(|| kit.block_on(std::future::pending()));
    assert!(text.contains("did not end within a year"), "{text}");
}

/// Answers with more than anybody wants to read.
struct Long;

impl Workflow for Long {
    const NAME: &'static str = "long";
    const STEPS: &'static [Step] = &[RESERVE];
    type Input = ();
    type Output = ();

    async fn run(&self, run: &Run, (): ()) -> Result<(), Failure> {
        run.step(RESERVE, |_| async { Ok("ä".repeat(500)) }).await.map(drop)
    }
}

/// Long results are cut, so that a history stays readable.
#[test]
fn a_long_result_is_cut() {
    let kit = TestEngine::new().register(Long);
    let run = kit.start::<Long>(&());
    kit.settle();
    let told = kit.history(run).to_string();
    assert!(
        told.contains("ää ... (1002 bytes)") && !told.contains(&"ä".repeat(50)),
        "{told}"
    );
}
