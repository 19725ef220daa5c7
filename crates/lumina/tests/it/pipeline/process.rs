//! A process that can die: what it has under way is gone, and nothing of it goes on.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lumina_workflow::Runtime;
use lumina_workflow::deterministic::DeterministicRuntime;

/// The runtime of one process among others on the same clock.
pub struct Process {
    world: DeterministicRuntime,
    tasks: Mutex<Vec<Weak<Slot>>>,
}

type Slot = Mutex<Option<BoxFuture<'static, ()>>>;

impl Process {
    pub fn new(world: DeterministicRuntime) -> Self {
        Self {
            world,
            tasks: Mutex::default(),
        }
    }

    /// Ends all tasks at once. Not to be called by one of them.
    pub fn kill(&self) {
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        for task in tasks.iter().filter_map(Weak::upgrade) {
            let under_way = task.lock().unwrap().take();
            drop(under_way);
        }
    }
}

impl Runtime for Process {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let slot = Arc::new(Mutex::new(Some(task)));
        let mut tasks = self.tasks.lock().unwrap();
        tasks.retain(|task| task.strong_count() > 0);
        tasks.push(Arc::downgrade(&slot));
        drop(tasks);
        self.world.spawn(Box::pin(Owned(slot)));
    }

    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        self.world.blocking(code)
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.world.sleep(duration)
    }

    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn monotonic(&self) -> Duration {
        self.world.monotonic()
    }

    fn random(&self) -> u64 {
        self.world.random()
    }
}

/// A task as long as its process lives.
struct Owned(Arc<Slot>);

impl Future for Owned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut task = self.0.lock().unwrap();
        match task.as_mut() {
            Some(under_way) => under_way.as_mut().poll(context),
            None => Poll::Ready(()),
        }
    }
}
