//! Groups: what the commit pipeline hands to the store at once.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use super::Make;
use super::script::{A, Script, script};
use super::wire::{Method, Verdict};
use super::world::{Process, SECOND, World, event, options};
use crate::engine::StartOptions;
use crate::error::StepError;
use crate::history::What;
use crate::runtime::Runtime;
use crate::store::{Change, GROUP_BYTES, GROUP_MEMBERS, Member, RunStatus};
use crate::worker::WorkerOptions;
use crate::workflow::Workflow;
use crate::{Engine, Failure, Run, RunId, Step};

pub(super) fn starts_effect(member: &Member) -> bool {
    let started = |what: &What| matches!(what, What::AttemptStarted { .. });
    matches!(&member.change, Change::Advance(advance) if advance.records.iter().any(|record| started(&record.what)))
}

/// The payload of a member, counted by the test itself.
fn bytes(member: &Member) -> usize {
    let texts = format!("{:?}", member.change);
    texts.matches('x').count()
}

fn check(groups: &[Arc<[Member]>]) {
    for group in groups {
        assert!(group.len() <= GROUP_MEMBERS, "a group of {} members", group.len());
        let subjects: Vec<_> = group.iter().filter_map(Member::subject).collect();
        let distinct: BTreeSet<_> = subjects.iter().collect();
        assert_eq!(
            distinct.len(),
            subjects.len(),
            "a run is the subject of two members of one group"
        );
        let size: usize = group.iter().map(bytes).sum();
        assert!(size <= GROUP_BYTES, "a group of {size} bytes");
    }
}

/// What queues up while a group is being flushed goes with the next one, in groups of limited size.
pub fn what_queues_up_is_committed_together(make: Make<'_>) {
    let world = World::new(make);
    let process = world.boot_with(
        script!(
            [] | run,
            input | { run.step(A, move |_| async move { Ok::<u64, StepError>(input) }).await }
        ),
        WorkerOptions {
            max_in_flight: 1_000,
            ..options()
        },
    );
    let runtime = world.runtime.clone();
    world.wire.rule(move |call| match call.method {
        Method::Commit => Verdict::After(runtime.sleep(SECOND / 100)),
        _ => Verdict::Pass,
    });
    let prepare = |input: u64| {
        process
            .engine
            .prepare::<Script>(&input, StartOptions::default())
            .expect("it fits")
    };
    let starts = (0..2_300).map(|input| process.engine.start_prepared(prepare(input)));
    let started = world.run(join_all(starts));
    let runs: Vec<_> = started
        .into_iter()
        .map(|started| started.expect("it starts").run())
        .collect();
    for run in &runs {
        world.end(*run).expect("it ends well");
    }
    let groups = world.wire.groups();
    check(&groups);
    assert_eq!(groups.iter().map(|group| group.len()).max(), Some(GROUP_MEMBERS));
    assert!(
        groups.len() < 40,
        "{} groups for 2,300 starts and as many ends",
        groups.len()
    );
}

/// A change alone does not wait for company.
pub fn a_lone_change_is_committed_at_once(make: Make<'_>) {
    let world = World::new(make);
    world.boot_idle(script!([] | _, input | { Ok(input) }));
    world.start(1);
    assert_eq!(world.elapsed(), std::time::Duration::ZERO);
    assert_eq!(world.wire.groups().len(), 1);
}

/// Answers with its input, or, when that is of half a megabyte to nine tenths, with twice as much.
pub(super) struct Bulky;

impl Workflow for Bulky {
    const NAME: &'static str = "bulky";
    const STEPS: &'static [Step] = &[];
    type Input = String;
    type Output = String;

    async fn run(&self, _: &Run, input: String) -> Result<String, Failure> {
        Ok(if (500_000..900_000).contains(&input.len()) {
            input.repeat(2)
        } else {
            input
        })
    }
}

