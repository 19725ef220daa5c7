//! The work that goes on beside the calls.

use std::sync::{Arc, Weak};

use jiff::Timestamp;

use super::Sandbox;
use crate::clock::{Clock, span_until};
use crate::desk::{Addressee, Effects};

impl Sandbox {
    /// Does what is due.
    fn advance(self: &Arc<Self>) {
        // A ledger that fails has been reported where it failed, and shows in every answer from then on.
        let settled = self.desk().settle(&self.config, self.clock.now());
        if let Ok(effects) = settled {
            self.carry_out(effects);
        }
    }

    pub(super) fn carry_out(self: &Arc<Self>, effects: Effects) {
        for alarm in effects.alarms {
            let wake = wake_at(Arc::downgrade(self), Arc::clone(&self.clock), alarm);
            self.clock.spawn(Box::pin(wake));
        }
        for addressee in effects.callbacks {
            // Before the letter is written: what is let go from then on is heard.
            let releases = self.releases.subscribe();
            if let Some(letter) = self.write_letter(addressee) {
                let delivery = self.courier.clone().deliver(letter, Arc::downgrade(self), releases);
                self.clock.spawn(Box::pin(delivery));
            }
        }
    }

    /// What comes after a callback that was delivered or given up.
    pub(crate) fn follow_up(self: &Arc<Self>, addressee: Addressee) {
        if addressee.item.is_some() {
            return;
        }
        let (retries, now) = (self.config.callback_retries, self.clock.now());
        let callbacks = self.desk().events_at_last(addressee.batch, retries, now);
        self.carry_out(Effects {
            callbacks,
            ..Effects::default()
        });
    }
}

/// Waits for a moment and has the sandbox do what is due. A sleep may end early by the wall clock's drift.
async fn wake_at(sandbox: Weak<Sandbox>, clock: Arc<dyn Clock>, alarm: Timestamp) {
    loop {
        let left = span_until(clock.now(), alarm);
        if left.is_zero() {
            break;
        }
        clock.sleep(left).await;
    }
    if let Some(sandbox) = sandbox.upgrade() {
        sandbox.advance();
    }
}
