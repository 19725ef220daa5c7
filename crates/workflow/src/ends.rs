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
    /// Until the run ends, and how it has ended.
    pub async fn ended(&mut self) -> Ending {
        let ended = self.heard.wait_for(Option::is_some).await;
        let ended = ended.expect("its entry stays as long as somebody listens");
        ended.clone().expect("this was waited for")
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
