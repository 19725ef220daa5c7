//! The hand that does something to one step, once.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use lumina_workflow::testing::{AttemptPoint, Interceptor, Intervention, RecordPoint};
use lumina_workflow::{Payload, StepError, What};

/// A step of a workflow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepName {
    pub workflow: String,
    pub step: String,
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.workflow, self.step)
    }
}

/// What happens to a step the first time that it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Its attempt fails, and may be repeated.
    Fails,
    /// It fails and says that no repetition helps.
    FailsForGood,
    /// Its code panics.
    Panics,
    /// It does not say whether it has acted; it has not.
    Unknown,
    /// It takes longer than it may.
    Late,
    /// It has ended, and the process dies before that is on record.
    DiesBefore,
    /// The process dies as soon as its end is on record.
    DiesAfter,
}

/// What a step answers in a scenario, in the order of its attempts, before its code is asked.
#[derive(Debug, Clone, Copy)]
pub struct Mood {
    pub step: &'static str,
    pub answer: Answer,
}

#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// The outcome is unknown; nothing was done.
    Unknown,
    /// This is its result, as JSON.
    Result(&'static str),
}

pub struct Injector {
    moods: &'static [Mood],
    /// How many of the moods were shown.
    shown: AtomicUsize,
    target: Option<(StepName, Fault)>,
    /// How long it takes when it is late.
    late: Duration,
    timed_out: Mutex<BTreeSet<StepName>>,
    fired: AtomicBool,
    dead: AtomicBool,
    reached: Mutex<BTreeSet<StepName>>,
}

impl Injector {
    pub fn new(moods: &'static [Mood]) -> Self {
        Self::with(moods, None, Duration::ZERO)
    }

    /// One that does this to a step, which has this timeout if it has one.
    pub fn against(moods: &'static [Mood], step: StepName, fault: Fault, timeout: Option<Duration>) -> Self {
        let late = timeout.unwrap_or_default() + Duration::from_secs(60);
        Self::with(moods, Some((step, fault)), late)
    }

    fn with(moods: &'static [Mood], target: Option<(StepName, Fault)>, late: Duration) -> Self {
        Self {
            late,
            timed_out: Mutex::default(),
            moods,
            shown: AtomicUsize::new(0),
            target,
            fired: AtomicBool::new(false),
            dead: AtomicBool::new(false),
            reached: Mutex::default(),
        }
    }

    pub fn reached(&self) -> BTreeSet<StepName> {
        self.reached.lock().unwrap().clone()
    }

    /// Waits whose event did not come in time.
    pub fn timed_out(&self) -> BTreeSet<StepName> {
        self.timed_out.lock().unwrap().clone()
    }

    /// Whether what was to happen has happened; true when nothing was to.
    pub fn has_fired(&self) -> bool {
        self.target.is_none() || self.fired.load(Ordering::SeqCst)
    }

    /// What was to happen, and whether it has.
    pub fn tell(&self) -> String {
        match &self.target {
            None => "with nothing injected".to_owned(),
            Some((step, fault)) if self.has_fired() => format!("after {fault:?} of {step}"),
            Some((step, fault)) => format!("and {fault:?} of {step} has not happened"),
        }
    }

    /// Whether the process has died since this was asked last.
    pub fn take_death(&self) -> bool {
        self.dead.swap(false, Ordering::SeqCst)
    }

    fn note(&self, workflow: &str, step: &str) -> StepName {
        let name = StepName {
            workflow: workflow.to_owned(),
            step: step.to_owned(),
        };
        self.reached.lock().unwrap().insert(name.clone());
        name
    }

    /// The fault, if this is the step and it has not happened yet.
    fn fires(&self, step: &StepName, happens: impl Fn(Fault) -> bool) -> Option<Fault> {
        let (target, fault) = self.target.as_ref()?;
        let is_now = target == step && happens(*fault) && !self.fired.swap(true, Ordering::SeqCst);
        is_now.then_some(*fault)
    }

    fn show_mood(&self, step: &str) -> Option<Intervention> {
        let next = self.shown.load(Ordering::SeqCst);
        let mood = self.moods.get(next).filter(|mood| mood.step == step)?;
        self.shown.store(next + 1, Ordering::SeqCst);
        Some(Intervention::Answer(match mood.answer {
            Answer::Unknown => Err(StepError::unknown("on purpose")),
            Answer::Result(text) => Ok(Payload::from_stored(text.to_owned())),
        }))
    }

    fn perhaps_die(&self, point: RecordPoint<'_>, at: Fault) -> BoxFuture<'static, ()> {
        let step = point.record.step.as_ref();
        let ended = step.filter(|_| point.record.what.is_completion());
        let name = ended.map(|step| self.note(point.workflow, &step.name));
        if point.record.what == What::TimedOut {
            self.timed_out.lock().unwrap().extend(name.clone());
        }
        if name.is_some_and(|name| self.fires(&name, |fault| fault == at).is_some()) {
            self.dead.store(true, Ordering::SeqCst);
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(()))
    }
}

impl Interceptor for Injector {
    fn attempt(&self, point: &AttemptPoint<'_>) -> Intervention {
        let name = self.note(point.workflow, &point.step.name);
        let in_attempt = |fault| !matches!(fault, Fault::DiesBefore | Fault::DiesAfter);
        match self.fires(&name, in_attempt) {
            Some(Fault::Fails) => Intervention::Answer(Err(StepError::retry("on purpose").with_code(503))),
            Some(Fault::FailsForGood) => Intervention::Answer(Err(StepError::fail("on purpose"))),
            Some(Fault::Panics) => Intervention::Panic("on purpose".to_owned()),
            Some(Fault::Unknown) => Intervention::Answer(Err(StepError::unknown("on purpose"))),
            Some(Fault::Late) => Intervention::Pass.after(self.late),
            Some(Fault::DiesBefore | Fault::DiesAfter) => unreachable!("these happen at records"),
            None => self.show_mood(&point.step.name).unwrap_or(Intervention::Pass),
        }
    }

    /// Code that does not run needs no permit.
    fn skips_gate(&self, point: &AttemptPoint<'_>) -> bool {
        let is_target = |target: &(StepName, Fault)| {
            let answers = !matches!(target.1, Fault::DiesBefore | Fault::DiesAfter | Fault::Late);
            answers && target.0.workflow == point.workflow && target.0.step == point.step.name
        };
        let fires = self.target.as_ref().is_some_and(is_target) && !self.fired.load(Ordering::SeqCst);
        let next = self.moods.get(self.shown.load(Ordering::SeqCst));
        fires || next.is_some_and(|mood| mood.step == point.step.name)
    }

    fn recording(&self, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        self.perhaps_die(point, Fault::DiesBefore)
    }

    fn recorded(&self, point: RecordPoint<'_>) -> BoxFuture<'static, ()> {
        self.perhaps_die(point, Fault::DiesAfter)
    }
}
