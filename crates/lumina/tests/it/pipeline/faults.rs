//! Every step of every registered workflow fails, is repeated, is late, and dies before and after its record.
//!
//! The list of steps is the registry's. A workflow or a step that is added is covered as soon as one of the
//! [`scenarios`] reaches it, and until then [`every_step_is_reached`] fails.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use lumina_workflow::StepKind;

use injector::{Fault, Injector, StepName};
use play::play;
use scenarios::{SCENARIOS, Scenario};

use super::world::On;

mod injector;
mod play;
mod scenarios;

/// A scenario into which nothing is injected.
fn play_alone(scenario: &Scenario) -> Arc<Injector> {
    let injector = Arc::new(Injector::new(scenario.moods));
    play(On::File, scenario, &injector);
    injector
}

/// For each step the first scenario that reaches it.
fn homes() -> BTreeMap<StepName, &'static Scenario> {
    let mut homes = BTreeMap::new();
    for scenario in SCENARIOS {
        for step in play_alone(scenario).reached() {
            homes.entry(step).or_insert(scenario);
        }
    }
    homes
}

/// What can be done to a step: one without a timeout is never late, a wait has no attempts.
fn faults_of(kind: StepKind, has_timeout: bool) -> Vec<Fault> {
    let attempts = matches!(kind, StepKind::Action | StepKind::Effect);
    let all = [
        (Fault::Fails, attempts),
        (Fault::FailsForGood, attempts),
        (Fault::Panics, attempts),
        (Fault::Unknown, kind == StepKind::Effect),
        (Fault::Late, attempts && has_timeout),
        (Fault::DiesBefore, true),
        (Fault::DiesAfter, true),
    ];
    all.into_iter()
        .filter(|(_, fits)| *fits)
        .map(|(fault, _)| fault)
        .collect()
}

#[test]
fn every_step_is_reached() {
    let homes = homes();
    let missing: Vec<String> = play::registry()
        .into_iter()
        .map(|step| step.name)
        .filter(|step| !homes.contains_key(step))
        .map(|step| step.to_string())
        .collect();
    assert!(
        missing.is_empty(),
        "no scenario comes to {missing:?}: add one to tests/it/pipeline/faults/scenarios.rs, so that faults meet them"
    );
}

/// The time of a wait runs out in some scenario: that is its way to fail.
#[test]
fn every_wait_times_out() {
    let timed_out: BTreeSet<StepName> = SCENARIOS
        .iter()
        .flat_map(|scenario| play_alone(scenario).timed_out())
        .collect();
    let waits = play::registry().into_iter().filter(|step| step.kind == StepKind::Wait);
    let missing: Vec<String> = waits
        .map(|wait| wait.name)
        .filter(|wait| !timed_out.contains(wait))
        .map(|wait| wait.to_string())
        .collect();
    assert!(
        missing.is_empty(),
        "in no scenario the time of {missing:?} runs out: add one to tests/it/pipeline/faults/scenarios.rs"
    );
}

/// Parts of the same list, so that they run beside each other.
fn inject(on: On, part: usize, parts: usize) {
    let homes = homes();
    let mut number = 0;
    for step in play::registry() {
        for fault in faults_of(step.kind, step.timeout.is_some()) {
            number += 1;
            if number % parts != part {
                continue;
            }
            let home = homes[&step.name];
            let injector = Injector::against(home.moods, step.name.clone(), fault, step.timeout);
            let injector = Arc::new(injector);
            let end = play(on, home, &injector);
            let what = format!("{} {fault:?} in the scenario `{}`", step.name, home.name);
            assert!(injector.has_fired(), "{what} never happened");
            end.check(&what, fault);
        }
    }
}

#[test]
fn faults_cost_nothing_1_of_2() {
    inject(On::File, 0, 2);
}

#[test]
fn faults_cost_nothing_2_of_2() {
    inject(On::File, 1, 2);
}

#[test]
fn faults_cost_nothing_on_a_server_1_of_2() {
    inject(On::Server, 0, 2);
}

#[test]
fn faults_cost_nothing_on_a_server_2_of_2() {
    inject(On::Server, 1, 2);
}
