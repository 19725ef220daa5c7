//! A single-threaded executor with a virtual clock: the same seed and the same program give
//! the same execution, and time passes only when nobody has anything to do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use super::Runtime;

/// The executor. Clones are the same one.
///
/// ```
/// use lumina_workflow::{deterministic::{DeterministicRuntime, Stuck}, Runtime};
/// use std::time::Duration;
///
/// let runtime = DeterministicRuntime::new(1);
/// runtime.spawn(runtime.sleep(Duration::from_secs(48 * 3_600)));
/// runtime.block_on(runtime.sleep(Duration::from_secs(24 * 3_600)))?;
/// assert_eq!((runtime.elapsed().as_secs(), runtime.tasks()), (24 * 3_600, 1));
///
/// // Turn by turn, and no further than told.
/// while runtime.turn() {}
/// assert!(!runtime.pass_until(Duration::from_secs(25 * 3_600)), "no timer came first");
///
/// // As a process that dies; and something that never comes.
/// runtime.drop_tasks();
/// assert_eq!(runtime.block_on(std::future::pending::<()>()), Err(Stuck));
/// # Ok::<(), Stuck>(())
/// ```
#[derive(Clone)]
pub struct DeterministicRuntime {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
}

struct State {
    start: Timestamp,
    elapsed: Duration,
    random: u64,
    next_task: u64,
    tasks: BTreeMap<u64, Option<BoxFuture<'static, ()>>>,
    ready: VecDeque<u64>,
    /// What is in `ready`, so that a task is in it once.
    queued: BTreeSet<u64>,
    /// Polls since time last passed.
    polls: u64,
    next_timer: u64,
    timers: BTreeMap<(Duration, u64), Waker>,
}

/// Nothing could go on any more before the awaited future had ended.
///
/// An example is at [`DeterministicRuntime`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "nothing is ready, no timer is set, and the awaited future has not ended: it waits for something that never comes"
)]
pub struct Stuck;

const MAIN: u64 = 0;

/// So many polls in one moment of virtual time are no work but a loop that never rests: a
/// hundred thousand runs that are all ready at once need a tenth of it.
const POLLS_PER_MOMENT: u64 = 10_000_000;

impl State {
    fn enqueue(&mut self, task: u64) {
        if self.queued.insert(task) {
            self.ready.push_back(task);
        }
    }

    fn next_ready(&mut self) -> Option<u64> {
        let task = self.ready.pop_front()?;
        self.queued.remove(&task);
        self.polls += 1;
        Some(task)
    }
}

impl DeterministicRuntime {
    /// An executor whose clock starts at 2026-01-01T00:00:00Z.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let start = Timestamp::from_second(1_767_225_600).expect("a second within jiff's range");
        let state = State {
            start,
            elapsed: Duration::ZERO,
            random: seed,
            next_task: MAIN + 1,
            tasks: BTreeMap::new(),
            ready: VecDeque::new(),
            queued: BTreeSet::new(),
            polls: 0,
            next_timer: 0,
            timers: BTreeMap::new(),
        };
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(state),
            }),
        }
    }

    /// Runs all tasks until this future has ended, letting virtual time pass when nothing else
    /// is left to do. Tasks that have not ended by then stay where they are.
    ///
    /// # Errors
    /// [`Stuck`] when the future cannot end any more.
    ///
    /// # Panics
    /// When tasks wake each other without end, so that time never passes.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> Result<T, Stuck> {
        let mut future = std::pin::pin!(future);
        let waker = self.waker(MAIN);
        self.state().enqueue(MAIN);
        loop {
            match self.next_ready() {
                Some(MAIN) => {
                    if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return Ok(value);
                    }
                }
                Some(task) => self.poll_task(task),
                None => self.pass_time()?,
            }
        }
    }

    /// Polls the task whose turn it is. False when nothing can happen before time passes.
    ///
    /// # Panics
    /// When tasks wake each other without end, so that time never passes.
    pub fn turn(&self) -> bool {
        let next = self.next_ready();
        if let Some(task) = next {
            self.poll_task(task);
        }
        next.is_some()
    }

    /// Lets time pass to the next timer, but not beyond `limit`, counted from the start. False
    /// when the limit came first.
    pub fn pass_until(&self, limit: Duration) -> bool {
        let next = self.state().timers.first_key_value().map(|((due, _), _)| *due);
        if next.is_some_and(|due| due <= limit) {
            return self.pass_time().is_ok();
        }
        let mut state = self.state();
        state.polls = 0;
        state.elapsed = state.elapsed.max(limit);
        false
    }

    /// Drops every task, as a process that dies does.
    pub fn drop_tasks(&self) {
        let tasks = std::mem::take(&mut self.state().tasks);
        drop(tasks);
    }

    /// How many tasks there are that have not ended.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.state().tasks.len()
    }

    /// Time that has passed since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.state().elapsed
    }

    fn next_ready(&self) -> Option<u64> {
        let next = self.state().next_ready();
        let polls = self.state().polls;
        assert!(
            polls < POLLS_PER_MOMENT,
            "tasks wake each other without end, and no time passes"
        );
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("nobody panics while holding it")
    }

    fn waker(&self, task: u64) -> Waker {
        Waker::from(Arc::new(TaskWaker {
            task,
            shared: self.shared.clone(),
        }))
    }

    fn poll_task(&self, task: u64) {
        let Some(mut future) = self.state().tasks.get_mut(&task).and_then(Option::take) else {
            return;
        };
        let waker = self.waker(task);
        let ended = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let mut state = self.state();
        if ended {
            state.tasks.remove(&task);
        } else if let Some(place) = state.tasks.get_mut(&task) {
            *place = Some(future);
        }
    }

    fn pass_time(&self) -> Result<(), Stuck> {
        let mut state = self.state();
        let ((due, _), first) = state.timers.pop_first().ok_or(Stuck)?;
        state.polls = 0;
        state.elapsed = state.elapsed.max(due);
        let mut wakers = vec![first];
        while let Some(entry) = state.timers.first_entry() {
            if entry.key().0 > due {
                break;
            }
            wakers.push(entry.remove());
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Ok(())
    }
}

