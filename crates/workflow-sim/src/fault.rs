//! What can go wrong, and where.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::dice::Dice;

/// What becomes of one call of a process to its store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// The process dies before the call is applied.
    CrashBefore,
    /// The process dies after the call was applied, before its answer.
    CrashAfter,
    /// The process dies, and its call is applied this much later: it was on its way.
    CrashInFlight(Duration),
    /// The call is not applied, and says so.
    Unavailable,
    /// The call is not applied, and nobody knows.
    UnknownLost,
    /// The call is applied, and nobody knows.
    UnknownApplied,
    /// The call is applied after this time.
    Slow(Duration),
    /// The call is applied at once, and its answer comes after this time.
    LateAnswer(Duration),
    /// The process freezes for this time; then the call is applied.
    FreezeBefore(Duration),
    /// The call is applied; then the process freezes for this time.
    FreezeAfter(Duration),
}

/// What befalls a process, or a clock, at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimedFault {
    /// The process dies.
    Crash(usize),
    /// The process freezes for this time.
    Freeze(usize, Duration),
    /// The process is shut down in order, with this grace, and started again.
    Restart(usize, Duration),
    /// No call of the process succeeds for this time.
    Cut(usize, Duration),
    /// No renewal of the process succeeds for this time.
    Deaf(usize, Duration),
    /// Each call of the process takes so long for so long.
    Drag(usize, Duration, Duration),
    /// The store's clock jumps by these milliseconds.
    StoreClock(i64),
    /// The process's wall clock jumps by these milliseconds.
    WallClock(usize, i64),
}

impl fmt::Display for CallFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CrashBefore => f.write_str("crash before"),
            Self::CrashAfter => f.write_str("crash after"),
            Self::CrashInFlight(time) => write!(f, "crash, applied {time:?} later"),
            Self::Unavailable => f.write_str("unavailable"),
            Self::UnknownLost => f.write_str("outcome unknown, not applied"),
            Self::UnknownApplied => f.write_str("outcome unknown, applied"),
            Self::Slow(time) => write!(f, "applied {time:?} later"),
            Self::LateAnswer(time) => write!(f, "answered {time:?} later"),
            Self::FreezeBefore(time) => write!(f, "frozen for {time:?} before"),
            Self::FreezeAfter(time) => write!(f, "frozen for {time:?} after"),
        }
    }
}

impl fmt::Display for TimedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(p) => write!(f, "p{p} crashes"),
            Self::Freeze(p, time) => write!(f, "p{p} freezes for {time:?}"),
            Self::Restart(p, grace) => write!(f, "p{p} is shut down within {grace:?}"),
            Self::Cut(p, time) => write!(f, "p{p} is cut off for {time:?}"),
            Self::Deaf(p, time) => write!(f, "p{p} renews nothing for {time:?}"),
            Self::Drag(p, each, time) => write!(f, "each call of p{p} takes {each:?} for {time:?}"),
            Self::StoreClock(by) => write!(f, "the store's clock jumps by {by} ms"),
            Self::WallClock(p, by) => write!(f, "the clock of p{p} jumps by {by} ms"),
        }
    }
}

/// How much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Nothing goes wrong by itself after this time.
    pub window: Duration,
    /// At most so many faults at calls of each process.
    pub calls: u64,
    /// They are among so many first calls of each process.
    pub among: u64,
    /// At most so many faults at times.
    pub timed: u64,
    /// Whether clocks jump as well.
    pub clocks: Clocks,
}

/// What clocks do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clocks {
    /// They go as time does.
    Steady,
    /// They jump forwards.
    Forwards,
    /// They jump either way.
    EitherWay,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        window: Duration::ZERO,
        calls: 0,
        among: 1,
        timed: 0,
        clocks: Clocks::Steady,
    };

    /// A mixture that differs from seed to seed: some have none, some have many.
    #[must_use]
    pub fn draw(seed: u64) -> Self {
        let mut dice = Dice::of(seed, "faults", 0);
        let heavy = *dice.pick(&[0, 1, 1, 2, 2, 2, 3, 4]);
        Self {
            window: dice.millis(40_000, 240_000),
            calls: heavy * dice.within(1, 5),
            among: *dice.pick(&[30, 100, 200]),
            timed: heavy * dice.within(0, 2),
            clocks: *dice.pick(&[Clocks::Steady, Clocks::EitherWay]),
        }
    }
}

