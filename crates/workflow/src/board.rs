//! What a run's code and its driver share: the steps that were reached, and their answers.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::attempt::Attempt;
use crate::error::StepError;
use crate::history::StepRef;
use crate::payload::Payload;
use crate::replay::{Completion, Known};
use crate::step::{STEP_KEY_LIMIT, StepAt, StepKey, StepKind};
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
        event_key: Option<String>,
        deadline: Option<Deadline>,
    },
    Sleep(Deadline),
}

impl Op {
    fn fits(&self, kind: StepKind) -> bool {
        match self {
            Self::Act { .. } => matches!(kind, StepKind::Action | StepKind::Effect),
            Self::InTx(_) => kind == StepKind::Action,
            Self::Wait { .. } => kind == StepKind::Wait,
            Self::Sleep(_) => kind == StepKind::Sleep,
        }
    }
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
    fault: Option<String>,
    closed: bool,
}

impl Board {
    pub fn new(definition: Arc<Definition>, known: BTreeMap<u32, Known>) -> Self {
        Self {
            definition,
            known,
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

    fn admit(&mut self, at: StepAt, op: Op) -> Result<Slot, String> {
        let name = at.step.name;
        let declared = self.definition.steps.get(name).map(|plan| plan.step.kind);
        match declared {
            None => return Err(format!("step {name} is not declared in the workflow's STEPS")),
            Some(kind) if kind != at.step.kind || !op.fits(kind) => {
                return Err(format!(
                    "step {name} is declared as {}, and used as something else",
                    kind.as_str()
                ));
            }
            Some(_) => {}
        }
        let key = self.identify(name, at.key)?;
        let ordinal = u32::try_from(self.slots.len() + 1).map_err(|_| "too many steps".to_owned())?;
        let step = StepRef {
            ordinal,
            name: name.to_owned(),
            key,
            kind: at.step.kind,
        };
        if let Some(known) = self.known.get(&ordinal)
            && known.step != step
        {
            return Err(format!(
                "place {ordinal} is {} now; history has {} there",
                tell(&step),
                tell(&known.step)
            ));
        }
        Ok(Slot {
            step,
            op,
            answer: None,
            open: true,
            waker: None,
        })
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
    pub fn fault(&mut self, fault: String) {
        self.fault.get_or_insert(fault);
    }

    pub fn take_fault(&mut self) -> Option<String> {
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
    pub fn find_unreached(&self) -> Option<String> {
        let reached = self.slots.len();
        let (_, known) = self.known.iter().find(|(ordinal, _)| **ordinal as usize > reached)?;
        Some(format!(
            "history has {}, which the code does not reach any more",
            tell(&known.step)
        ))
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
