//! A test's hand that breaks connections.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use lumina_workflow_postgres::{Hook, Verdict};

/// Cuts the line at the n-th moment, once.
#[derive(Clone, Default)]
pub struct Scissors {
    passed: Arc<AtomicUsize>,
    cut_at: Arc<Mutex<Option<usize>>>,
    /// Where it has cut.
    pub cut: Arc<Mutex<Vec<String>>>,
}

impl Scissors {
    pub fn hook(&self) -> Hook {
        let this = self.clone();
        Hook::new(move |at| {
            let place = this.passed.fetch_add(1, Ordering::SeqCst);
            let mut cut_at = this.cut_at.lock().unwrap();
            let cut = *cut_at == Some(place);
            if cut {
                *cut_at = None;
                this.cut.lock().unwrap().push(format!("{at:?}"));
            }
            let verdict = if cut { Verdict::Cut } else { Verdict::Go };
            async move { verdict }.boxed()
        })
    }

    pub fn arm(&self, place: usize) {
        self.passed.store(0, Ordering::SeqCst);
        *self.cut_at.lock().unwrap() = Some(place);
    }

    /// Whether the moment has not come: then all of them were tried.
    pub fn is_armed(&self) -> bool {
        self.cut_at.lock().unwrap().take().is_some()
    }
}
