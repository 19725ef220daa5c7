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

mod injector;
mod play;
mod scenarios;

/// Which steps a scenario comes to when nothing is injected.
fn reached(scenario: &Scenario) -> BTreeSet<StepName> {
    let injector = Arc::new(Injector::new(scenario.moods, None));
    play(scenario, &injector);
    injector.reached()
}

/// For each step the first scenario that reaches it.
fn homes() -> BTreeMap<StepName, &'static Scenario> {
    let mut homes = BTreeMap::new();
    for scenario in SCENARIOS {
        for step in reached(scenario) {
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

/// Parts of the same list, so that they run beside each other.
fn inject(part: usize, parts: usize) {
    let homes = homes();
    let mut number = 0;
    for step in play::registry() {
        for fault in faults_of(step.kind, step.has_timeout) {
            number += 1;
            if number % parts != part {
                continue;
            }
            let home = homes[&step.name];
            let injector = Arc::new(Injector::new(home.moods, Some((step.name.clone(), fault))));
            let end = play(home, &injector);
            let what = format!("{} {fault:?} in the scenario `{}`", step.name, home.name);
            assert!(injector.has_fired(), "{what} never happened");
            end.check(&what, fault);
        }
    }
}

#[test]
fn faults_cost_nothing_1_of_2() {
    inject(0, 2);
}

#[test]
fn faults_cost_nothing_2_of_2() {
    inject(1, 2);
}
