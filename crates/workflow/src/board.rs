//! What a run's code and its driver share: the steps that were reached, and their answers.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::attempt::Attempt;
use crate::error::StepError;
use crate::history::StepRef;
use crate::payload::{Payload, PayloadError};
use crate::replay::{Completion, Known};
use crate::run::ChildOptions;
use crate::step::{Matching, STEP_KEY_LIMIT, STEP_NAME_LIMIT, Step, StepAt, StepKey, StepKind};
use crate::store::Attachment;
use crate::workflow::Definition;

/// What a gate hands to the attempt it let through.
pub(crate) type Permit = Box<dyn Any + Send>;
pub(crate) type GateCode = Arc<dyn Fn() -> BoxFuture<'static, Result<Permit, StepError>> + Send + Sync>;
pub(crate) type ActCode =
    Arc<dyn Fn(Attempt, Option<Permit>) -> BoxFuture<'static, Result<Payload, StepError>> + Send + Sync>;

/// When something ends by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deadline {
    After(Duration),
    At(Timestamp),
}

/// What a step does when its turn comes.
#[derive(Clone)]
pub(crate) enum Op {
    Act {
        gate: Option<GateCode>,
        act: ActCode,
    },
    InTx(Attachment),
    Wait {
        /// How the code takes what comes; it must be as declared.
        matching: Matching,
        /// What it takes: the events that are declared, or some of them with keys.
        filters: Vec<Filter>,
        deadline: Option<Deadline>,
    },
    Sleep(Deadline),
    Child(ChildPlan),
}

/// A run to be started.
#[derive(Clone)]
pub(crate) struct ChildPlan {
    pub workflow: &'static str,
    pub input: Result<Payload, PayloadError>,
    pub options: ChildOptions,
}

/// Which events fill a place of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub event: String,
    pub key: Option<String>,
}

/// A wait for more than so many events would read its inbox for ever.
const FILTERS_LIMIT: usize = 100;

/// No phase of a run has more steps: each time the run goes on, all of them are gone through again.
pub const STEPS_LIMIT: usize = 10_000;

impl Op {
    fn fits(&self, kind: StepKind) -> bool {
        match self {
            Self::Act { .. } => matches!(kind, StepKind::Action | StepKind::Effect),
            Self::InTx(_) => kind == StepKind::Action,
            Self::Wait { .. } => kind == StepKind::Wait,
            Self::Sleep(_) => kind == StepKind::Sleep,
            Self::Child(_) => kind == StepKind::Child,
        }
    }

    /// What is wrong with it where the run reaches it, if anything.
    fn problem(&self, declared: &Step) -> Option<String> {
        match self {
            Self::Wait { matching, filters, .. } => find_problem_of_wait(declared, *matching, filters),
            Self::Child(plan) => plan.input.as_ref().err().map(|error| format!("its input {error}")),
            _ => None,
        }
    }
}

fn find_problem_of_wait(declared: &Step, matching: Matching, filters: &[Filter]) -> Option<String> {
    if declared.matching != matching {
        let declared = declared.matching;
        return Some(format!(
            "it is declared to wait for {declared:?} of its events, and used for {matching:?}"
        ));
    }
    if filters.len() > FILTERS_LIMIT {
        return Some(format!(
            "a wait may be for {FILTERS_LIMIT} events, this is for {}",
            filters.len()
        ));
    }
    let stranger = filters
        .iter()
        .find(|filter| declared.event_names().all(|name| name != filter.event))?;
    Some(format!("it is not declared to wait for {}", stranger.event))
}

/// A step that was reached.
pub(crate) struct Slot {
    pub step: StepRef,
    pub op: Op,
    answer: Option<Completion>,
    open: bool,
    waker: Option<Waker>,
}

