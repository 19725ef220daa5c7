//! One life of a simulated process: it owns its tasks, so that it can die or freeze alone.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lumina_workflow::Runtime;
use lumina_workflow::deterministic::DeterministicRuntime;

use crate::dice::Dice;
use crate::trace::lock;

/// A process's life, from a boot to a death.
#[derive(Debug)]
pub(crate) struct Life {
    /// Which process, from 0.
    pub process: usize,
    /// The how-manieth life of that process, from 1.
    pub number: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    dead: bool,
    frozen: bool,
    last_task: u64,
    wakers: BTreeMap<u64, Waker>,
    /// Tasks that were woken while it was frozen.
    missed: BTreeSet<u64>,
    /// When not empty, every so manieth turn of a task is put off once.
    shuffle: Option<(Dice, u64)>,
}

enum Turn {
    Now,
    PutOff,
    Frozen,
    Over,
}

impl Life {
    pub fn new(process: usize, number: u32, shuffle: Option<(Dice, u64)>) -> Self {
        let state = Mutex::new(State {
            shuffle,
            ..State::default()
        });
        Self { process, number, state }
    }

    pub fn is_dead(&self) -> bool {
        lock(&self.state).dead
    }

    /// None of its tasks is polled again; each is dropped when its turn comes.
    pub fn kill(&self) {
        let mut state = lock(&self.state);
        state.dead = true;
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_values().for_each(Waker::wake);
    }

    pub fn freeze(&self) {
        lock(&self.state).frozen = true;
    }

    pub fn thaw(&self) {
        let mut state = lock(&self.state);
        state.frozen = false;
        let missed = std::mem::take(&mut state.missed);
        let wakers: Vec<_> = missed
            .iter()
            .filter_map(|task| state.wakers.get(task).cloned())
            .collect();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    fn new_task(&self) -> u64 {
        let mut state = lock(&self.state);
        state.last_task += 1;
        state.last_task
    }

    fn turn(&self, task: u64, waker: &Waker) -> Turn {
        let mut state = lock(&self.state);
        if state.dead {
            return Turn::Over;
        }
        state.wakers.entry(task).or_insert_with(|| waker.clone());
        if state.frozen {
            state.missed.insert(task);
            return Turn::Frozen;
        }
        let put_off = state
            .shuffle
            .as_mut()
            .is_some_and(|(dice, every)| dice.below(*every) == 0);
        if put_off { Turn::PutOff } else { Turn::Now }
    }

    fn forget(&self, task: u64) {
        let mut state = lock(&self.state);
        state.wakers.remove(&task);
        state.missed.remove(&task);
    }
}

/// A task that lives as long as its process.
struct Owned {
    life: Arc<Life>,
    number: u64,
    task: Option<BoxFuture<'static, ()>>,
}

impl Future for Owned {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.life.turn(self.number, cx.waker()) {
            Turn::Over => return self.end(),
            Turn::Frozen => return Poll::Pending,
            Turn::PutOff => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Turn::Now => {}
        }
        let Some(task) = self.task.as_mut() else {
            return Poll::Ready(());
        };
        let ended = task.as_mut().poll(cx).is_ready();
        if ended || self.life.is_dead() {
            return self.end();
        }
        Poll::Pending
    }
}

impl Owned {
    fn end(&mut self) -> Poll<()> {
        self.life.forget(self.number);
        self.task = None;
        Poll::Ready(())
    }
}

/// What the engine of one process sees of the world around it.
pub(crate) struct ProcessRuntime {
    pub root: DeterministicRuntime,
    pub life: Arc<Life>,
    /// How far the process's wall clock is off, in microseconds.
    pub wall: Arc<Mutex<i64>>,
    pub dice: Mutex<Dice>,
}

impl Runtime for ProcessRuntime {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let number = self.life.new_task();
        let (life, task) = (self.life.clone(), Some(task));
        self.root.spawn(Box::pin(Owned { life, number, task }));
    }

    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move { code() })
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.root.sleep(duration)
    }

    fn now(&self) -> Timestamp {
        shifted(self.root.now(), *lock(&self.wall))
    }

    fn monotonic(&self) -> Duration {
        self.root.monotonic()
    }

    fn random(&self) -> u64 {
        lock(&self.dice).draw()
    }
}

/// A time with a clock's error in microseconds.
pub(crate) fn shifted(time: Timestamp, micros: i64) -> Timestamp {
    time.saturating_add(jiff::SignedDuration::from_micros(micros))
        .expect("a span of time stays in range")
}
