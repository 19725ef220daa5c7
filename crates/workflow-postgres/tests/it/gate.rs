//! A test's hand that holds connections.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use lumina_workflow_postgres::{At, Hook, Verdict};
use tokio::sync::Notify;

/// Holds a connection at one of its moments until it is told to go on, once.
#[derive(Clone, Default)]
pub struct Gate {
    hold: Arc<Mutex<Option<Hold>>>,
    /// What has passed or is held since it was last armed.
    passed: Arc<Mutex<Vec<String>>>,
    reached: Arc<Notify>,
    opened: Arc<Notify>,
}

#[derive(Clone, Copy)]
enum Hold {
    Nth(usize),
    Statement(&'static str),
}

impl Hold {
    fn is_at(self, place: usize, at: At<'_>) -> bool {
        match (self, at) {
            (Self::Nth(nth), _) => nth == place,
            (Self::Statement(begins), At::Statement(sql)) => sql.starts_with(begins),
            (Self::Statement(_), _) => false,
        }
    }
}

impl Gate {
    pub fn hook(&self) -> Hook {
        let this = self.clone();
        Hook::new(move |at| {
            let place = this.note(at);
            let held = this
                .hold
                .lock()
                .unwrap()
                .take_if(|hold| hold.is_at(place, at))
                .is_some();
            let this = this.clone();
            async move {
                if held {
                    this.reached.notify_one();
                    this.opened.notified().await;
                }
                Verdict::Go
            }
            .boxed()
        })
    }

    fn note(&self, at: At<'_>) -> usize {
        let said = match at {
            At::Statement(sql) => sql.to_owned(),
            at => format!("{at:?}"),
        };
        let mut passed = self.passed.lock().unwrap();
        passed.push(said);
        passed.len() - 1
    }

    /// To hold the n-th moment from here.
    pub fn arm(&self, nth: usize) {
        self.set(Some(Hold::Nth(nth)));
    }

    /// To hold the next statement that begins so.
    pub fn arm_at(&self, begins: &'static str) {
        self.set(Some(Hold::Statement(begins)));
    }

    /// To hold nothing.
    pub fn disarm(&self) {
        self.set(None);
    }

    fn set(&self, hold: Option<Hold>) {
        self.passed.lock().unwrap().clear();
        // A permit that nobody has taken would open the next gate.
        let _ = self.opened.notified().now_or_never();
        *self.hold.lock().unwrap() = hold;
    }

    /// Waits until a connection is held; false when none comes to that moment.
    pub async fn is_reached(&self) -> bool {
        let reached = tokio::time::timeout(Duration::from_secs(2), self.reached.notified());
        reached.await.is_ok()
    }

    pub fn open(&self) {
        self.opened.notify_one();
    }

    pub fn passed(&self) -> Vec<String> {
        self.passed.lock().unwrap().clone()
    }

    /// Transactions that were begun.
    pub fn begun(&self) -> usize {
        self.passed().iter().filter(|said| said.starts_with("BEGIN")).count()
    }
}
