//! What a test has planned for the steps, and what came of it.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::crashes::CrashPoint;
use crate::error::StepError;
use crate::history::{Record, What};
use crate::intercept::{AttemptPoint, Interceptor, Intervention, RecordPoint};
use crate::payload::Payload;
use crate::step::{Step, StepAt, StepKey};

pub(super) type Answer = Arc<dyn Fn(&AttemptPoint<'_>) -> Result<Payload, StepError> + Send + Sync>;

/// What stands in for a step's code.
pub(super) enum Doing {
    /// Again and again.
    Answer(Answer),
    /// So many times; then what was there before.
    Fail { left: u32, error: StepError },
    /// The step's own code.
    Own,
}

/// An attempt that was made.
struct Made {
    declared: Step,
    key: StepKey,
    stubbed: bool,
}

#[derive(Default)]
struct State {
    /// The last one that fits counts.
    doings: Vec<(StepAt, Doing)>,
    delays: Vec<(StepAt, Duration)>,
    crashes: Vec<(CrashPoint, StepAt)>,
    made: Vec<Made>,
    dying: bool,
}

/// Shared by the kit and the engine that it has put its hand in.
#[derive(Default)]
pub(super) struct Plan(Mutex<State>);

impl StepAt {
    /// Whether this is meant when a test names a step: without a key, each of the name.
    fn means(&self, key: &StepKey) -> bool {
        let same = |wanted: &String| matches!(key, StepKey::Given(given) if given == wanted);
        self.key.as_ref().is_none_or(same)
    }

    pub(super) fn is_of(&self, record: &Record) -> bool {
        let mut step = record.step.iter();
        step.any(|step| step.name == self.step.name && self.means(&step.key))
    }
}

fn fits(at: &StepAt, declared: &Step, key: &StepKey) -> bool {
    at.step == *declared && at.means(key)
}

impl State {
    /// Takes the crash that is planned for here, if one is.
    fn crash(&mut self, point: CrashPoint, declared: &Step, key: &StepKey) -> bool {
        let planned = |(at_point, at): &(CrashPoint, StepAt)| *at_point == point && fits(at, declared, key);
        let Some(place) = self.crashes.iter().position(planned) else {
            return false;
        };
        self.crashes.remove(place);
        self.dying = true;
        true
    }

    fn do_next(&mut self, declared: &Step, key: &StepKey) -> Option<Next> {
        let planned = |(at, doing): &&mut (StepAt, Doing)| {
            fits(at, declared, key) && !matches!(doing, Doing::Fail { left: 0, .. })
        };
        let (_, doing) = self.doings.iter_mut().rev().find(planned)?;
        match doing {
            Doing::Answer(answer) => Some(Next::Ask(answer.clone())),
            Doing::Own => None,
            Doing::Fail { left, error } => {
                *left -= 1;
                Some(Next::Fail(error.clone()))
            }
        }
    }

    fn delay(&self, declared: &Step, key: &StepKey) -> Option<Duration> {
        let planned = self.delays.iter().rev().find(|(at, _)| fits(at, declared, key));
        planned.map(|(_, time)| *time).filter(|time| !time.is_zero())
    }
}

enum Next {
    Ask(Answer),
    Fail(StepError),
}

impl Plan {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding it")
    }

    pub fn put(&self, at: StepAt, doing: Doing) {
        self.state().doings.push((at, doing));
    }

    pub fn delay(&self, at: StepAt, time: Duration) {
        self.state().delays.push((at, time));
    }

    pub fn crash(&self, point: CrashPoint, at: StepAt) {
        self.state().crashes.push((point, at));
    }

    /// Whether the process was to die just now.
    pub fn take_dying(&self) -> bool {
        std::mem::take(&mut self.state().dying)
    }

    /// How many attempts were made, and how many of them by a stub.
    pub fn made(&self, at: &StepAt) -> (usize, usize) {
        let state = self.state();
        let of_it: Vec<_> = state
            .made
            .iter()
            .filter(|made| fits(at, &made.declared, &made.key))
            .collect();
        (of_it.len(), of_it.iter().filter(|made| made.stubbed).count())
    }

    pub fn assert_crashes_came(&self) {
        let left: Vec<String> = self
            .state()
            .crashes
            .iter()
            .map(|(point, at)| format!("{point:?} of {}", at.step.name))
            .collect();
        assert!(
            left.is_empty(),
            "a crash was planned and never came: {}",
            left.join(", ")
        );
    }

    fn rule(&self, point: &AttemptPoint<'_>) -> Intervention {
        let (declared, key) = (point.declared, &point.step.key);
        let mut state = self.state();
        if state.crash(CrashPoint::BeforeCode, declared, key) {
            return Intervention::Pass.after(Duration::MAX);
        }
        let next = state.do_next(declared, key);
        state.made.push(Made {
            declared: *declared,
            key: key.clone(),
            stubbed: next.is_some(),
        });
        let delay = state.delay(declared, key);
        drop(state);
        let ruling = match next {
            None => Intervention::Pass,
            Some(Next::Fail(error)) => Intervention::Answer(Err(error)),
            Some(Next::Ask(answer)) => Intervention::Answer(answer(point)),
        };
        match delay {
            Some(time) => ruling.after(time),
            None => ruling,
        }
    }

    fn meet(&self, crash: CrashPoint, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        let result = point.record.what.is_completion() || matches!(point.record.what, What::AttemptFailed { .. });
        let place = point.declared.zip(point.record.step.as_ref()).filter(|_| result);
        match place {
            Some((declared, step)) if self.state().crash(crash, declared, &step.key) => {
                Box::pin(std::future::pending())
            }
            _ => Box::pin(std::future::ready(())),
        }
    }
}

impl Interceptor for Plan {
    fn attempt(&self, point: &AttemptPoint<'_>) -> Intervention {
        self.rule(point)
    }

    fn skips_gate(&self, point: &AttemptPoint<'_>) -> bool {
        let state = self.state();
        let planned = |(at, doing): &&(StepAt, Doing)| {
            fits(at, point.declared, &point.step.key) && !matches!(doing, Doing::Fail { left: 0, .. })
        };
        let doing = state.doings.iter().rev().find(planned);
        doing.is_some_and(|(_, doing)| !matches!(doing, Doing::Own))
    }

    fn recording(&self, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        self.meet(CrashPoint::BeforeRecord, point)
    }

    fn recorded(&self, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        self.meet(CrashPoint::AfterRecord, point)
    }
}
