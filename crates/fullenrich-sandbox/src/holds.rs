//! Holding a POST back, so that a test can do something while it hangs.

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use uuid::Uuid;

/// Where a POST is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HoldAt {
    /// Read, and not yet accepted.
    Before,
    /// Accepted, and not yet answered.
    Accepted,
}

/// An armed hold that a POST has taken up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) at: HoldAt,
    releases: u64,
}

/// A POST that is being held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Held {
    pub(crate) enrichment_id: Option<Uuid>,
    pub(crate) name: String,
}

#[derive(Debug, Default)]
struct State {
    armed: Option<HoldAt>,
    held: Option<Held>,
    /// Counts releases: what was held under another number goes on.
    releases: u64,
}

/// One hold at a time: armed, then held by a POST, then released.
#[derive(Debug)]
pub(crate) struct Holds(watch::Sender<State>);

impl Holds {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// The next POST is held.
    pub(crate) fn arm(&self, at: HoldAt) {
        self.0.send_modify(|state| state.armed = Some(at));
    }

    /// Lets a held POST go on, and holds no other.
    pub(crate) fn release(&self) {
        self.0.send_modify(|state| {
            state.armed = None;
            state.held = None;
            state.releases += 1;
        });
    }

    /// Takes up an armed hold, for the POST that has just been read.
    pub(crate) fn take(&self) -> Option<Hold> {
        let mut taken = None;
        self.0.send_if_modified(|state| {
            let releases = state.releases;
            taken = state.armed.take().map(|at| Hold { at, releases });
            taken.is_some()
        });
        taken
    }

    /// Holds a POST until it is released, which may have happened since the hold was taken up. A caller that goes
    /// away ends the hold too.
    pub(crate) async fn hold(&self, hold: Hold, held: Held) {
        let mut states = self.0.subscribe();
        self.0.send_if_modified(|state| {
            let holds = state.releases == hold.releases;
            if holds {
                state.held = Some(held.clone());
            }
            holds
        });
        let _over = Over(self, held);
        // It cannot close: the sender is borrowed.
        drop(states.wait_for(|state| state.releases != hold.releases).await);
    }

    /// Ends when a POST is held.
    pub(crate) async fn held(&self) -> Option<Held> {
        let mut states = self.0.subscribe();
        let state = states.wait_for(|state| state.held.is_some()).await;
        state.ok().and_then(|state| state.held.clone())
    }
}

/// Takes a held POST off the list when its hold is over, however that came.
struct Over<'a>(&'a Holds, Held);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.0.send_if_modified(|state| {
            let mine = state.held.as_ref() == Some(&self.1);
            if mine {
                state.held = None;
            }
            mine
        });
    }
}
