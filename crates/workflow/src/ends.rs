//! Who waits for the end of a run that is executed in this very process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use crate::id::RunId;

/// The runs whose end somebody waits for. Whoever waits looks at the row: this only says when it is worth a look.
#[derive(Default)]
pub(crate) struct Ends {
    awaited: Mutex<BTreeMap<RunId, watch::Sender<()>>>,
}

impl Ends {
    /// From now on each end of the run is noticed.
    pub fn listen(&self, run: RunId) -> Listening<'_> {
        let mut awaited = self.lock();
        let ends = awaited.entry(run).or_insert_with(|| watch::Sender::new(()));
        Listening {
            heard: ends.subscribe(),
            ends: self,
            run,
        }
    }

    /// The run's end is durable.
    pub fn tell(&self, run: RunId) {
        if let Some(ends) = self.lock().get(&run) {
            ends.send_replace(());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, watch::Sender<()>>> {
        self.awaited.lock().expect("nobody panics while holding it")
    }
}

/// Somebody who waits.
pub(crate) struct Listening<'e> {
    heard: watch::Receiver<()>,
    ends: &'e Ends,
    run: RunId,
}

impl Listening<'_> {
    /// Until the run has ended since this was asked last.
    pub async fn ended(&mut self) {
        self.heard
            .changed()
            .await
            .expect("its entry stays as long as somebody listens");
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
