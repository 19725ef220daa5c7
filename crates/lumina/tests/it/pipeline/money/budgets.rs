//! What may be spent.

use std::time::Duration;

use lumina::records::Budgets;
use serde_json::Value;

use super::{Fate, MINUTE, Town};

const DAY: Duration = Duration::from_secs(24 * 3_600);

fn with_budgets(per_day: Option<u64>, per_month: Option<u64>) -> Town {
    Town::with(|settings| settings.budgets = Budgets { per_day, per_month })
}

fn answer_all(town: &Town) {
    for post in town.provider.accepted() {
        town.call_back(&post.finished());
    }
}

/// The day's and the month's budget bound what is sent; whatever is above it waits for the next one and says why.
#[test]
fn a_month_bounds_more_than_its_days() {
    // The world begins on the first of a month.
    let town = Town::with(|settings| {
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
        .value("SELECT DISTINCT reason FROM enrichment_job WHERE status = 'pending'");
    assert_eq!(
        reason,
        "waits for the next month's budget (enrichment.budget.per_month)"
    );
    assert_eq!(town.failed_runs(), 0);
    town.pass(30 * DAY);
    answer_all(&town);
    let all: usize = town.provider.accepted().iter().map(|post| post.emails().len()).sum();
    assert!(all > 100, "another month has begun");
}

/// Whoever is not found costs nothing: what was reserved for them can be spent on others the same day.
#[test]
fn what_was_not_charged_can_be_spent() {
    let town = with_budgets(Some(40), None);
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
#[test]
fn what_is_unknown_counts_each_time() {
    let town = with_budgets(Some(50), None);
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
#[test]
fn the_balance_bounds_what_is_sent() {
    let town = Town::start();
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
#[test]
fn a_post_counts_on_the_day_on_which_it_is_made() {
    let town = with_budgets(Some(40), None);
    // Until a minute before midnight nothing is accepted.
    let now = lumina_workflow::Runtime::now(&town.world.runtime);
    let midnight = now
        .strftime("%Y-%m-%dT00:00:00Z")
        .to_string()
        .parse::<jiff::Timestamp>()
        .unwrap();
    let left = Duration::try_from((midnight + DAY).duration_since(now)).unwrap();
    town.pass(left - 20 * MINUTE);
    town.provider
        .next(std::iter::repeat_n(Fate::Answered(503, serde_json::json!({})), 3));
    town.world
        .import((0..40).map(|number| format!("person{number}@gmail.com")));
    town.pass(25 * MINUTE);
    answer_all(&town);
    let posts = town.provider.accepted();
    assert_eq!(posts.len(), 1);
    let days: String = town.world.value("SELECT group_concat(day) FROM credit_ledger");
    assert_eq!(days, posts[0].at.strftime("%Y-%m-%d").to_string());
}