/// The steps of one phase, in the order of their first polls.
pub(crate) struct Board {
    definition: Arc<Definition>,
    known: BTreeMap<u32, Known>,
    occurrences: BTreeMap<&'static str, u32>,
    given: BTreeSet<(&'static str, String)>,
    slots: Vec<Slot>,
    opened: Vec<u32>,
    abandoned: Vec<u32>,
    /// The new ways that history says the code was told to go.
    patches: BTreeSet<String>,
    /// What the code was told in this execution, and which of it is new.
    told: BTreeMap<String, bool>,
    patched: Vec<String>,
    fault: Option<Fault>,
    closed: bool,
}

/// Why the code cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not fit what history has.
    Misfit(Misfit),
    /// It does what no workflow may, in words.
    Wrong(String),
    /// It has reached so many steps that no more are taken.
    TooLong,
}

/// Where code and history part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub place: u32,
    /// The step that the code reaches there, if any.
    pub now: Option<StepRef>,
    /// The step that history has there.
    pub then: StepRef,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let then = tell(&self.then);
        match &self.now {
            Some(now) => write!(f, "place {} is {} now; history has {then} there", self.place, tell(now)),
            None => write!(f, "history has {then}, which the code does not reach any more"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Misfit(misfit) => misfit.fmt(f),
            Self::Wrong(problem) => f.write_str(problem),
            Self::TooLong => write!(
                f,
                "it has reached {STEPS_LIMIT} steps, which is the most that a run may have: start children, or further runs"
            ),
        }
    }
}

impl Board {
    pub fn new(definition: Arc<Definition>, known: BTreeMap<u32, Known>, patches: BTreeSet<String>) -> Self {
        Self {
            definition,
            known,
            patches,
            told: BTreeMap::new(),
            patched: Vec::new(),
            occurrences: BTreeMap::new(),
            given: BTreeSet::new(),
            slots: Vec::new(),
            opened: Vec::new(),
            abandoned: Vec::new(),
            fault: None,
            closed: false,
        }
    }

    /// A first poll: gives the step its place, if it may have it.
    pub fn open(&mut self, at: StepAt, op: Op) -> Option<u32> {
        if self.closed || self.fault.is_some() {
            return None;
        }
        match self.admit(at, op) {
            Ok(slot) => {
                let ordinal = slot.step.ordinal;
                self.slots.push(slot);
                self.opened.push(ordinal);
                Some(ordinal)
            }
            Err(fault) => {
                self.fault = Some(fault);
                None
            }
        }
    }

    fn admit(&mut self, at: StepAt, op: Op) -> Result<Slot, Fault> {
        if self.slots.len() >= STEPS_LIMIT {
            return Err(Fault::TooLong);
        }
        let name = at.step.name;
        self.check_use(&at.step, &op).map_err(Fault::Wrong)?;
        let key = self.identify(name, at.key).map_err(Fault::Wrong)?;
        let ordinal = u32::try_from(self.slots.len() + 1).expect("the limit is far below");
        let step = StepRef {
            ordinal,
            name: name.to_owned(),
            key,
            kind: at.step.kind,
        };
        if let Some(known) = self.known.get(&ordinal)
            && known.step != step
        {
            return Err(Fault::Misfit(Misfit {
                place: ordinal,
                now: Some(step),
                then: known.step.clone(),
            }));
        }
        Ok(Slot {
            step,
            op,
            answer: None,
            open: true,
            waker: None,
        })
    }

    fn check_use(&self, step: &Step, op: &Op) -> Result<(), String> {
        let name = step.name;
        let Some(declared) = self.definition.steps.get(name).map(|plan| &plan.step) else {
            return Err(format!("step {name} is not declared in the workflow's STEPS"));
        };
        if declared.kind != step.kind || !op.fits(declared.kind) {
            let kind = declared.kind.as_str();
            return Err(format!("step {name} is declared as {kind}, and used as something else"));
        }
        op.problem(declared)
            .map_or(Ok(()), |problem| Err(format!("step {name}: {problem}")))
    }

