//! A task that is polled where it is woken, by whoever wakes it.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::BoxFuture;

const IDLE: u8 = 0;
const POLLED: u8 = 1;
/// It is being polled, and was woken meanwhile.
const WOKEN: u8 = 2;

/// For a task that much else waits for and that never works long: it has its turn at once, on the thread that has what
/// it waits for, instead of behind all other tasks that are ready, and no thread is switched to for it.
pub(super) struct InPlace {
    task: Mutex<Option<BoxFuture<'static, ()>>>,
    state: AtomicU8,
    handle: tokio::runtime::Handle,
}

impl InPlace {
    pub fn start(task: BoxFuture<'static, ()>, handle: tokio::runtime::Handle) {
        // Who wakes it may have used up its own turn, and this is another's.
        let task = Box::pin(tokio::task::unconstrained(task));
        let task = Arc::new(Self {
            task: Mutex::new(Some(task)),
            state: AtomicU8::new(IDLE),
            handle,
        });
        task.wake();
    }

    /// Polls until it was not woken while it was polled.
    fn poll(self: &Arc<Self>) {
        // What it awaits may need the runtime, and the thread may be anybody's.
        let _entered = self.handle.enter();
        let waker = Waker::from(self.clone());
        loop {
            self.poll_once(&mut Context::from_waker(&waker));
            if self
                .state
                .compare_exchange(POLLED, IDLE, Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
            {
                return;
            }
            self.state.store(POLLED, Ordering::Release);
        }
    }

    /// Only who has made the state `POLLED` comes here, so nobody else holds the lock.
    fn poll_once(&self, context: &mut Context<'_>) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(future) = task.as_mut() else { return };
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| future.as_mut().poll(context)));
        if matches!(polled, Ok(Poll::Pending)) {
            return;
        }
        // As with any task, a panic is its end. It must not be the end of the thread that happened to wake it.
        *task = None;
    }
}

impl Wake for InPlace {
    fn wake(self: Arc<Self>) {
        let next = |state| Some(if state == IDLE { POLLED } else { WOKEN });
        let before = self
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, next)
            .expect("there is always a next state");
        if before == IDLE {
            self.poll();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::sync::mpsc;

    use super::*;

    /// From many threads at once, everything that is sent arrives, though nobody polls but the senders.
    #[test]
    fn whoever_wakes_it_polls_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (send, mut receive) = mpsc::channel::<usize>(4);
        let sum = Arc::new(AtomicUsize::new(0));
        let counted = sum.clone();
        let task = Box::pin(async move {
            while let Some(number) = receive.recv().await {
                counted.fetch_add(number, Ordering::SeqCst);
            }
            counted.fetch_add(1_000_000, Ordering::SeqCst);
        });
        InPlace::start(task, runtime.handle().clone());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let send = send.clone();
                scope.spawn(move || (0..1_000).for_each(|_| send.blocking_send(1).unwrap()));
            }
        });
        drop(send);
        assert_eq!(sum.load(Ordering::SeqCst), 1_004_000);
    }

    /// A panic ends the task, and only it.
    #[test]
    fn a_panic_ends_it_alone() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (send, mut receive) = mpsc::channel::<()>(1);
        let task = Box::pin(async move {
            receive.recv().await;
            panic!("planned");
        });
        InPlace::start(task, runtime.handle().clone());
        send.blocking_send(()).unwrap();
        assert!(send.is_closed());
    }
}
