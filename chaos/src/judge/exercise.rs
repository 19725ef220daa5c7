//! A run in which nothing happened proves nothing.

use super::{Invariant, Verdict};
use crate::moods;
use crate::world::{Kill, Victim, World};

/// Kills, moods, and budgets that were used up.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let (demands, play) = (&world.demands, &world.play);
    let count = |counted: fn(&&Kill) -> bool| play.kills.iter().filter(counted).count();
    let aimed = count(|kill| kill.aimed);
    verdict.count("kills aimed at a POST", aimed);
    let is_at_random =
        |kill: &&Kill| !kill.aimed && kill.until.is_none() && matches!(kill.victim, Victim::Serve | Victim::Worker);
    verdict.count("kills at random", count(is_at_random));
    check_fleet(world, verdict);
    verdict.count("kills of the sandbox", count(|kill| kill.victim == Victim::Sandbox));
    verdict.count(
        "budgets used up",
        usize::try_from(play.budgets_hit).unwrap_or(usize::MAX),
    );
    if (aimed as u64) < demands.aimed_kills {
        let what = format!("{aimed} kills were aimed, and {} are demanded", demands.aimed_kills);
        verdict.violate(Invariant::Exercised, what);
    }
    if play.budgets_hit < demands.budgets_hit {
        let what = format!(
            "{} budgets were used up, and {} are demanded",
            play.budgets_hit, demands.budgets_hit
        );
        verdict.violate(Invariant::Exercised, what);
    }
    check_moods(world, verdict);
}

/// What only a fleet has.
fn check_fleet(world: &World, verdict: &mut Verdict) {
    let Some(lease) = world.demands.fleet else { return };
    let stood_still = |kill: &&Kill| kill.until.is_some_and(|until| until.duration_since(kill.at) > lease);
    let kills = &world.play.kills;
    let faults = [
        (
            "processes that stood still for longer than a lease",
            kills.iter().filter(stood_still).count(),
        ),
        (
            "crashes of the database",
            kills.iter().filter(|kill| kill.victim == Victim::Database).count(),
        ),
        (
            "times that connections were cut",
            kills.iter().filter(|kill| kill.victim == Victim::Lines).count(),
        ),
    ];
    for (what, count) in faults {
        verdict.count(what, count);
        if count == 0 {
            verdict.violate(Invariant::Exercised, format!("there were no {what}"));
        }
    }
}

fn check_moods(world: &World, verdict: &mut Verdict) {
    let (demands, play) = (&world.demands, &world.play);
    let missing = if demands.moods {
        moods::missing(&play.moods)
    } else {
        Vec::new()
    };
    for mood in missing {
        verdict.violate(Invariant::Exercised, format!("the mood {mood} has not occurred"));
    }
}
