//! Notes of what was told, at the moment of telling.

use super::Sandbox;
use crate::desk::Addressee;
use crate::error::LedgerError;
use crate::ledger::{Digest, PostAnswer, Sent};

impl Sandbox {
    pub(crate) fn note_callback(&self, addressee: Addressee, attempt: u32, delivered: Option<Digest>) {
        let noted = self
            .desk()
            .note_callback(addressee, attempt, delivered, self.clock.now());
        if noted.is_err() {
            tracing::debug!("an attempt at a callback is not in the ledger");
        }
        self.attempts.send_replace(());
    }

    pub(crate) fn note_extra(&self, addressee: Addressee, sent: Sent, sha256: Digest) {
        let noted = self.desk().note_extra(addressee, sent, sha256, self.clock.now());
        if noted.is_err() {
            tracing::debug!("an extra callback is not in the ledger");
        }
    }

    /// A delivered callback was sent again.
    pub(crate) fn note_copy(&self, addressee: Addressee) {
        let noted = self.desk().note_copy(addressee.batch, self.clock.now());
        if noted.is_err() {
            tracing::debug!("a doubled callback is not in the ledger");
        }
    }

    pub(crate) fn note_answer(&self, place: usize, answer: PostAnswer) -> Result<(), LedgerError> {
        self.desk().note_answer(place, answer, self.clock.now())
    }
}
