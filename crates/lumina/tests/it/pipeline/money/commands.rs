//! What people tell runs to do: cancel, pause, go back.

use std::time::Duration;

use lumina_workflow::{MayRepeat, RestartFrom, RunId, StepKey};

use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

const HOUR: Duration = Duration::from_secs(3_600);

impl Town {
    /// Sends the run back to where it first came to a step, whatever it repeats.
    fn restart_run(&self, run: RunId, step: Option<&str>) {
        let from = match step {
            Some(name) => RestartFrom::Step {
                name: name.to_owned(),
                key: Some(StepKey::Occurrence(1)),
            },
            None => RestartFrom::Beginning,
        };
        self.tell(async |engine| engine.restart(run, &from, "the test", MayRepeat::Effects).await);
    }

    fn places(&self) -> u64 {
        self.world.count(
            "SELECT (SELECT count(*) FROM lumina.batch WHERE state = 'holding') + (SELECT count(*) FROM lumina.enrichment_post WHERE out_until IS NOT NULL)",
        )
    }
}

/// A run that is sent back to its POST does not make it again: to pay twice is for `jobs retry` alone.
fn what_was_accepted_is_not_sent_again_by_a_restart(on: On) {
    for step in [Some("submit-to-fullenrich"), Some("batch-pending-jobs"), None] {
        let town = Town::start(on);
        town.send(0..3);
        let run = town.open_run();
        town.tell(async |engine| engine.pause(run, "the test").await);
        town.restart_run(run, step);
        town.pass(10 * MINUTE);
        assert_eq!(town.provider.posts().len(), 1, "{step:?}");
        town.call_back(&town.provider.accepted()[0].finished());
        town.pass(MINUTE);
        town.expect_jobs(&[("enriched", 3)]);
        assert_eq!((town.places(), town.failed_runs()), (0, 0));
    }
}

/// Nor does it shorten the window of one whose outcome is unknown, or send it a third time.
fn what_is_unknown_is_sent_once_more_however_often_the_run_is_sent_back(on: On) {
    let town = Town::start(on);
    town.provider.next([Fate::Lost]);
    town.send(0..3);
    let run = town.open_run();
    town.tell(async |engine| engine.pause(run, "the test").await);
    town.restart_run(run, Some("submit-to-fullenrich"));
    town.pass(HOUR);
    assert_eq!(town.provider.posts().len(), 1);
    town.pass(HOUR + 5 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2);
    town.tell(async |engine| engine.pause(run, "the test").await);
    town.restart_run(run, None);
    town.pass(5 * HOUR);
    assert_eq!(town.provider.posts().len(), 2);
    town.call_back(&town.provider.accepted()[0].finished());
    town.pass(MINUTE);
    town.expect_jobs(&[("enriched", 3)]);
}

/// A run that has ended and let go of its jobs has nothing to send when it is sent back.
fn a_run_that_let_go_of_its_jobs_sends_nothing(on: On) {
    let town = Town::start(on);
    town.world
        .import((0..3).map(|number| format!("person{number}@gmail.com")));
    town.provider
        .next(std::iter::repeat_n(Fate::Answered(429, serde_json::json!({})), 2));
    town.pass(Duration::from_secs(5));
    let run = town.open_run();
    town.tell(async |engine| engine.cancel(run, "the test").await);
    town.pass(3 * MINUTE);
    for step in [Some("submit-to-fullenrich"), Some("batch-pending-jobs"), None] {
        town.restart_run(run, step);
        town.pass(3 * MINUTE);
    }
    let sent: usize = town.provider.accepted().iter().map(|post| post.emails().len()).sum();
    assert_eq!(sent, 3, "by the run that took them up");
    town.call_back(&town.provider.accepted()[0].finished());
    town.expect_jobs(&[("enriched", 3)]);
    assert_eq!((town.places(), town.failed_runs()), (0, 0));
}