    /// Whether the code goes a new way here: in a run that has been here before, only if it did so then.
    pub fn ask_patched(&mut self, name: &str) -> bool {
        if self.closed || self.fault.is_some() {
            return false;
        }
        if let Some(told) = self.told.get(name) {
            return *told;
        }
        if name.is_empty() || name.len() > STEP_NAME_LIMIT {
            self.fault(format!("the name of a patch must have 1 to {STEP_NAME_LIMIT} bytes"));
            return false;
        }
        let known = self.patches.contains(name);
        let told = known || !self.has_more();
        if told && !known {
            self.patched.push(name.to_owned());
        }
        self.told.insert(name.to_owned(), told);
        told
    }

    /// History has steps that the code has not reached yet.
    fn has_more(&self) -> bool {
        let last = self.known.last_key_value().map_or(0, |(ordinal, _)| *ordinal);
        last as usize > self.slots.len()
    }

    pub fn take_patched(&mut self) -> Vec<String> {
        std::mem::take(&mut self.patched)
    }

    fn identify(&mut self, name: &'static str, key: Option<String>) -> Result<StepKey, String> {
        let Some(key) = key else {
            let count = self.occurrences.entry(name).or_default();
            *count += 1;
            return Ok(StepKey::Occurrence(*count));
        };
        if key.len() > STEP_KEY_LIMIT {
            return Err(format!(
                "step {name}: a key may have {STEP_KEY_LIMIT} bytes, this has {}",
                key.len()
            ));
        }
        if !self.given.insert((name, key.clone())) {
            return Err(format!(
                "step {name} with key {key} was reached twice; a key names it once per run"
            ));
        }
        Ok(StepKey::Given(key))
    }

    /// Takes a delivered answer, or leaves the waker for it.
    pub fn take(&mut self, ordinal: u32, waker: &Waker) -> Option<Completion> {
        let slot = &mut self.slots[ordinal as usize - 1];
        let answer = slot.answer.take();
        match answer {
            Some(_) => slot.open = false,
            None => slot.waker = Some(waker.clone()),
        }
        answer
    }

    /// Lays an answer into a slot. False when the code never reached the step.
    pub fn deliver(&mut self, ordinal: u32, completion: Completion) -> bool {
        let Some(slot) = self.slots.get_mut(ordinal as usize - 1) else {
            return false;
        };
        if slot.open {
            slot.answer = Some(completion);
            if let Some(waker) = slot.waker.take() {
                waker.wake();
            }
        }
        true
    }

    /// The code has dropped the step's future.
    pub fn abandon(&mut self, ordinal: u32) {
        let slot = &mut self.slots[ordinal as usize - 1];
        if !self.closed && slot.open {
            slot.open = false;
            self.abandoned.push(ordinal);
        }
    }

    /// The code does not fit. The first fault counts.
    pub fn fault(&mut self, problem: String) {
        self.fault.get_or_insert(Fault::Wrong(problem));
    }

    pub fn keep_fault(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub fn take_fault(&mut self) -> Option<Fault> {
        self.fault.take()
    }

    pub fn take_opened(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.opened)
    }

    pub fn take_abandoned(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.abandoned)
    }

    pub fn slot(&self, ordinal: u32) -> &Slot {
        &self.slots[ordinal as usize - 1]
    }

    pub fn is_open(&self, ordinal: u32) -> bool {
        self.slot(ordinal).open
    }

    pub fn known(&self, ordinal: u32) -> Option<&Known> {
        self.known.get(&ordinal)
    }

    /// A step that history has and the code did not reach, although by now it should have.
    pub fn find_unreached(&self) -> Option<Misfit> {
        let reached = self.slots.len();
        let (place, known) = self.known.iter().find(|(ordinal, _)| **ordinal as usize > reached)?;
        Some(Misfit {
            place: *place,
            now: None,
            then: known.step.clone(),
        })
    }

    /// From now on nothing is noted: the code is being dropped.
    pub fn close(&mut self) {
        self.closed = true;
    }
}

fn tell(step: &StepRef) -> String {
    match &step.key {
        StepKey::Occurrence(1) => format!("{} {}", step.kind.as_str(), step.name),
        key => format!("{} {} ({key})", step.kind.as_str(), step.name),
    }
}
