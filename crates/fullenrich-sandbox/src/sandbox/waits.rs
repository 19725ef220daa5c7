//! What hangs until something happens.

use super::Sandbox;
use crate::error::LedgerError;
use crate::moods::Mood;

/// How often everything that hangs because of a mood was let go.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Releases {
    count: u64,
    /// The sandbox is closing: nothing may hang any more.
    closing: bool,
}

/// Why an answer that hung does not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LetGo {
    /// It is to be given after all.
    Released,
    /// The server stops, and its connections with it.
    Closing,
}

impl Sandbox {
    /// How often what hangs was let go, until now.
    pub(crate) fn releases(&self) -> Releases {
        *self.releases.borrow()
    }

    /// Ends when what hangs is let go, which may have happened since then.
    pub(crate) async fn released_since(&self, then: Releases) -> LetGo {
        let mut releases = self.releases.subscribe();
        let now = releases.wait_for(|now| now.closing || now.count != then.count).await;
        // It cannot close before that: the sender is in `self`.
        if now.is_ok_and(|now| now.count != then.count) {
            LetGo::Released
        } else {
            LetGo::Closing
        }
    }

    /// Ends when the server is to stop.
    pub(crate) async fn closed(&self) {
        let mut releases = self.releases.subscribe();
        drop(releases.wait_for(|now| now.closing).await);
    }

    /// Ends all moods, and lets go what hangs because of one or is held.
    pub(crate) fn calm(&self) -> Result<(), LedgerError> {
        self.desk().calm(self.clock.now())?;
        self.releases.send_modify(|releases| releases.count += 1);
        self.holds.release();
        Ok(())
    }

    /// Nothing hangs from now on, so that a server can stop.
    pub(crate) fn close(&self) {
        self.releases.send_modify(|releases| releases.closing = true);
        self.holds.release();
    }

    /// Waits for the first attempt at the final callback of a batch that calls back before its POST is answered.
    pub(crate) async fn call_back_first(&self, place: usize) {
        let mut attempts = self.attempts.subscribe();
        while self.is_owed_a_callback_first(place) {
            if attempts.changed().await.is_err() {
                return;
            }
        }
    }

    fn is_owed_a_callback_first(&self, place: usize) -> bool {
        let mut desk = self.desk();
        let batch = desk.books.batch(place);
        if !batch.has(Mood::CallbackBeforeAnswer) || batch.ended.is_none() || !batch.calls_back() {
            return false;
        }
        let tried = batch.callback.attempts > 0;
        if tried {
            desk.show(place, Mood::CallbackBeforeAnswer, self.clock.now());
        }
        !tried
    }
}