impl Runtime for DeterministicRuntime {
    fn spawn(&self, task: BoxFuture<'static, ()>) {
        let mut state = self.state();
        let id = state.next_task;
        state.next_task += 1;
        state.tasks.insert(id, Some(task));
        state.enqueue(id);
    }

    fn blocking(&self, code: Box<dyn FnOnce() + Send>) -> BoxFuture<'static, ()> {
        Box::pin(async move { code() })
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let due = self.state().elapsed.saturating_add(duration);
        Box::pin(Sleep {
            due,
            timer: None,
            rested: false,
            runtime: self.clone(),
        })
    }

    fn now(&self) -> Timestamp {
        let state = self.state();
        state.start + state.elapsed
    }

    fn monotonic(&self) -> Duration {
        self.state().elapsed
    }

    /// SplitMix64.
    fn random(&self) -> u64 {
        let mut state = self.state();
        state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

struct TaskWaker {
    task: u64,
    shared: Arc<Shared>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.shared
            .state
            .lock()
            .expect("nobody panics while holding it")
            .enqueue(self.task);
    }
}

struct Sleep {
    due: Duration,
    timer: Option<u64>,
    rested: bool,
    runtime: DeterministicRuntime,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let runtime = self.runtime.clone();
        let mut state = runtime.state();
        if state.elapsed >= self.due {
            // Even a sleep of no time lets the others have their turn, as timers elsewhere do.
            if std::mem::replace(&mut self.rested, true) {
                return Poll::Ready(());
            }
            drop(state);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.rested = true;
        let timer = *self.timer.get_or_insert_with(|| {
            state.next_timer += 1;
            state.next_timer
        });
        state.timers.insert((self.due, timer), cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.runtime.state().timers.remove(&(self.due, timer));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_passes_at_once_and_in_order() {
        let runtime = DeterministicRuntime::new(1);
        let log = Arc::new(Mutex::new(Vec::new()));
        for hours in [24u64, 1, 3] {
            let (sleep, log) = (runtime.sleep(Duration::from_secs(hours * 3_600)), log.clone());
            runtime.spawn(Box::pin(async move {
                sleep.await;
                log.lock().unwrap().push(hours);
            }));
        }
        runtime
            .block_on(runtime.sleep(Duration::from_secs(30 * 3_600)))
            .unwrap();
        assert_eq!(*log.lock().unwrap(), [1, 3, 24]);
        assert_eq!(runtime.elapsed(), Duration::from_secs(30 * 3_600));
    }

    #[test]
    fn waiting_for_nothing_is_said() {
        let runtime = DeterministicRuntime::new(1);
        assert_eq!(runtime.block_on(std::future::pending::<()>()), Err(Stuck));
    }

    #[test]
    fn a_task_that_is_woken_twice_is_polled_once_more() {
        let runtime = DeterministicRuntime::new(1);
        let polls = Arc::new(Mutex::new(0));
        let counted = polls.clone();
        runtime.spawn(Box::pin(std::future::poll_fn(move |cx| {
            let mut polls = counted.lock().unwrap();
            *polls += 1;
            if *polls == 1 {
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
            }
            Poll::Pending
        })));
        runtime.block_on(runtime.sleep(Duration::from_secs(1))).unwrap();
        assert_eq!(*polls.lock().unwrap(), 2);
    }

    #[test]
    fn tasks_are_counted_until_they_end() {
        let runtime = DeterministicRuntime::new(1);
        runtime.spawn(runtime.sleep(Duration::from_secs(1)));
        runtime.spawn(Box::pin(std::future::pending()));
        assert_eq!(runtime.tasks(), 2);
        runtime.block_on(runtime.sleep(Duration::from_secs(2))).unwrap();
        assert_eq!(runtime.tasks(), 1);
        runtime.drop_tasks();
        assert_eq!(runtime.tasks(), 0);
    }

    #[test]
    fn time_passes_by_hand_and_no_further_than_told() {
        let runtime = DeterministicRuntime::new(1);
        runtime.spawn(runtime.sleep(Duration::from_secs(2)));
        while runtime.turn() {}
        assert!(!runtime.pass_until(Duration::from_secs(1)));
        assert_eq!((runtime.elapsed(), runtime.tasks()), (Duration::from_secs(1), 1));
        assert!(runtime.pass_until(Duration::from_secs(9)), "the timer comes first");
        while runtime.turn() {}
        assert_eq!((runtime.elapsed(), runtime.tasks()), (Duration::from_secs(2), 0));
    }

    #[test]
    fn a_seed_gives_the_same_randomness() {
        let draw = |seed| {
            let runtime = DeterministicRuntime::new(seed);
            (runtime.random(), runtime.random(), runtime.new_id())
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }
}
