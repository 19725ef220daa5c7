//! Two different programs on one database, as while a fleet is brought up to date process by process.

use std::path::PathBuf;
use std::process::Command;

use super::{Fleet, UNHURRIED};
use crate::support::{Process, Signal, ask, until_true};

/// The step that applies an answer, which a run comes to after it has waited; and under another name.
const PROCESS: [&str; 2] = ["process-results", "process-answers"];

/// The step that takes a run's lookups, which comes before the wait; and under another name.
const BATCH: [&str; 2] = ["batch-pending-jobs", "batch-waiting-jobs"];

impl Fleet {
    /// Makes another program of the built one, in which a step has another name: so to the engine its workflows are
    /// other code, and their histories too. What it is called is of the same length, so that everything else stays in
    /// its place. It is not run yet.
    fn make_other_program(&self, [name, other]: [&str; 2]) {
        assert_eq!(name.len(), other.len());
        let path = self.other_program();
        std::fs::copy(self.world.place.program(), &path).unwrap();
        let mut rename = Command::new("sed");
        rename.args(["-i", &format!("s/{name}/{other}/g")]).arg(&path);
        assert!(rename.env("LC_ALL", "C").status().unwrap().success());
    }

    fn other_program(&self) -> PathBuf {
        self.world.place.path("other-lumina")
    }

    /// From now on commands are of the other program.
    fn use_other_program(&mut self) {
        let path = self.other_program();
        self.world.place.set_program(&path);
    }

    fn worker(&self) -> Process {
        let worker = self.world.place.spawn(&["worker"]);
        worker.wait_for_line("credits are left");
        worker
    }

    fn count(&self, what: &str) -> i64 {
        ask(&self.database.address(), &format!("SELECT count(*) FROM lumina.{what}"))[0].get(0)
    }

    /// How many runs of lookups have completed this step.
    fn runs_with(&self, step: &str) -> i64 {
        self.newest_with(1_000, step)
    }

    /// How many of the newest so many.
    fn newest_with(&self, newest: usize, step: &str) -> i64 {
        let runs = format!(
            "SELECT id FROM lumina.workflow_run WHERE workflow = 'subscriber-enrichment' ORDER BY id DESC LIMIT {newest}"
        );
        let sql = format!(
            "SELECT count(DISTINCT run) FROM lumina.workflow_record WHERE run IN ({runs}) AND step = '{step}' \
             AND what = 'completed'"
        );
        ask(&self.database.address(), &sql)[0].get(0)
    }

    fn blocked(&self) -> i64 {
        self.count("workflow_run WHERE status = 'blocked'")
    }

    /// Until so many lookups are out, their runs waiting.
    fn wait_until_out(&self, lookups: i64) {
        let out = "enrichment_job WHERE status = 'submitted'";
        until_true("lookups to be out", || self.count(out) == lookups);
        let waiting = "workflow_run WHERE workflow = 'subscriber-enrichment' AND status = 'waiting'";
        until_true("their runs to wait", || self.count(waiting) * 100 == lookups);
    }
}

fn stop(mut worker: Process) {
    worker.send(Signal::Terminate);
    assert_eq!(worker.wait().code(), Some(0));
}

/// The newer program fits what the older one has begun: it goes on with it, and the older one keeps its hands off what
/// is the newer one's.
#[test]
fn a_newer_program_goes_on_with_what_an_older_one_has_begun() {
    let mut fleet = Fleet::start(UNHURRIED);
    fleet.make_other_program(PROCESS);
    let (old_server, old_worker) = (fleet.world.place.serve(), fleet.worker());
    fleet.world.import(0..100);
    fleet.wait_until_settled();
    assert_eq!(PROCESS.map(|step| fleet.runs_with(step)), [1, 0]);

    // Some of what the older one has begun, the newer one ends.
    fleet.world.import(100..400);
    fleet.wait_until_out(300);
    fleet.use_other_program();
    let new_worker = fleet.worker();
    stop(old_worker);
    // What the newer one begins, it has to end: with the older one there as well.
    fleet.world.import(400..600);
    fleet.wait_until_settled();
    assert_eq!(PROCESS.map(|step| fleet.newest_with(2, step)), [0, 2]);
    old_server.stop();

    // Nothing but the newer one is left.
    let new_server = fleet.world.place.serve();
    fleet.world.import(600..700);
    fleet.wait_until_settled();
    fleet.assert_truth(700);
    assert_eq!(fleet.blocked(), 0);
    assert_eq!(PROCESS.iter().map(|step| fleet.runs_with(step)).sum::<i64>(), 7);
    stop(new_worker);
    new_server.stop();
}

/// The newer program does not fit what the older one has begun: that stays as it is, is lost to nobody, and is ended by
/// whoever it fits, without anybody's help.
#[test]
fn what_a_newer_program_does_not_fit_waits_for_one_that_does() {
    let mut fleet = Fleet::start(UNHURRIED);
    fleet.make_other_program(BATCH);
    let (old_server, old_worker) = (fleet.world.place.serve(), fleet.worker());
    fleet.world.import(0..100);
    fleet.wait_until_out(100);
    stop(old_worker);
    old_server.stop();
    let old_program = fleet.world.place.program().to_owned();
    fleet.use_other_program();
    let new_server = fleet.world.place.serve();
    until_true("the run to be blocked", || fleet.blocked() == 1);
    assert_eq!(fleet.count("enrichment_job WHERE status = 'submitted'"), 100);

    // The newer one works on what is its own meanwhile.
    fleet.world.import(100..200);
    until_true("its own to end", || {
        fleet.runs_with(BATCH[1]) == 1 && fleet.count("lead") > 0
    });
    assert_eq!(fleet.blocked(), 1);

    // Back to the older one, beside it.
    fleet.world.place.set_program(&old_program);
    let old_worker = fleet.worker();
    fleet.wait_until_settled();
    assert_eq!(fleet.blocked(), 0);
    fleet.world.import(200..300);
    fleet.wait_until_settled();
    fleet.assert_truth(300);
    assert_eq!(BATCH.map(|step| fleet.runs_with(step)), [2, 1]);
    stop(old_worker);
    new_server.stop();
}
