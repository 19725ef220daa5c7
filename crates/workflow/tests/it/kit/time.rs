//! Time passes at once, in order, and only when told.

use std::time::Duration;

use lumina_workflow::testing::TestEngine;
use lumina_workflow::{StartOptions, StepError};

use super::shop::*;

const DAY: u64 = 24 * 3_600;

/// A day of waiting, with its deadline at the end of it. That it takes microseconds is measured
/// where speed is measured; here it must not take the patience of a person.
#[test]
fn a_day_passes_at_once() {
    let kit = TestEngine::new().register(Shop::default());
    let run = kit.start::<Shop>(&1);
    kit.run_until_wait(run, PAID);
    kit.advance("23h 59m 59s");
    kit.history(run).assert_steps([
        "reserve: done 1",
        "charge: started 1",
        "charge: done 1",
        "wait-for-payment: opened",
    ]);
    kit.advance("1s");
    kit.history(run)
        .assert_includes(["wait-for-payment: opened", "wait-for-payment: timed out"]);
    assert_eq!(kit.elapsed().as_secs(), DAY);
    assert!(kit.end::<Shop>(run).unwrap_err().is_timeout());
}

/// A month of a hundred runs: if it were not virtual, nobody would wait for it.
#[test]
fn many_runs_pass_many_days() {
    let kit = TestEngine::new().register(Shop::default());
    let runs: Vec<_> = (0..100).map(|_| kit.start::<Shop>(&1)).collect();
    kit.advance("30d");
    assert_eq!(kit.elapsed().as_secs(), 30 * DAY);
    for run in runs {
        assert!(kit.end::<Shop>(run).unwrap_err().is_timeout());
    }
}

/// Nothing happens until the test lets it, and settling takes no time.
#[test]
fn nothing_happens_by_itself() {
    let kit = TestEngine::new().register(Shop::default());
    let run = kit.start::<Shop>(&1);
    kit.history(run).assert_steps::<&str>([]);
    let booted = kit.elapsed();
    kit.settle();
    assert_eq!(kit.history(run).records().len(), 4);
    assert_eq!(kit.elapsed(), booted);
}

/// Backoff, a delayed start and an attempt's own time pass as declared.
#[test]
fn each_kind_of_time_passes() {
    let kit = TestEngine::new().register(Shop::default());
    kit.fail(RESERVE, 2, StepError::retry("busy"));
    kit.delay(CHARGE, "29s");
    let later = StartOptions::default().delay(Duration::from_secs(3_600));
    let run = kit.start_with::<Shop>(&1, later).run();
    let begun = kit.elapsed();
    kit.emit(run, "paid", &2);
    assert_eq!(kit.end::<Shop>(run), Ok(1));
    assert_eq!((kit.elapsed() - begun).as_secs(), 3_600 + 1 + 2 + 29);

    kit.delay(CHARGE, "31s");
    let run = kit.start::<Shop>(&1);
    assert!(kit.end::<Shop>(run).unwrap_err().is_unknown(), "its timeout is 30 s");
}

/// The same seed gives the same history, byte for byte.
#[test]
fn a_test_repeats_exactly() {
    let play = |seed| {
        let kit = TestEngine::seeded(seed).register(Shop::default());
        kit.fail(RESERVE, 2, StepError::retry("busy"));
        let run = kit.start::<Shop>(&1);
        kit.end::<Shop>(run).unwrap_err();
        kit.history(run).to_string()
    };
    assert_eq!(play(7), play(7));
    assert_ne!(play(7), play(8), "ids differ at least");
}

/// Futures of the test's own run on the kit's engine.
#[test]
fn a_future_of_the_test_runs_on_the_engine() {
    let kit = TestEngine::new().register(Shop::default());
    let engine = kit.engine();
    let ended = kit.block_on(async {
        let run = engine.start::<Shop>(&1, StartOptions::default()).await.unwrap().run();
        engine.wait_for_end(run).await.unwrap()
    });
    assert!(ended.unwrap_err().is_timeout());
}
