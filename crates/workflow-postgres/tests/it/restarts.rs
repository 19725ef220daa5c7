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
