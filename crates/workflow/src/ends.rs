//! Who waits for the end of a run that is executed in this very process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use crate::id::RunId;
use crate::store::Ending;

/// The runs whose end somebody waits for.
#[derive(Default)]
pub(crate) struct Ends {
    awaited: Mutex<BTreeMap<RunId, watch::Sender<Option<Ending>>>>,
}

impl Ends {
    /// From now on each end of the run is noticed.
    pub fn listen(&self, run: RunId) -> Listening<'_> {
        let mut awaited = self.lock();
        let ends = awaited.entry(run).or_insert_with(|| watch::Sender::new(None));
        Listening {
            heard: ends.subscribe(),
            ends: self,
            run,
        }
    }

    /// The run's end is durable.
    pub fn tell(&self, run: RunId, ending: Ending) {
        if let Some(ends) = self.lock().get(&run) {
            ends.send_replace(Some(ending));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, watch::Sender<Option<Ending>>>> {
        self.awaited.lock().expect("nobody panics while holding it")
    }
}

/// Somebody who waits.
pub(crate) struct Listening<'e> {
    heard: watch::Receiver<Option<Ending>>,
    ends: &'e Ends,
    run: RunId,
}

impl Listening<'_> {
    /// Until the run ends after this began to listen, and how it has ended. An end that was told to others before may
    /// be one that the run has been sent back from.
    pub async fn ended(&mut self) -> Ending {
        let heard = self.heard.changed().await;
        heard.expect("its entry stays as long as somebody listens");
        let ended = self.heard.borrow_and_update().clone();
        ended.expect("only ends are told")
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let mut awaited = self.ends.lock();
        if awaited.get(&self.run).is_some_and(|ends| ends.receiver_count() == 1) {
            awaited.remove(&self.run);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use uuid::Uuid;

    use super::*;
    use crate::payload::Payload;

    fn ended_with(output: u32) -> Ending {
        Ending::Completed(Payload::encode(&output).unwrap())
    }

    /// Whoever begins to listen when an end has been told hears the next one, although somebody else still listens.
    #[test]
    fn an_end_from_before_is_not_heard() {
        let (ends, run) = (Ends::default(), RunId(Uuid::from_u128(1)));
        let mut first = ends.listen(run);
        ends.tell(run, ended_with(1));
        let mut second = ends.listen(run);
        assert_eq!(first.ended().now_or_never(), Some(ended_with(1)));
        assert_eq!(second.ended().now_or_never(), None);
        ends.tell(run, ended_with(2));
        assert_eq!(first.ended().now_or_never(), Some(ended_with(2)));
        assert_eq!(second.ended().now_or_never(), Some(ended_with(2)));
    }
}
