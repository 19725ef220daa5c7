//! Hints: the quick way from a commit to whoever can go on because of it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use futures_util::stream::{BoxStream, Stream};

use crate::id::RunId;

/// Something may have become possible.
///
/// An example is at [`Hints`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// A run may be ready, or a timer may be due earlier than before.
    Ready,
    /// Something came into the inbox of a run that is being executed.
    Inbox(RunId),
    /// A schedule's row has changed, or a run of a schedule has ended.
    Schedule,
}

/// Where a store drops its hints and workers pick them up. Hints of the same kind merge, so
/// that nobody can make it grow.
///
/// ```
/// use futures_util::{FutureExt, StreamExt};
/// use lumina_workflow::store::{Hint, Hints};
///
/// let hints = Hints::new();
/// let mut heard = hints.listen();
/// hints.send(Hint::Ready);
/// hints.send(Hint::Ready);
/// assert_eq!(heard.next().now_or_never(), Some(Some(Hint::Ready)));
/// assert_eq!(heard.next().now_or_never(), None, "they were merged");
/// ```
#[derive(Clone, Default)]
pub struct Hints {
    listeners: Arc<Mutex<Vec<Weak<Mutex<Waiting>>>>>,
}

#[derive(Default)]
struct Waiting {
    ready: bool,
    schedule: bool,
    inbox: BTreeSet<RunId>,
    waker: Option<Waker>,
}

impl Hints {
    /// A hub without listeners.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells every listener.
    pub fn send(&self, hint: Hint) {
        let mut listeners = lock(&self.listeners);
        listeners.retain(|listener| match listener.upgrade() {
            Some(waiting) => {
                note(&waiting, hint);
                true
            }
            None => false,
        });
    }

    /// A new listener, which hears what is sent from now on.
    #[must_use]
    pub fn listen(&self) -> BoxStream<'static, Hint> {
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        lock(&self.listeners).push(Arc::downgrade(&waiting));
        Box::pin(Listener { waiting })
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().expect("nobody panics while holding it")
}

fn note(waiting: &Mutex<Waiting>, hint: Hint) {
    let mut waiting = lock(waiting);
    match hint {
        Hint::Ready => waiting.ready = true,
        Hint::Schedule => waiting.schedule = true,
        Hint::Inbox(run) => {
            waiting.inbox.insert(run);
        }
    }
    if let Some(waker) = waiting.waker.take() {
        waker.wake();
    }
}

struct Listener {
    waiting: Arc<Mutex<Waiting>>,
}

impl Stream for Listener {
    type Item = Hint;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Hint>> {
        let mut waiting = lock(&self.waiting);
        if std::mem::take(&mut waiting.ready) {
            return Poll::Ready(Some(Hint::Ready));
        }
        if std::mem::take(&mut waiting.schedule) {
            return Poll::Ready(Some(Hint::Schedule));
        }
        if let Some(run) = waiting.inbox.pop_first() {
            return Poll::Ready(Some(Hint::Inbox(run)));
        }
        waiting.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
