//! Through a pooler that gives each transaction another connection to the server.

mod proxy;

use std::time::Duration;

use futures_util::StreamExt;
use lumina_workflow::Payload;
use lumina_workflow::store::{
    Change, Ending, Hint, Member, Next, Outcome, Refusal, ScheduleChange, ScheduleQuery, Store, Tick,
};
use lumina_workflow_postgres::testing::{Binaries, Cluster};
use lumina_workflow_postgres::{Options, PostgresStore, Script, Statements, attach};
use proxy::Proxy;

use crate::cuts::declared;
use crate::opened::*;

const TALLY: Script = Script {
    name: "0001_tally",
    sql: "CREATE TABLE tally (n bigint NOT NULL)",
};

struct Behind {
    _folder: tempfile::TempDir,
    _cluster: Cluster,
    direct: String,
    proxy: Proxy,
}

impl Behind {
    async fn start() -> Self {
        let Some(binaries) = Binaries::find() else {
            panic!("no PostgreSQL server is installed, and a pooler needs one that it may enter without a password");
        };
        let folder = tempfile::tempdir().unwrap();
        let cluster = Cluster::start(&binaries, folder.path(), &[]).unwrap();
        let direct = format!("host={} user=lumina dbname=postgres", folder.path().display());
        let proxy = Proxy::start(folder.path()).await;
        Self {
            _folder: folder,
            _cluster: cluster,
            direct,
            proxy,
        }
    }

    /// As the documents say: no names, and hints past the pooler.
    fn options(&self) -> Options {
        let pooled = self.untold().statements(Statements::Unnamed);
        pooled.listen(&self.direct).unwrap()
    }

    /// As if it were a server.
    fn untold(&self) -> Options {
        let port = self.proxy.port();
        Options::new(&format!("host=127.0.0.1 port={port} user=lumina dbname=postgres")).unwrap()
    }
}

/// What is set in one transaction is not there in the next one: it has another connection.
async fn forgets(store: &PostgresStore) {
    store
        .read("SELECT set_config('lumina.here', 'yes', false)", &[])
        .await
        .unwrap();
    let sql = "SELECT coalesce(current_setting('lumina.here', true), '')";
    let rows = store.read(sql, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, &str>(0), "", "this is no pooler by transaction");
}

/// Many processes start at once, and one of them makes the tables.
async fn open_many(options: Options) -> Vec<PostgresStore> {
    let opening = (0..5).map(|_| async {
        let store = open(options.clone()).await;
        let made = store.migrate("app", &[TALLY]).await.unwrap().len();
        (store, made)
    });
    let (stores, made): (Vec<_>, Vec<_>) = futures_util::future::join_all(opening).await.into_iter().unzip();
    assert_eq!(made.iter().sum::<usize>(), 1);
    stores
}

/// All decide about the same tick; one has it.
async fn tick(stores: &[PostgresStore]) {
    let declaring = stores
        .iter()
        .map(|store| apply(store, Change::Schedule(ScheduleChange::Declare(declared("bell")))));
    let declared = futures_util::future::join_all(declaring).await;
    let effective = declared
        .iter()
        .filter(|answer| **answer == Ok(Outcome::Scheduled { effective: true }));
    assert_eq!(effective.count(), 1);
    let query = ScheduleQuery {
        name: None,
        after: None,
        limit: 10,
    };
    let revision = stores[0].schedules(query.clone()).await.unwrap()[0].revision;
    let ticking = stores.iter().zip(500..).map(|(store, number)| {
        let tick = Tick {
            name: "bell".to_owned(),
            revision,
            starts: vec![(moment(), new_run(number))],
            skipped: 0,
            missed: 0,
            next_at: None,
        };
        apply(store, Change::Schedule(ScheduleChange::Tick(tick)))
    });
    let ticked = futures_util::future::join_all(ticking).await;
    assert_eq!(ticked.iter().filter(|answer| answer.is_ok()).count(), 1);
    let late = Err(Refusal::ScheduleChanged("bell".to_owned()));
    assert!(
        ticked.iter().all(|answer| answer.is_ok() || *answer == late),
        "{ticked:?}"
    );
    assert_eq!(stores[0].schedules(query).await.unwrap()[0].started, 1);
}

fn counting(number: u128) -> Member {
    let count = attach(|tx| {
        Box::pin(async move {
            tx.execute("INSERT INTO lumina.tally VALUES (1)", &[]).await?;
            Ok(Payload::null())
        })
    });
    Member {
        change: nothing(number),
        attach: Some(count),
    }
}

/// Runs go from one process to another, many at once.
async fn work(stores: &[PostgresStore]) {
    let working = stores.iter().zip(0_u128..).map(|(store, place)| async move {
        let base = place * 100 + 1;
        let mut members: Vec<Member> = (0..20)
            .map(|number| Change::Start(new_run(base + number)).into())
            .collect();
        members.push(counting(base));
        let answers = store.commit(members.into()).await.unwrap();
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        for _ in 0..20 {
            let claimed = claimed(store).await;
            let ends = claimed.iter().map(|claimed| {
                let end = Next::Finish(Ending::Completed(Payload::null()));
                Change::Advance(step(claimed.lease, 0, Some(Payload::null()), end)).into()
            });
            let ends: Vec<Member> = ends.collect();
            let answers = store.commit(ends.into()).await.unwrap();
            assert!(answers.iter().all(Result::is_ok), "{answers:?}");
        }
    });
    futures_util::future::join_all(working).await;
    let ended = "SELECT count(*) FROM lumina.workflow_run WHERE status = 'completed'";
    let rows = stores[0].read(ended, &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 101, "and the run of the tick");
    let rows = stores[0].read("SELECT count(*) FROM lumina.tally", &[]).await.unwrap();
    assert_eq!(rows[0].get::<_, i64>(0), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_works_though_each_transaction_has_another_connection() {
    let behind = Behind::start().await;
    let stores = open_many(behind.options()).await;
    forgets(&stores[0]).await;
    tick(&stores).await;
    let mut heard = stores[1].hints();
    work(&stores).await;
    let hint = tokio::time::timeout(PATIENCE, heard.next()).await.unwrap();
    assert_eq!(hint, Some(Hint::Ready), "hints go past the pooler");
    let lease = running(&stores[2], 900).await;
    let lost = stores[3].renew(vec![lease], Duration::from_secs(60)).await.unwrap();
    assert!(lost.is_empty());
    assert!(behind.proxy.changes() > 100, "{}", behind.proxy.changes());
}

/// Nobody has said that there is one: a store finds out when a name is not known, and does without names.
#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_nobody_told_of_is_found_out() {
    let behind = Behind::start().await;
    let stores = open_many(behind.untold()).await;
    tick(&stores).await;
    work(&stores).await;
    let lease = running(&stores[2], 900).await;
    let lost = stores[3].renew(vec![lease], Duration::from_secs(60)).await.unwrap();
    assert!(lost.is_empty());
    assert!(behind.proxy.changes() > 100, "{}", behind.proxy.changes());
}
