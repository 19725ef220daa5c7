//! What may be spent.

use std::time::Duration;

use lumina::records::Budgets;
use lumina::workflows::SWEEP;
use serde_json::Value;

use super::{Fate, MINUTE, Town};
use crate::pipeline::world::{On, on_each_database};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn with_budgets(on: On, per_day: Option<u64>, per_month: Option<u64>) -> Town {
    Town::with(on, |settings| settings.budgets = Budgets { per_day, per_month })
}

fn answer_all(town: &Town) {
    for post in town.provider.accepted() {
        town.call_back(&post.finished());
    }
}

/// The day's and the month's budget bound what is sent; whatever is above it waits for the next one and says why.
fn a_month_bounds_more_than_its_days(on: On) {
    // The world begins on the first of a month.
    let mut town = Town::with(on, |settings| {
        settings.budgets = Budgets {
            per_day: Some(40),
            per_month: Some(100),
        };
        settings.sweep_every = DAY / 4;
    });
    town.send(0..300);
    town.hush();
    let mut sent = Vec::new();
    for _ in 0..4 {
        answer_all(&town);
        sent.push(
            town.provider
                .accepted()
                .iter()
                .map(|post| post.emails().len())
                .sum::<usize>(),
        );
        town.pass(DAY);
    }
    assert_eq!(sent, [40, 80, 100, 100]);
    let reason: String = town
        .world
        .value("SELECT DISTINCT reason FROM lumina.enrichment_job WHERE status = 'pending'");
    assert_eq!(
        reason,
        "waits for the next month's budget (enrichment.budget.per_month)"
    );
    assert_eq!(town.failed_runs(), 0);
    town.world.pass_months(30 * DAY);
    answer_all(&town);
    let all: usize = town.provider.accepted().iter().map(|post| post.emails().len()).sum();
    assert!(all > 100, "another month has begun");
}

/// Whoever is not found costs nothing: what was reserved for them can be spent on others the same day.
fn what_was_not_charged_can_be_spent(on: On) {
    let town = with_budgets(on, Some(40), None);
    town.send(0..100);
    let first = town.provider.accepted()[0].clone();
    assert_eq!(first.emails().len(), 40);
    town.call_back(&first.body("FINISHED", |_| Some(Value::Null)));
    town.pass(3 * MINUTE);
    let posts = town.provider.accepted();
    assert_eq!(
        posts.iter().map(|post| post.emails().len()).collect::<Vec<_>>(),
        [40, 40]
    );
}

/// What was sent and not answered may have been charged: it counts in full, as often as it was sent.
fn what_is_unknown_counts_each_time(on: On) {
    let town = Town::with(on, |settings| {
        settings.budgets.per_day = Some(50);
        settings.sweep_every = 10 * MINUTE;
    });
    town.hush();
    town.provider.next([Fate::Lost]);
    town.send(0..30);
    town.pass(Duration::from_secs(2 * 3_600) + 3 * MINUTE);
    assert_eq!(town.provider.posts().len(), 1, "30 are spent, and 30 more are above 50");
    town.pass(DAY);
    assert_eq!(town.provider.posts().len(), 2, "another day");
    answer_all(&town);
    town.expect_jobs(&[("enriched", 30)]);
}

/// The balance bounds what is sent, with what is out counted as spent.
fn the_balance_bounds_what_is_sent(on: On) {
    let town = Town::start(on);
    town.provider.set_balance(120);
    town.send(0..300);
    let sent: Vec<usize> = town
        .provider
        .accepted()
        .iter()
        .map(|post| post.emails().len())
        .collect();
    assert_eq!(sent, [100, 20]);
    assert_eq!(town.pauses().len(), 1);
    town.provider.set_balance(0);
    answer_all(&town);
    town.pass(40 * MINUTE);
    assert_eq!(town.provider.posts().len(), 2);
    town.provider.set_balance(1_000);
    town.pass(20 * MINUTE);
    for _ in 0..3 {
        answer_all(&town);
        town.pass(20 * MINUTE);
    }
    town.expect_jobs(&[("enriched", 300)]);
}

/// A batch that was made ready before midnight and is sent after it counts on the day on which it is sent.
fn a_post_counts_on_the_day_on_which_it_is_made(on: On) {
    let town = with_budgets(on, Some(40), None);
    town.hush();
    // Until a minute before midnight nothing is accepted.
    pass_to(&town, 20 * MINUTE);
    town.provider
        .next(std::iter::repeat_n(Fate::Answered(503, serde_json::json!({})), 3));
    town.world
        .import((0..40).map(|number| format!("person{number}@gmail.com")));
    town.pass(25 * MINUTE);
    answer_all(&town);
    let posts = town.provider.accepted();
    assert_eq!(posts.len(), 1);
    let days: String = town
        .world
        .value("SELECT string_agg(day, ',') FROM lumina.credit_ledger");
    assert_eq!(days, posts[0].at.strftime("%Y-%m-%d").to_string());
}

fn now(town: &Town) -> jiff::Timestamp {
    lumina_workflow::Runtime::now(&town.world.runtime)
}

