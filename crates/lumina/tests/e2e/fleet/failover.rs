//! The database fails over: for a while there is a standby, which only reads, and then it is promoted.

use lumina_workflow_postgres::testing::{Binaries, Cluster};
use tempfile::TempDir;

use super::Fleet;
use crate::support::{Call, Fault, Signal, email, subscription, until_true};

/// A server of its own.
struct Server {
    // Fields are dropped in this order: the folder last.
    cluster: Cluster,
    folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let binaries = Binaries::find().expect("a server is installed that a test may stop");
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(&binaries, folder.path(), &[]).unwrap();
        Self { cluster, folder }
    }

    fn url(&self) -> String {
        format!("postgres:///postgres?host={}&user=lumina", self.folder.path().display())
    }
}

/// The provider calls back for a minute, longer than this outage: whoever sent a batch may lose it to another while
/// nothing can be written, and then a callback is the sign that it was accepted.
const PATIENT: &str = r#"
calls_per_minute = 100000
contacts_at_once = 100000
lookup_min = "2s"
lookup_max = "2s"
callback_retry_every = "10s"
"#;

/// Batches that are sent at a time.
const SENT: usize = 3;

/// POSTs are answered while there is only a standby. What they came to is not forgotten, nobody is told that somebody was
/// taken in who was not, and nothing is bought twice.
#[test]
fn a_standby_that_is_promoted_has_everything_settled() {
    let server = Server::start();
    let mut fleet = Fleet::on(&server.url(), server, PATIENT);
    fleet
        .world
        .place
        .set("enrichment.max_in_flight_batches", &SENT.to_string());
    fleet.world.place.set("enrichment.poll.first", "1s");
    fleet.world.place.set("enrichment.poll.every", "1s");
    let (world, cluster) = (&fleet.world, &fleet.database.cluster);
    let serve = world.place.serve();
    let mut worker = world.place.spawn(&["worker"]);
    worker.wait_for_line("credits are left");
    world.gateway.fail_always(Call::Submit, Some(Fault::Hold));
    world.import(0..400);
    until_true("batches to be on their way", || {
        world.gateway.count(Call::Submit) == SENT
    });

    cluster.stop("fast").unwrap();
    cluster.resume_as_standby().unwrap();
    world.gateway.let_go();
    until_true("the batches to be accepted", || {
        world.sandbox.ledger().number("batchCount") == SENT as u64
    });
    for process in [&serve.process, &worker] {
        process.wait_for_line("only reads");
    }
    let refused = subscription(&email(400)).send(serve.address).unwrap();
    assert_eq!(refused.status, 503, "{refused:?}");

    cluster.promote().unwrap();
    until_true("people to be taken in again", || {
        subscription(&email(400)).send(serve.address).unwrap().status == 200
    });
    fleet.wait_until_settled();
    fleet.assert_truth(401);
    worker.send(Signal::Terminate);
    assert_eq!(worker.wait().code(), Some(0));
    serve.stop();
}
