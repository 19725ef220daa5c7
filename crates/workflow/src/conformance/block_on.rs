//! Waiting in a plain test thread for a store that answers inline or from another thread.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, current, park_timeout};
use std::time::Duration;

/// How long the thread sleeps before it looks whether it was woken.
const NAP: Duration = Duration::from_millis(50);

/// After a minute without a sign the answer will not come: a hang gets a name.
const NAPS: u32 = 1_200;

struct Unpark {
    woken: AtomicBool,
    thread: Thread,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Runs a future to its end in this thread, which sleeps meanwhile. The future is polled only
/// when it asked for it.
///
/// # Panics
/// When nothing wakes it for a minute.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let unpark = Arc::new(Unpark {
        woken: AtomicBool::new(true),
        thread: current(),
    });
    let waker = Waker::from(unpark.clone());
    let mut naps = 0;
    loop {
        if unpark.woken.swap(false, Ordering::Acquire) {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            naps = 0;
        }
        assert!(
            naps < NAPS,
            "nothing woke the waiting test for a minute: the store gave no answer, or no hint"
        );
        park_timeout(NAP);
        naps += 1;
    }
}