/// Until so long before the next day begins. Nothing is swept on the way: nobody is there to be swept.
fn pass_to(town: &Town, before_midnight: Duration) {
    town.tell(async |engine| engine.pause_schedule(SWEEP, "the test").await);
    let midnight = now(town).strftime("%Y-%m-%dT00:00:00Z").to_string();
    let midnight = midnight.parse::<jiff::Timestamp>().unwrap() + DAY;
    let left = Duration::try_from(midnight.duration_since(now(town))).unwrap();
    town.pass(left - before_midnight);
    town.tell(async |engine| engine.resume_schedule(SWEEP, "the test").await);
}

fn pass_to_next_day(town: &Town) {
    pass_to(town, Duration::ZERO);
}

/// A budget that is smaller after a restart holds for what is ready to be sent as well: what is above it is not sent,
/// and takes no place from what is within it.
fn a_smaller_budget_holds_for_what_is_ready_to_be_sent(on: On) {
    for days_later in [false, true] {
        let mut town = with_budgets(on, Some(100), None);
        town.hush();
        town.provider.next([Fate::Answered(429, serde_json::json!({}))]);
        town.world
            .import((0..100).map(|number| format!("person{number}@gmail.com")));
        town.pass(Duration::from_secs(5));
        let run = town.open_run();
        town.tell(async |engine| engine.pause(run, "the test").await);
        if days_later {
            pass_to_next_day(&town);
        }
        town.world.restart_with(|settings| settings.budgets.per_day = Some(40));
        town.tell(async |engine| engine.resume(run, "the test").await);
        town.pass(5 * MINUTE);
        let sent = |town: &Town| -> Vec<usize> {
            let posts = town.provider.accepted();
            posts.iter().map(|post| post.emails().len()).collect()
        };
        assert_eq!(sent(&town), [40], "{days_later}");
        answer_all(&town);
        pass_to_next_day(&town);
        town.pass(5 * MINUTE);
        assert_eq!(sent(&town), [40, 40]);
        assert_eq!(town.failed_runs(), 0);
    }
}

/// A second POST that no day can pay for is cut to what one can, and does not wait for ever.
fn a_second_post_is_cut_to_what_a_day_can_pay_for(on: On) {
    let mut town = with_budgets(on, Some(50), None);
    town.hush();
    town.provider.next([Fate::Lost]);
    town.send(0..30);
    town.world.restart_with(|settings| settings.budgets.per_day = Some(20));
    pass_to_next_day(&town);
    town.pass(3 * 60 * MINUTE);
    let posts = town.provider.accepted();
    assert_eq!(posts.iter().map(|post| post.emails().len()).collect::<Vec<_>>(), [20]);
    answer_all(&town);
    town.expect_jobs(&[("enriched", 20), ("stale", 10)]);
}

/// What is out counts as spent, also when its run was cancelled: it may be charged after the balance was read.
fn what_a_cancelled_run_has_out_counts_against_the_balance(on: On) {
    let town = Town::start(on);
    town.provider.set_balance(150);
    town.send(0..100);
    let run = town.open_run();
    town.tell(async |engine| engine.cancel(run, "the test").await);
    town.send(100..200);
    let sent = town.provider.accepted();
    assert_eq!(
        sent.iter().map(|post| post.emails().len()).collect::<Vec<_>>(),
        [100, 50]
    );
}

/// One of unknown outcome counts on the day on which it was made, not on which that is noticed or told.
fn an_unknown_post_counts_on_the_day_on_which_it_was_made(on: On) {
    for is_told in [false, true] {
        let mut town = with_budgets(on, Some(40), None);
        town.hush();
        pass_to(&town, Duration::from_secs(20));
        town.provider.next([Fate::AcceptedHeld]);
        town.world
            .import((0..40).map(|number| format!("person{number}@gmail.com")));
        town.pass(Duration::from_secs(10));
        let post = town.provider.accepted()[0].clone();
        if is_told {
            town.pass(Duration::from_secs(20));
            town.world.call_back(
                "/contact",
                &post.body("IN_PROGRESS", |email| {
                    email.starts_with("person0").then_some(Value::Null)
                }),
            );
        } else {
            town.pass(2 * MINUTE);
            town.world.restart();
        }
        town.pass(MINUTE);
        let days: String = town
            .world
            .value("SELECT string_agg(day, ',') FROM lumina.credit_ledger");
        assert_eq!(days, post.at.strftime("%Y-%m-%d").to_string(), "{is_told}");
    }
}

on_each_database![
    a_month_bounds_more_than_its_days,
    what_was_not_charged_can_be_spent,
    what_is_unknown_counts_each_time,
    the_balance_bounds_what_is_sent,
    a_post_counts_on_the_day_on_which_it_is_made,
    a_smaller_budget_holds_for_what_is_ready_to_be_sent,
    a_second_post_is_cut_to_what_a_day_can_pay_for,
    what_a_cancelled_run_has_out_counts_against_the_balance,
    an_unknown_post_counts_on_the_day_on_which_it_was_made,
];
