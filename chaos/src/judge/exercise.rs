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
    verdict.count(
        "kills at random",
        count(|kill| !kill.aimed && kill.victim == Victim::Serve),
    );
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
    let missing = if demands.moods {
        moods::missing(&play.moods)
    } else {
        Vec::new()
    };
    for mood in missing {
        verdict.violate(Invariant::Exercised, format!("the mood {mood} has not occurred"));
    }
}