/// The numbered faults of one simulation, fixed before it begins, so that a number means the
/// same whichever others are left out.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub calls: BTreeMap<(usize, u64), (u32, CallFault)>,
    pub timed: Vec<(Duration, u32, TimedFault)>,
    pub last_number: u32,
}

impl Plan {
    pub fn draw(seed: u64, processes: usize, faults: &Faults) -> Self {
        let mut plan = Self::default();
        for process in 0..processes {
            plan.draw_calls(seed, process, faults);
        }
        plan.draw_timed(seed, processes, faults);
        plan
    }

    fn number(&mut self) -> u32 {
        self.last_number += 1;
        self.last_number
    }

    fn draw_calls(&mut self, seed: u64, process: usize, faults: &Faults) {
        let mut dice = Dice::of(seed, "calls", process as u64);
        for _ in 0..faults.calls {
            let (nth, fault) = (dice.below(faults.among), draw_call(&mut dice));
            let number = self.number();
            self.calls.insert((process, nth), (number, fault));
        }
    }

    fn draw_timed(&mut self, seed: u64, processes: usize, faults: &Faults) {
        let mut dice = Dice::of(seed, "timed", 0);
        let window = u64::try_from(faults.window.as_millis()).unwrap_or(u64::MAX).max(1);
        for _ in 0..faults.timed {
            let at = dice.millis(0, window - 1);
            let process = usize::try_from(dice.below(processes as u64)).expect("processes are few");
            let fault = draw_at(&mut dice, process, faults.clocks);
            let number = self.number();
            self.timed.push((at, number, fault));
        }
    }
}

/// Short as a hiccup, or longer than any lease.
fn span(dice: &mut Dice) -> Duration {
    match dice.below(4) {
        0 => dice.millis(1, 200),
        1 => dice.millis(200, 6_000),
        2 => dice.millis(3_000, 20_000),
        _ => dice.millis(15_000, 60_000),
    }
}

fn draw_call(dice: &mut Dice) -> CallFault {
    match dice.below(14) {
        0 | 1 => CallFault::CrashBefore,
        2 | 3 => CallFault::CrashAfter,
        4 => CallFault::CrashInFlight(span(dice)),
        5 => CallFault::Unavailable,
        6 => CallFault::UnknownLost,
        7 | 8 => CallFault::UnknownApplied,
        9 => CallFault::Slow(span(dice)),
        10 | 11 => CallFault::LateAnswer(span(dice)),
        12 => CallFault::FreezeBefore(span(dice)),
        _ => CallFault::FreezeAfter(span(dice)),
    }
}

fn draw_at(dice: &mut Dice, process: usize, clocks: Clocks) -> TimedFault {
    let forms = if clocks == Clocks::Steady { 7 } else { 10 };
    match dice.below(forms) {
        0 | 1 => TimedFault::Crash(process),
        2 => TimedFault::Freeze(process, span(dice)),
        3 => TimedFault::Restart(process, dice.millis(0, 12_000)),
        4 => TimedFault::Cut(process, span(dice)),
        5 => TimedFault::Deaf(process, span(dice)),
        6 => TimedFault::Drag(process, dice.millis(1, 6_000), span(dice)),
        7 | 8 => TimedFault::StoreClock(jump(dice, clocks)),
        _ => TimedFault::WallClock(process, jump(dice, clocks)),
    }
}

/// Forwards by up to ten minutes, or backwards by up to one.
fn jump(dice: &mut Dice, clocks: Clocks) -> i64 {
    let by = match dice.below(3) {
        0 => i64::try_from(dice.within(1, 2_000)),
        1 => i64::try_from(dice.within(10_000, 600_000)),
        _ => i64::try_from(dice.within(1, 60_000)).map(|by| -by),
    };
    let by = by.expect("a jump of minutes fits");
    if clocks == Clocks::Forwards { by.abs() } else { by }
}