/// Inputs and outputs of almost a mebibyte each: groups keep their limit.
pub fn large_payloads_make_small_groups(make: Make<'_>) {
    let world = World::new(make);
    let process = world.boot(Bulky);
    let runtime = world.runtime.clone();
    world.wire.rule(move |call| match call.method {
        Method::Commit => Verdict::After(runtime.sleep(SECOND / 100)),
        _ => Verdict::Pass,
    });
    let input = "x".repeat(1_000_000);
    let starts = (0..20).map(|_| process.engine.start::<Bulky>(&input, StartOptions::default()));
    for started in world.run(join_all(starts)) {
        let end = world
            .run(process.engine.wait_for_end(started.expect("it starts").run()))
            .expect("it is there");
        assert_eq!(end.expect("it ends well").len(), input.len() + 2);
    }
    check(&world.wire.groups());
}

/// Changes of one run that come at the same moment go into different groups, in their order.
pub fn one_run_is_in_a_group_once(make: Make<'_>) {
    let world = World::new(make);
    let process = world.boot(script!([] | run, _ | { run.wait(super::script::PING).await }));
    let run = world.start(1);
    world.settle();
    let engine = &process.engine;
    let changes = world.run(join_all((0..10).map(|number| async move {
        let cancelled = engine.cancel(run, "ada").await;
        engine
            .emit(event(&number.to_string(), run, "pong", 1))
            .await
            .expect("it is stored");
        cancelled
    })));
    assert_eq!(
        changes.iter().filter(|answer| matches!(answer, Ok(true))).count(),
        1,
        "one request counts"
    );
    world.end(run).expect_err("it was cancelled");
    assert_eq!(world.status(run), RunStatus::Cancelled);
    check(&world.wire.groups());
}

/// Where several groups may be under way at once, they are when many changes wait; no two of them are about one run.
pub fn groups_under_way_at_once_are_about_different_runs(make: Make<'_>) {
    let world = World::new(make);
    let (runtime, most) = (world.runtime.clone(), Arc::new(AtomicUsize::new(0)));
    let (seen, mut under_way) = (most.clone(), Vec::new());
    world.wire.rule(move |call| {
        if call.method != Method::Commit {
            return Verdict::Pass;
        }
        let (now, takes) = (runtime.monotonic(), SECOND / 100);
        under_way.retain(|(until, _)| *until > now);
        let subjects: BTreeSet<RunId> = call.members.iter().filter_map(Member::subject).collect();
        let is_apart = |(_, others): &(Duration, BTreeSet<RunId>)| others.is_disjoint(&subjects);
        assert!(under_way.iter().all(is_apart), "two groups about one run at once");
        under_way.push((now + takes, subjects));
        seen.fetch_max(under_way.len(), Ordering::SeqCst);
        Verdict::After(runtime.sleep(takes))
    });
    let process = boot_with_several(&world, script!([] | run, _ | { run.wait(super::script::PING).await }));
    let engine = &process.engine;
    let starts = (0..1_300).map(|input| async move { engine.start::<Script>(&input, StartOptions::default()).await });
    let started = world.run(join_all(starts));
    let runs: Vec<RunId> = started
        .into_iter()
        .map(|started| started.expect("it starts").run())
        .collect();
    world.run(join_all(runs.iter().map(|run| process.engine.cancel(*run, "ada"))));
    for run in &runs {
        let end = world.run(engine.wait_for_end(*run)).expect("it is there");
        end.expect_err("it was cancelled");
    }
    check(&world.wire.groups());
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

fn boot_with_several(world: &World, script: Script) -> Process {
    let builder = Engine::builder(world.wire.clone(), world.shared_runtime())
        .commits_at_once(NonZeroUsize::new(3).expect("it is not 0"))
        .register(script)
        .expect("the steps are sound");
    let engine = world.run(builder.build()).expect("the store answers");
    let worker = engine.start_worker(options());
    Process { engine, worker }
}
