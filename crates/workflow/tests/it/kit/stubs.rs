//! Stubs, planned failures, and how they are counted.

use std::sync::atomic::Ordering;

use lumina_workflow::StepError;
use lumina_workflow::store::RunStatus;
use lumina_workflow::testing::TestEngine;

use super::shop::*;

/// A stub stands in for the code, which does not run; the others do.
#[test]
fn a_stub_answers_for_the_code() {
    let shop = Shop::default();
    let (reserved, charged) = (shop.reserved.clone(), shop.charged.clone());
    let kit = TestEngine::new().register(shop);
    kit.stub(CHARGE, |_| Ok(3));
    let run = kit.start::<Shop>(&10);
    kit.emit(run, "paid", &13);
    assert_eq!(kit.end::<Shop>(run), Ok(10));
    assert_eq!(
        (reserved.load(Ordering::Relaxed), charged.load(Ordering::Relaxed)),
        (1, 0)
    );
    assert_eq!((kit.attempts(CHARGE), kit.stubbed_attempts(CHARGE)), (1, 1));
    assert_eq!((kit.attempts(RESERVE), kit.stubbed_attempts(RESERVE)), (1, 0));
}

/// A key narrows a stub to one of several; without one it is for all of them.
#[test]
fn a_stub_is_for_a_key_or_for_all() {
    let kit = TestEngine::new().register(Shop::default());
    kit.fail(MAIL.key("bob"), 1, StepError::fail("no such mailbox"));
    let run = kit.start::<Shop>(&1);
    kit.emit(run, "paid", &1);
    let failure = kit.end::<Shop>(run).unwrap_err();
    assert_eq!(failure.message, "no such mailbox");
    assert_eq!((kit.attempts(MAIL.key("ada")), kit.attempts(MAIL)), (1, 2));
    kit.history(run)
        .assert_includes(["mail =ada: done 1", "mail =bob: failed for good"]);
}

/// What was said last counts, a planned failure until it is used up.
#[test]
fn what_was_said_last_counts() {
    let kit = TestEngine::new().register(Shop::default());
    kit.stub_each(CHARGE, [Ok(1), Ok(2), Err(StepError::fail("closed"))]);
    kit.fail(RESERVE, 2, StepError::retry("busy"));
    let mut gains = Vec::new();
    for _ in 0..4 {
        let run = kit.start::<Shop>(&9);
        kit.emit(run, "paid", &10);
        gains.push(kit.end::<Shop>(run).ok());
    }
    assert_eq!(gains, [Some(9), Some(8), None, None]);
    assert_eq!(kit.attempts(RESERVE), 6, "two of them failed");
    kit.unstub(CHARGE);
    let run = kit.start::<Shop>(&9);
    kit.emit(run, "paid", &10);
    assert_eq!(kit.end::<Shop>(run), Ok(1));
}

/// An attachment that is answered for writes nothing, whatever the answer is.
#[test]
fn an_answered_attachment_writes_nothing() {
    for answer in [Ok(()), Err(StepError::fail("no"))] {
        let kit = TestEngine::new().register(Shop::default());
        kit.stub_each(BOOK, [answer.clone()]);
        let run = kit.start::<Shop>(&1);
        kit.emit(run, "paid", &1);
        assert_eq!(kit.end::<Shop>(run).is_ok(), answer.is_ok());
        assert_eq!(kit.memory().get("booked"), None);
        assert_eq!(kit.stubbed_attempts(BOOK), 1);
    }
    let kit = TestEngine::new().register(Shop::default());
    let run = kit.start::<Shop>(&1);
    kit.emit(run, "paid", &1);
    kit.end::<Shop>(run).unwrap();
    assert_eq!(kit.memory().get("booked").unwrap().as_str(), "1");
}

/// The gate of a stubbed step is not asked: this one would refuse.
#[test]
fn a_stub_skips_the_gate() {
    let kit = TestEngine::new().register(Shop::default());
    kit.fail(RESERVE, 3, StepError::retry("busy"));
    let run = kit.start::<Shop>(&1);
    let failure = kit.end::<Shop>(run).unwrap_err();
    assert_eq!(
        failure.handler.expect("the handler failed as well").message,
        "no permit"
    );

    kit.stub(RELEASE, |_| Ok(()));
    kit.fail(RESERVE, 3, StepError::retry("busy"));
    let run = kit.start::<Shop>(&1);
    assert_eq!(kit.end::<Shop>(run).unwrap_err().handler, None);
    kit.history(run)
        .assert_includes(["failing for good", "! release: done 1"]);
}

/// A stub whose answer does not fit blocks the run, as a changed type would.
#[test]
fn an_answer_that_does_not_fit_blocks_the_run() {
    let kit = TestEngine::new().register(Shop::default());
    kit.stub(CHARGE, |_| Ok("three"));
    let run = kit.start::<Shop>(&1);
    kit.settle();
    kit.history(run).assert_status(RunStatus::Blocked);
    assert!(kit.row(run).blocked.unwrap().contains("charge"));
}