/// Wherever a run is cancelled: what was not sent is sent by another one, and nobody twice; places are given back.
fn wherever_a_run_is_cancelled_nobody_is_lost_or_bought_twice(on: On) {
    let busy = || Fate::Answered(429, serde_json::json!({}));
    let moments: [(&str, Vec<Fate>, Duration); 6] = [
        ("lingering", vec![], Duration::from_secs(1)),
        ("between attempts", vec![busy(), busy()], Duration::from_secs(5)),
        ("on its way", vec![Fate::AcceptedHeld], Duration::from_secs(5)),
        ("out", vec![], MINUTE),
        ("unknown", vec![Fate::AcceptedUnheard], MINUTE),
        (
            "the second on its way",
            vec![Fate::AcceptedUnheard, Fate::AcceptedHeld],
            2 * HOUR + Duration::from_secs(5),
        ),
    ];
    for (moment, fates, after) in moments {
        let town = Town::start(on);
        town.provider.next(fates);
        town.world
            .import((0..3).map(|number| format!("person{number}@gmail.com")));
        town.pass(after);
        let run = town.open_run();
        town.tell(async |engine| engine.cancel(run, "the test").await);
        town.pass(10 * MINUTE);
        for post in town.provider.accepted() {
            town.call_back(&post.finished());
        }
        town.pass(MINUTE);
        town.expect_jobs(&[("enriched", 3)]);
        let wanted = if moment.starts_with("the second") { 2 } else { 1 };
        assert_eq!(town.provider.accepted().len(), wanted, "{moment}");
        town.pass(3 * HOUR);
        assert_eq!(town.provider.accepted().len(), wanted, "{moment}");
        assert_eq!(town.places(), 0, "{moment}");
        assert_eq!(town.leads(), 3);
    }
}

/// A cancelled run's open batch takes nobody up any more.
fn who_comes_after_a_cancel_has_another_batch(on: On) {
    let town = Town::start(on);
    town.world
        .import((0..3).map(|number| format!("person{number}@gmail.com")));
    let run = town.world.runs(lumina_workflow::store::RunStatus::Pending)[0].id;
    town.tell(async |engine| engine.cancel(run, "the test").await);
    town.world
        .import((3..5).map(|number| format!("person{number}@gmail.com")));
    town.pass(3 * MINUTE);
    for post in town.provider.accepted() {
        town.call_back(&post.finished());
    }
    town.expect_jobs(&[("enriched", 5)]);
}

/// A run that was sent back reaches its second POST by a shorter way. Cancelled while that is under way, it still knows
/// which one is in doubt.
fn a_run_that_was_sent_back_knows_which_post_is_in_doubt(on: On) {
    let town = Town::with(on, |settings| settings.max_in_flight = 1);
    let busy = || Fate::Answered(429, serde_json::json!({}));
    town.provider
        .next([Fate::Lost, Fate::Accepted, busy(), Fate::AcceptedHeld]);
    town.send(0..3);
    let run = town.open_run();
    // Another batch takes the place, so that the first has to wait in line for it.
    town.tell(async |engine| engine.pause(run, "the test").await);
    town.pass(2 * HOUR);
    town.send(3..103);
    town.tell(async |engine| engine.resume(run, "the test").await);
    town.pass(MINUTE);
    town.call_back(&town.provider.accepted()[0].finished());
    assert_eq!(
        town.provider.posts().len(),
        3,
        "the second time it is made ready, and has not left"
    );
    town.tell(async |engine| engine.pause(run, "the test").await);
    town.restart_run(run, Some("submit-to-fullenrich"));
    town.pass(2 * HOUR + Duration::from_secs(10));
    assert_eq!(town.provider.posts().len(), 4);
    town.tell(async |engine| engine.cancel(run, "the test").await);
    town.pass(5 * MINUTE);
    let last = town.provider.accepted()[1].clone();
    assert_eq!(town.call_back(&last.finished()), "late");
    town.expect_jobs(&[("enriched", 103)]);
}

on_each_database![
    what_was_accepted_is_not_sent_again_by_a_restart,
    what_is_unknown_is_sent_once_more_however_often_the_run_is_sent_back,
    a_run_that_let_go_of_its_jobs_sends_nothing,
    wherever_a_run_is_cancelled_nobody_is_lost_or_bought_twice,
    who_comes_after_a_cancel_has_another_batch,
    a_run_that_was_sent_back_knows_which_post_is_in_doubt,
];
