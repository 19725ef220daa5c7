//! A scenario from its first subscriber to the day after, and what must hold then.

use std::sync::Arc;
use std::time::Duration;

use lumina::records::Census;
use lumina::workflows::PipelineSettings;
use lumina_enrichment::job::JobStatus;
use lumina_fullenrich_sandbox::LedgerReport;
use lumina_workflow::store::{RunQuery, RunRow, RunStatus};
use lumina_workflow::{Runtime, StepKind};

use super::injector::{Fault, Injector, StepName};
use super::scenarios::{PEOPLE, Scenario, address};
use crate::pipeline::world::{On, World, settings};

const MINUTE: Duration = Duration::from_secs(60);

/// How long a process that has died stays away.
const AWAY: Duration = Duration::from_secs(5);

/// So many looks in a row, a minute apart: what the last change has set in motion is seen, and a run of housekeeping
/// that does not end has grown old.
const QUIET: u32 = 20;

/// No run of housekeeping takes so long: it has three attempts, and none of its steps a longer timeout.
const OLD: Duration = Duration::from_secs(18 * 60);

/// By then a scenario must have come to rest.
const PATIENCE: Duration = Duration::from_secs(12 * 3_600);

/// A step as it is registered.
pub struct Registered {
    pub name: StepName,
    pub kind: StepKind,
    pub timeout: Option<Duration>,
}

/// All steps of all workflows.
pub fn registry() -> Vec<Registered> {
    let world = World::start(On::File, Default::default(), settings());
    let definitions = world.app().engine.definitions();
    let steps = definitions.iter().flat_map(|definition| {
        definition.steps.iter().map(|(step, timeout)| Registered {
            name: StepName {
                workflow: definition.name.to_owned(),
                step: step.name.to_owned(),
            },
            kind: step.kind,
            timeout: *timeout,
        })
    });
    steps.collect()
}

/// Short times, so that a scenario is an hour or two.
fn quick() -> PipelineSettings {
    PipelineSettings {
        deadline: 40 * MINUTE,
        reconcile_window: 20 * MINUTE,
        poll_first: 15 * MINUTE,
        poll_every: 15 * MINUTE,
        sweep_every: 5 * MINUTE,
        ..settings()
    }
}

/// Plays it, and lets Lumina begin anew as often as it dies.
pub fn play(on: On, scenario: &Scenario, injector: &Arc<Injector>) -> End {
    let mut world = World::start_with(on, (scenario.sandbox)(), quick(), Some(injector.clone()));
    world.import((0..PEOPLE).map(address));
    let mut quiet = 0;
    while quiet < QUIET {
        pass(&world, MINUTE);
        if injector.take_death() {
            pass(&world, AWAY);
            world.restart();
            quiet = 0;
            continue;
        }
        let rests = injector.has_fired() && is_at_rest(&world);
        quiet = if rests { quiet + 1 } else { 0 };
        assert!(
            world.runtime.elapsed() < PATIENCE,
            "`{}` does not come to rest, {}: {:?} {:?}",
            scenario.name,
            injector.tell(),
            world.run(world.app().records.census()).unwrap().jobs,
            open_runs(&world)
        );
    }
    End::of(&world)
}

fn pass(world: &World, time: Duration) {
    world.run(world.runtime.sleep(time));
}

fn is_at_rest(world: &World) -> bool {
    let ledger = world.sandbox.report();
    let out = ledger.totals.contacts_in_flight + ledger.totals.contacts_waiting;
    let census = world.run(world.app().records.census()).unwrap();
    out == 0 && census.open_jobs() == 0 && open_runs(world).is_empty()
}

const OPEN: [RunStatus; 5] = [
    RunStatus::Pending,
    RunStatus::Running,
    RunStatus::Waiting,
    RunStatus::Paused,
    RunStatus::Blocked,
];

fn open_runs(world: &World) -> Vec<RunRow> {
    OPEN.into_iter().flat_map(|status| world.runs(status)).collect()
}

/// Runs of any workflow that have not ended and are old.
fn stuck_runs(world: &World) -> Vec<RunRow> {
    let before = world.runtime.now() - OLD;
    let query = RunQuery {
        statuses: OPEN.into(),
        limit: 500,
        ..RunQuery::default()
    };
    let mut open = world.all_runs(query);
    open.retain(|run| run.created_at < before || run.status == RunStatus::Blocked);
    open
}

/// What is left.
pub struct End {
    stuck: Vec<RunRow>,
    census: Census,
    ledger: LedgerReport,
    leads: u64,
    /// Steps of which history has two ends.
    doubled: u64,
}

impl End {
    fn of(world: &World) -> Self {
        Self {
            stuck: stuck_runs(world),
            census: world.run(world.app().records.census()).unwrap(),
            ledger: world.sandbox.report(),
            leads: world.count("SELECT count(*) FROM lumina.lead"),
            doubled: world.count(
                "SELECT count(*) FROM (SELECT 1 FROM lumina.workflow_record WHERE NOT superseded AND what IN \
                 ('completed', 'failed', 'received', 'timed_out') GROUP BY run, phase, ordinal HAVING count(*) > 1) AS twice",
            ),
        }
    }

    /// Nobody is lost, nobody is paid for twice, and who is paid for is a lead, or is on record as not answered.
    pub fn check(&self, what: &str, fault: Fault) {
        let of = |status| self.census.of_status(status);
        let ends = [
            JobStatus::Enriched,
            JobStatus::NotFound,
            JobStatus::Failed,
            JobStatus::Stale,
        ];
        let ended: u64 = ends.into_iter().map(of).sum();
        assert_eq!(ended, PEOPLE as u64, "{what}: every job ends: {:?}", self.census.jobs);
        assert_eq!(
            self.ledger.charged_twice,
            Vec::<String>::new(),
            "{what}: nobody is paid for twice"
        );
        assert_eq!(
            self.leads,
            of(JobStatus::Enriched),
            "{what}: each found person is a lead"
        );
        assert_eq!(self.stuck, [], "{what}: every run ends");
        assert_eq!(self.doubled, 0, "{what}: a recorded step does not end again");
        let unanswered = self.ledger.totals.charges - self.leads;
        let given_up = of(JobStatus::Stale) + of(JobStatus::Failed);
        assert!(
            unanswered <= given_up,
            "{what}: {unanswered} were paid for and are in no list"
        );
        // Only code that says that it fails for good loses what was paid for.
        let gives_up = matches!(fault, Fault::FailsForGood | Fault::Panics);
        assert!(
            gives_up || unanswered == 0,
            "{what}: {unanswered} were paid for and are no leads"
        );
    }
}
