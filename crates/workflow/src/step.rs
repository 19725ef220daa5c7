//! Steps, declared as data.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::duration::{DurationError, parse_duration};
use crate::retry::{Retry, RetryPlan};

/// A step's name is a key in every record; nobody needs a longer one.
pub const STEP_NAME_LIMIT: usize = 100;

/// A given key holds an outside id; longer ones are data.
pub const STEP_KEY_LIMIT: usize = 200;

/// What a step does.
///
/// ```
/// use lumina_workflow::{Step, StepKind};
/// assert_eq!(Step::action("mail").outside_effect().kind, StepKind::Effect);
/// assert_eq!(StepKind::parse(StepKind::Wait.as_str()), Some(StepKind::Wait));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// Runs code whose result is recorded; may run again until it is.
    Action,
    /// Changes something outside; its start is recorded before it acts, and when its outcome
    /// was never recorded it is not run again.
    Effect,
    /// Ends when its event comes, or its events.
    Wait,
    /// Ends when its time has come.
    Sleep,
    /// Starts a run of another workflow, and ends when that has ended.
    Child,
}

/// How a wait takes the events that it is declared for.
///
/// An example is at [`Event`](crate::Event).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Matching {
    /// There is one, and it takes it.
    One,
    /// Whichever comes first.
    Any,
    /// One for each, together.
    All,
}

impl StepKind {
    /// The word stores and people use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Action => "action",
            Self::Effect => "effect",
            Self::Wait => "wait",
            Self::Sleep => "sleep",
            Self::Child => "child",
        }
    }

    /// Reads the word back.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Action, Self::Effect, Self::Wait, Self::Sleep, Self::Child]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// A step's declaration. Make it a constant, list it in
/// [`Workflow::STEPS`](crate::Workflow::STEPS), and name it where the run reaches it.
///
/// ```
/// use lumina_workflow::{Retry, Step};
/// const CHARGE: Step = Step::action("charge-card").outside_effect().timeout("60s").retry(Retry::exponential(5));
/// const PAID: Step = Step::wait("wait-for-payment", "payment-received").timeout("24h");
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Unique within its workflow.
    pub name: &'static str,
    /// What it does.
    pub kind: StepKind,
    /// The event's name, for a wait for one.
    pub event: Option<&'static str>,
    /// The events' names, for a wait for any or all of several.
    pub events: &'static [&'static str],
    /// How a wait takes its events.
    pub matching: Matching,
    /// How long an attempt may take, or how long a wait waits.
    pub timeout: Option<&'static str>,
    /// What follows a failed attempt.
    pub retry: Retry,
}

impl Step {
    const fn of(name: &'static str, kind: StepKind) -> Self {
        Self {
            name,
            kind,
            event: None,
            events: &[],
            matching: Matching::One,
            timeout: None,
            retry: Retry::none(),
        }
    }

    /// A step that runs code. One attempt unless a policy is given.
    #[must_use]
    pub const fn action(name: &'static str) -> Self {
        Self::of(name, StepKind::Action)
    }

    /// A step that ends when the event comes. It must be given a deadline with
    /// [`timeout`](Self::timeout).
    #[must_use]
    pub const fn wait(name: &'static str, event: &'static str) -> Self {
        let mut step = Self::of(name, StepKind::Wait);
        step.event = Some(event);
        step
    }

    /// A step that ends with the first of these events. It must be given a deadline with
    /// [`timeout`](Self::timeout).
    #[must_use]
    pub const fn wait_any(name: &'static str, events: &'static [&'static str]) -> Self {
        let mut step = Self::of(name, StepKind::Wait);
        (step.events, step.matching) = (events, Matching::Any);
        step
    }

    /// A step that ends when all of these events are there. It must be given a deadline with
    /// [`timeout`](Self::timeout). Until then it takes none of them.
    #[must_use]
    pub const fn wait_all(name: &'static str, events: &'static [&'static str]) -> Self {
        let mut step = Self::of(name, StepKind::Wait);
        (step.events, step.matching) = (events, Matching::All);
        step
    }

    /// A step that ends after a time, which is given where the run reaches it.
    #[must_use]
    pub const fn sleep(name: &'static str) -> Self {
        Self::of(name, StepKind::Sleep)
    }

    /// A step that starts a run of another workflow and ends when that has ended. Its times and
    /// attempts are that workflow's own.
    #[must_use]
    pub const fn child(name: &'static str) -> Self {
        Self::of(name, StepKind::Child)
    }

    /// The names of the events that a wait is declared for.
    pub fn event_names(&self) -> impl Iterator<Item = &'static str> + use<> {
        self.event.into_iter().chain(self.events.iter().copied())
    }

    /// Declares that the step changes something outside that cannot be taken back or safely
    /// repeated: money, mail, an order.
    #[must_use]
    pub const fn outside_effect(mut self) -> Self {
        self.kind = StepKind::Effect;
        self
    }

    /// An attempt's time limit, or a wait's deadline, counted from its start.
    #[must_use]
    pub const fn timeout(mut self, duration: &'static str) -> Self {
        self.timeout = Some(duration);
        self
    }

    /// The retry policy.
    #[must_use]
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// This step for one of several things: its identity in the history is then the name and
    /// this key, instead of the name and how often it was reached.
    #[must_use]
    pub fn key(self, key: impl Into<String>) -> StepAt {
        StepAt {
            step: self,
            key: Some(key.into()),
        }
    }
}

/// A step where the run reaches it: the declaration, and the key when one was given.
///
/// ```
/// use lumina_workflow::{Step, StepAt};
/// const MAIL: Step = Step::action("mail");
/// let to_ada: StepAt = MAIL.key("ada");
/// let whichever: StepAt = MAIL.into();
/// assert_ne!(to_ada, whichever);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct StepAt {
    pub(crate) step: Step,
    pub(crate) key: Option<String>,
}

impl From<Step> for StepAt {
    fn from(step: Step) -> Self {
        Self { step, key: None }
    }
}

impl From<&Step> for StepAt {
    fn from(step: &Step) -> Self {
        Self::from(*step)
    }
}

/// The second half of a step's identity within a run.
///
/// ```
/// use lumina_workflow::StepKey;
/// assert_eq!(StepKey::parse("#3"), Some(StepKey::Occurrence(3)));
/// assert_eq!(StepKey::Given("ada".to_owned()).to_string(), "=ada");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum StepKey {
    /// The how-manieth time the run reached a step of this name, from 1.
    Occurrence(u32),
    /// Given by the code.
    Given(String),
}

impl StepKey {
    /// Reads what [`Display`](fmt::Display) wrote: `#3` is an occurrence, `=abc` a given key.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_at_checked(1)? {
            ("#", number) => number.parse().ok().map(Self::Occurrence),
            ("=", key) => Some(Self::Given(key.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Occurrence(number) => write!(f, "#{number}"),
            Self::Given(key) => write!(f, "={key}"),
        }
    }
}

/// A declared step with its durations read: what the engine works with.
#[derive(Debug, Clone)]
pub(crate) struct StepPlan {
    pub step: Step,
    pub timeout: Option<Duration>,
    pub retry: RetryPlan,
}

impl StepPlan {
    pub fn read(step: Step) -> Result<Self, DurationError> {
        let timeout = step.timeout.map(parse_duration).transpose()?;
        Ok(Self {
            step,
            timeout,
            retry: RetryPlan::read(&step.retry)?,
        })
    }
}
