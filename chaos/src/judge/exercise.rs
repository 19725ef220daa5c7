//! A run in which nothing happened proves nothing.

use jiff::SignedDuration;

use super::{Invariant, Verdict};
use crate::moods;
use crate::world::{Demands, Kill, Play, Victim, World};

/// Kills, moods, and budgets that were used up.
pub(super) fn check(world: &World, verdict: &mut Verdict) {
    let play = &world.play;
    verdict.count("kills aimed at a POST", count(play, |kill| kill.aimed));
    verdict.count("kills at random", count(play, is_at_random));
    if let Some(lease) = world.demands.fleet {
        for (what, times) in faults_of_a_fleet(play, lease) {
            verdict.count(what, times);
        }
    }
    verdict.count(
        "kills of the sandbox",
        count(play, |kill| kill.victim == Victim::Sandbox),
    );
    verdict.count(
        "budgets used up",
        usize::try_from(play.budgets_hit).unwrap_or(usize::MAX),
    );
    for what in missing(&world.demands, play) {
        verdict.violate(Invariant::Exercised, what);
    }
}

/// What a run is for, and has not happened in it.
#[must_use]
pub fn missing(demands: &Demands, play: &Play) -> Vec<String> {
    let mut missing = Vec::new();
    let aimed = count(play, |kill| kill.aimed);
    if (aimed as u64) < demands.aimed_kills {
        missing.push(format!(
            "{aimed} kills were aimed, and {} are demanded",
            demands.aimed_kills
        ));
    }
    let (hit, wanted) = (play.budgets_hit, demands.budgets_hit);
    if hit < wanted {
        missing.push(format!("{hit} budgets were used up, and {wanted} are demanded"));
    }
    let faults = demands.fleet.map(|lease| faults_of_a_fleet(play, lease));
    let absent = faults.into_iter().flatten().filter(|(_, times)| *times == 0);
    missing.extend(absent.map(|(what, _)| format!("there were no {what}")));
    if demands.moods {
        let moods = moods::missing(&play.moods).into_iter();
        missing.extend(moods.map(|mood| format!("the mood {mood} has not occurred")));
    }
    missing
}

fn count(play: &Play, counted: impl Fn(&Kill) -> bool) -> usize {
    play.kills.iter().filter(|kill| counted(kill)).count()
}

fn is_at_random(kill: &Kill) -> bool {
    !kill.aimed && kill.until.is_none() && matches!(kill.victim, Victim::Serve | Victim::Worker)
}

/// What only a fleet has, and how often it was.
fn faults_of_a_fleet(play: &Play, lease: SignedDuration) -> [(&'static str, usize); 3] {
    let stood_still = |kill: &Kill| kill.until.is_some_and(|until| until.duration_since(kill.at) > lease);
    [
        (
            "processes that stood still for longer than a lease",
            count(play, stood_still),
        ),
        (
            "crashes of the database",
            count(play, |kill| kill.victim == Victim::Database),
        ),
        (
            "times that connections were cut",
            count(play, |kill| kill.victim == Victim::Lines),
        ),
    ]
}
