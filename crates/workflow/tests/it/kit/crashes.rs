//! Crashes at chosen places, and what is left of the process.

use std::sync::atomic::Ordering;

use lumina_workflow::store::{Delivery, RunStatus};
use lumina_workflow::testing::{CrashPoint, TestEngine};
use lumina_workflow::{Failure, Run, Step, Workflow};

use super::shop::*;

/// An ordinary step runs again unless its result was on record; what is recorded does not.
#[test]
fn a_crash_repeats_what_was_not_recorded() {
    let table = [
        (CrashPoint::BeforeCode, 2),
        (CrashPoint::BeforeRecord, 3),
        (CrashPoint::AfterRecord, 2),
    ];
    for (point, executed) in table {
        let shop = Shop::default();
        let mailed = shop.mailed.clone();
        let kit = TestEngine::new().register(shop);
        kit.crash_at(point, MAIL.key("bob"));
        let run = kit.start::<Shop>(&1);
        kit.emit(run, "paid", &1);
        assert_eq!(kit.end::<Shop>(run), Ok(0), "{point:?}");
        assert_eq!(mailed.load(Ordering::Relaxed), executed, "{point:?}");
        assert_eq!(kit.crashes(), 1, "{point:?}");
    }
}

/// An outside effect is never repeated: its outcome is unknown, or known.
#[test]
fn a_crash_leaves_an_effect_unknown() {
    let table = [
        (CrashPoint::BeforeCode, 0, true),
        (CrashPoint::BeforeRecord, 1, true),
        (CrashPoint::AfterRecord, 1, false),
    ];
    for (point, executed, unknown) in table {
        let shop = Shop::default();
        let charged = shop.charged.clone();
        let kit = TestEngine::new().register(shop);
        kit.crash_at(point, CHARGE);
        let run = kit.start::<Shop>(&1);
        kit.emit(run, "paid", &1);
        let end = kit.end::<Shop>(run);
        assert_eq!(end.is_err_and(|failure| failure.is_unknown()), unknown, "{point:?}");
        assert_eq!(charged.load(Ordering::Relaxed), executed, "{point:?}");
    }
}

/// An attachment's writes and its record are one: neither happens twice, neither without the other.
#[test]
fn a_crash_around_an_attachment() {
    for point in [
        CrashPoint::BeforeCode,
        CrashPoint::BeforeRecord,
        CrashPoint::AfterRecord,
    ] {
        let kit = TestEngine::new().register(Shop::default());
        kit.crash_at(point, BOOK);
        let run = kit.start::<Shop>(&1);
        kit.run_until_wait(run, PAID);
        kit.emit(run, "paid", &1);
        assert_eq!(kit.end::<Shop>(run), Ok(0), "{point:?}");
        assert_eq!(kit.memory().get("booked").unwrap().as_str(), "1");
        let done = kit
            .history(run)
            .lines()
            .iter()
            .filter(|line| line.starts_with("book:"))
            .count();
        assert_eq!(done, 1, "{point:?}");
    }
}

/// Between any two steps: the history is the same wherever the process died after a record.
#[test]
fn a_crash_after_any_record_changes_nothing() {
    let play = |crash: Option<Step>| {
        let kit = TestEngine::new().register(Shop::default());
        if let Some(step) = crash {
            kit.crash_at(CrashPoint::AfterRecord, step);
        }
        let run = kit.start::<Shop>(&1);
        kit.run_until_wait(run, PAID);
        kit.emit(run, "paid", &1);
        assert_eq!(kit.end::<Shop>(run), Ok(0));
        kit.history(run).lines()
    };
    let undisturbed = play(None);
    for step in [CHARGE, PAID, BOOK, MAIL] {
        assert_eq!(play(Some(step)), undisturbed, "after {}", step.name);
    }
}

/// The start of an effect shares a commit with the result before it, so a crash between the two
/// leaves it unknown.
#[test]
fn a_crash_before_an_effect_begins_leaves_it_unknown() {
    let shop = Shop::default();
    let charged = shop.charged.clone();
    let kit = TestEngine::new().register(shop);
    kit.crash_at(CrashPoint::AfterRecord, RESERVE);
    let run = kit.start::<Shop>(&1);
    assert!(kit.end::<Shop>(run).unwrap_err().is_unknown());
    kit.history(run)
        .assert_includes(["reserve: done 1", "charge: started 1", "charge: failed unknown"]);
    assert_eq!(charged.load(Ordering::Relaxed), 0);
}

/// While the process is dead nothing runs, and the store still takes what comes.
#[test]
fn the_store_outlives_the_process() {
    let kit = TestEngine::new().register(Shop::default());
    let run = kit.start::<Shop>(&1);
    kit.run_until_wait(run, PAID);
    kit.crash();
    assert_eq!(kit.emit(run, "paid", &1), Delivery::Routed(run));
    let other = kit.start::<Shop>(&1);
    kit.advance("1h");
    assert_eq!(
        (kit.status(run), kit.status(other)),
        (RunStatus::Waiting, RunStatus::Pending)
    );
    kit.restart();
    assert_eq!(kit.end::<Shop>(run), Ok(0));
    assert_eq!(kit.status(other), RunStatus::Waiting);
}

/// The shop as its next version: it no longer charges.
struct Free;

impl Workflow for Free {
    const NAME: &'static str = Shop::NAME;
    const STEPS: &'static [Step] = &[RESERVE, PAID];
    type Input = u32;
    type Output = u32;

    async fn run(&self, run: &Run, _: u32) -> Result<u32, Failure> {
        run.step(RESERVE, |_| async { Ok(()) }).await?;
        run.wait(PAID).await
    }
}

/// Code that does not fit an open run blocks it; code that fits lets it go on.
#[test]
fn a_deployed_version_meets_open_runs() {
    let kit = TestEngine::new().register(Shop::default());
    let run = kit.start::<Shop>(&1);
    kit.run_until_wait(run, PAID);
    kit.deploy(Free);
    kit.emit(run, "paid", &1);
    kit.settle();
    kit.history(run).assert_status(RunStatus::Blocked);
    kit.deploy(Shop::default());
    assert_eq!(kit.end::<Shop>(run), Ok(0));
}

#[test]
#[should_panic(expected = "a crash was planned and never came: AfterRecord of release")]
fn a_crash_that_never_comes_fails_the_test() {
    let kit = TestEngine::new().register(Shop::default());
    kit.crash_at(CrashPoint::AfterRecord, RELEASE);
    kit.settle();
}
