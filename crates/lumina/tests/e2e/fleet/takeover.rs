//! Whose runs they are when a process goes, by the database's own clock: the database notes each claim.

use std::time::Duration;

use super::Fleet;
use crate::support::{Call, FAST, Fault, Process, Signal, ask, until_true};

/// Notes each time that a run changes hands, and when the lease before would have ended.
const NOTE_CLAIMS: &str = "
    CREATE TABLE lumina.claim_noted (run uuid, epoch bigint, worker uuid, lease_until bigint, at bigint);
    CREATE FUNCTION lumina.note_claim() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO lumina.claim_noted VALUES (NEW.id, NEW.epoch, NEW.worker, OLD.lease_until, lumina.now_micros());
        RETURN NULL;
    END $$;
    CREATE TRIGGER note_claim AFTER UPDATE ON lumina.workflow_run FOR EACH ROW WHEN (NEW.epoch <> OLD.epoch)
        EXECUTE FUNCTION lumina.note_claim()";

const BATCHES: u32 = 5;

/// By when the others have its runs.
const AT_ONCE: i64 = Duration::from_secs(1).as_micros() as i64;

/// A fleet of one worker that has all batches in hand, whose calls of this kind are held, and another worker that has
/// nothing to do. The database notes from here on who gets what.
fn one_has_all(lease: &str, call: Call) -> (Fleet, [Process; 2]) {
    let mut fleet = Fleet::start(FAST);
    fleet.world.place.set("worker.lease", lease);
    fleet.world.place.set("enrichment.reconcile_window", "2s");
    fleet
        .world
        .place
        .set("enrichment.max_in_flight_batches", &BATCHES.to_string());
    let spawn = |fleet: &Fleet| {
        let worker = fleet.world.place.spawn(&["worker"]);
        worker.wait_for_line("credits are left");
        worker
    };
    let owner = spawn(&fleet);
    fleet.world.gateway.fail_always(call, Some(Fault::Hold));
    let before = fleet.world.gateway.count(call);
    fleet.world.import(0..BATCHES * 100);
    until_true("all batches to wait for the provider", || {
        fleet.world.gateway.count(call) - before == BATCHES as usize
    });
    fleet.world.gateway.fail_always(call, None);
    let other = spawn(&fleet);
    fleet.database.execute(NOTE_CLAIMS);
    (fleet, [owner, other])
}

/// The first claim of a run since claims are noted.
#[derive(Debug)]
struct Claim {
    /// By the same worker as before.
    is_former: bool,
    /// When the lease before would have ended; none if it was given back.
    lease_until: Option<i64>,
    at: i64,
}

impl Fleet {
    fn micros(&self) -> i64 {
        ask(&self.database.address(), "SELECT lumina.now_micros()")[0].get(0)
    }

    /// The worker that has all batches.
    fn owner(&self) -> String {
        const OWNERS: &str = "SELECT worker::text, count(*) FROM lumina.workflow_run \
             WHERE workflow = 'subscriber-enrichment' AND lease_until IS NOT NULL GROUP BY worker";
        let owners = ask(&self.database.address(), OWNERS);
        assert_eq!(owners.len(), 1, "one has them all");
        assert_eq!(owners[0].get::<_, i64>(1), i64::from(BATCHES));
        owners[0].get(0)
    }

    /// Waits until all batches have changed hands.
    fn claims(&self, owner: &str) -> Vec<Claim> {
        let sql = format!(
            "SELECT DISTINCT ON (c.run) c.worker = '{owner}', c.lease_until, c.at FROM lumina.claim_noted AS c \
             JOIN lumina.workflow_run AS r ON r.id = c.run AND r.workflow = 'subscriber-enrichment' ORDER BY c.run, c.epoch"
        );
        let look = || ask(&self.database.address(), &sql);
        until_true("all batches to be taken over", || look().len() == BATCHES as usize);
        let rows = look();
        let claims = rows.iter().map(|row| Claim {
            is_former: row.get(0),
            lease_until: row.get(1),
            at: row.get(2),
        });
        claims.collect()
    }

    /// The others end everything, and nothing is bought twice.
    fn assert_goes_on(&self) {
        let server = self.world.place.serve();
        self.wait_until_settled();
        self.assert_truth(BATCHES as usize * 100);
        server.stop();
    }
}

/// It was in the middle of sending: nobody knows whether that was accepted, and nobody pays for it twice.
#[test]
fn the_runs_of_a_process_that_is_killed_are_taken_over_when_its_leases_end() {
    let (fleet, [mut killed, _other]) = one_has_all("5s", Call::Submit);
    let owner = fleet.owner();
    killed.kill();
    for claim in fleet.claims(&owner) {
        assert!(!claim.is_former, "{claim:?}");
        let lease_until = claim.lease_until.expect("nobody has given it back");
        let late = claim.at - lease_until;
        assert!(
            (0..=AT_ONCE).contains(&late),
            "{late} us after the lease's end: {claim:?}"
        );
    }
    fleet.world.gateway.let_go();
    fleet.assert_goes_on();
}

/// What it was doing may end; what would come next is for the others, long before a lease ends.
#[test]
fn the_runs_of_a_process_that_is_asked_to_end_are_handed_over_at_once() {
    let (fleet, [mut ending, _other]) = one_has_all("1h", Call::Credits);
    let owner = fleet.owner();
    ending.send(Signal::Terminate);
    ending.wait_for_line("shutting down");
    let from = fleet.micros();
    fleet.world.gateway.let_go();
    for claim in fleet.claims(&owner) {
        assert!(!claim.is_former && claim.lease_until.is_none(), "{claim:?}");
        let late = claim.at - from;
        assert!(
            (0..=AT_ONCE).contains(&late),
            "{late} us after its last attempt could end: {claim:?}"
        );
    }
    assert_eq!(ending.wait().code(), Some(0));
    fleet.assert_goes_on();
}
