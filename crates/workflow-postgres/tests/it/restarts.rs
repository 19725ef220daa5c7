//! The server goes and comes back.

use lumina_workflow::store::{Change, Outcome, Store, StoreError};
use lumina_workflow_postgres::Options;
use lumina_workflow_postgres::testing::{Binaries, Cluster};

use crate::opened::*;

fn options(cluster: &Cluster, folder: &std::path::Path) -> Options {
    let mut options = Options::new(&format!("host={} user=lumina dbname=postgres", folder.display())).unwrap();
    options.config = cluster.config();
    options
}

/// While the server is away calls say so; when it is back they work, on new connections, and all that was
/// acknowledged is there. It lies on the disk here, and the server is killed in the middle of its work.
#[tokio::test]
async fn what_was_acknowledged_outlives_the_server() {
    let Some(binaries) = Binaries::find() else {
        panic!("no PostgreSQL server is installed, and one that is only reached cannot be stopped by a test");
    };
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&binaries, folder.path(), &[]).unwrap();
    let store = open(options(&cluster, folder.path())).await;
    let mut started = 0;
    for how in ["fast", "immediate"] {
        let lease = running(&store, started + 1).await;
        started += 1;
        cluster.stop(how).unwrap();
        let change = Change::Start(new_run(started + 1));
        let error = store.commit([change.into()].into()).await.unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error}");
        assert!(store.now().await.is_err());
        cluster.resume().unwrap();
        let kept = row(&store, lease.run).await;
        assert_eq!(kept.epoch, lease.epoch, "a claim is as durable as anything");
        assert!(
            store
                .renew(vec![lease], std::time::Duration::from_secs(15))
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(
            apply(&store, Change::Start(new_run(started + 1))).await,
            Ok(Outcome::Started)
        );
        started += 1;
        claimed(&store).await;
    }
    assert_eq!(runs(&store).await.len() as u128, started);
}

/// A failover, as long as the one that takes over is still a standby: it answers who only asks, and the others are told
/// that it is not here that is written. When it is promoted they go on.
#[tokio::test]
async fn a_standby_is_unavailable_until_it_is_promoted() {
    let binaries = Binaries::find().expect("a server is installed that a test may stop");
    let folder = tempfile::tempdir().unwrap();
    let cluster = Cluster::start(&binaries, folder.path(), &[]).unwrap();
    let store = open(options(&cluster, folder.path())).await;
    let lease = running(&store, 1).await;
    cluster.stop("fast").unwrap();
    cluster.resume_as_standby().unwrap();
    assert_eq!(runs(&store).await, [lease.run]);
    let start = || [Change::Start(new_run(2)).into()].into();
    let refused = [
        store.commit(start()).await.unwrap_err(),
        store.claim(claim()).await.unwrap_err(),
        store.renew(vec![lease], PATIENCE).await.unwrap_err(),
    ];
    for error in refused {
        let told = matches!(&error, StoreError::Unavailable(said) if said.contains("it only reads"));
        assert!(told, "{error:?}");
    }
    cluster.promote().unwrap();
    assert!(store.renew(vec![lease], PATIENCE).await.unwrap().is_empty());
    assert_eq!(store.commit(start()).await.unwrap(), [Ok(Outcome::Started)]);
}
