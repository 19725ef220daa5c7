//! Other connections beside an executor: it hears of what they write without asking.

use futures_util::StreamExt;
use lumina_workflow::store::{Change, Command, CommandKind, Hint, Next, Store};
use lumina_workflow_sqlite::Mode;

use crate::opened::*;

#[tokio::test]
async fn an_executor_hears_what_a_client_writes() {
    let folder = Folder::new();
    let (executor, client) = (folder.executor(Mode::Threads), folder.client());
    let mut hints = executor.hints();
    let run = start(&client, 1).await;
    hear(&mut hints, Hint::Ready).await;
    let lease = claimed(&executor).await.remove(0).lease;
    assert_eq!(lease.run, run);

    // An event for a run that is being executed reaches it too.
    apply(&client, Change::Emit(event("paid", run))).await.unwrap();
    hear(&mut hints, Hint::Inbox(run)).await;
    assert_eq!(inbox_ids(&executor, Some(run)).await, ["paid"]);

    // So does a wish.
    let quiet = running(&executor, 2).await;
    let cancel = Command {
        run: quiet.run,
        what: CommandKind::Cancel,
        by: "ops".to_owned(),
    };
    apply(&client, Change::Command(cancel)).await.unwrap();
    hear(&mut hints, Hint::Inbox(quiet.run)).await;
}

#[tokio::test]
async fn own_commits_hint_at_what_they_make_possible() {
    for mode in MODES {
        let folder = Folder::new();
        let store = folder.executor(mode);
        let mut hints = store.hints();
        let lease = running(&store, 1).await;
        hear(&mut hints, Hint::Ready).await;
        apply(&store, Change::Emit(event("a", lease.run))).await.unwrap();
        hear(&mut hints, Hint::Inbox(lease.run)).await;
        apply(&store, Change::Advance(step(lease, 0, Next::Park { wake_at: None })))
            .await
            .unwrap();
        apply(&store, Change::Emit(event("b", lease.run))).await.unwrap();
        hear(&mut hints, Hint::Ready).await;
    }
}

/// A timer is worth a hint when it is earlier than what was last asked for, and only then.
#[tokio::test]
async fn a_timer_hints_when_it_is_earlier() {
    let folder = Folder::new();
    let store = folder.executor(Mode::Inline);
    let mut leases = Vec::new();
    for number in 1..=3 {
        leases.push(running(&store, number).await);
    }
    let now = store.now().await.unwrap();
    let park = |index: usize, seconds: u64| {
        let wake_at = Some(now + std::time::Duration::from_secs(seconds));
        Change::Advance(step(leases[index], 0, Next::Park { wake_at }))
    };
    apply(&store, park(0, 10)).await.unwrap();
    assert_eq!(
        store.next_due().await.unwrap(),
        Some(now + std::time::Duration::from_secs(10))
    );

    let mut hints = store.hints();
    let mut heard = async || futures_util::future::poll_immediate(hints.next()).await.flatten();
    assert_eq!(heard().await, None);
    apply(&store, park(1, 11)).await.unwrap();
    assert_eq!(heard().await, None, "a later timer changes nothing");
    apply(&store, park(2, 9)).await.unwrap();
    assert_eq!(heard().await, Some(Hint::Ready), "an earlier timer is told");
}
