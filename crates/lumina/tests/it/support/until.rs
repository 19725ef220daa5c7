//! Waiting for what happens by itself.

use std::future::Future;
use std::time::Duration;

/// Asks until the answer is there; fails the test when none comes.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let answer = tokio::time::timeout(Duration::from_secs(20), asking).await;
    answer.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}
