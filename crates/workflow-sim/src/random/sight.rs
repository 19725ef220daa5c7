//! What a program's code sees: each step that it reaches, and each answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use lumina_workflow::{Epoch, Event, Failure, Payload, Phase, RunId, What};

use super::program::mix;
use crate::trace::lock;

/// What a step answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    Value(u64),
    Failed(Failure),
    TimedOut,
}

/// One thing that the code sees or does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sight {
    /// The next step in order, with its name and key.
    Reached(String, String),
    /// The step with this ordinal.
    Answered(u32, Answer),
}

/// One execution of one of a run's functions.
pub(super) struct Execution {
    pub run: RunId,
    pub phase: Phase,
    /// Under which of these epochs it is; the newest first.
    pub epochs: Vec<Epoch>,
    pub seen: Mutex<Vec<Sight>>,
    /// The simulator made it panic: the engine then forgets what could be found out again.
    pub fell: AtomicBool,
}

impl Execution {
    pub fn epoch(&self) -> Option<Epoch> {
        self.epochs.first().copied()
    }

    pub fn reached(&self, name: &str, key: &str) -> u32 {
        let mut seen = lock(&self.seen);
        seen.push(Sight::Reached(name.to_owned(), key.to_owned()));
        let reached = seen.iter().filter(|sight| matches!(sight, Sight::Reached(..))).count();
        u32::try_from(reached).expect("programs are short")
    }
}

/// What a record tells the code, when it tells it anything.
pub(super) fn answer_of(what: &What) -> Option<Answer> {
    match what {
        What::Completed { payload, .. } => Some(Answer::Value(payload.as_ref().map_or(0, number))),
        What::Received { payload, .. } => Some(Answer::Value(number(payload))),
        What::Failed { failure, .. } => Some(Answer::Failed(failure.clone())),
        What::TimedOut => Some(Answer::TimedOut),
        _ => None,
    }
}

/// Of several events, whatever tells them apart.
fn number(payload: &Payload) -> u64 {
    if let Ok(event) = payload.decode::<Event>() {
        return gathered(&[event]);
    }
    match payload.decode::<Vec<Event>>() {
        Ok(events) => gathered(&events),
        Err(_) => payload.decode::<Option<u64>>().ok().flatten().unwrap_or(0),
    }
}

/// What code makes of the events that it was given.
pub(super) fn gathered(events: &[Event]) -> u64 {
    events.iter().fold(5, |sum, event| {
        let key = event.key.as_deref().unwrap_or_default();
        let names = event.name.bytes().chain(key.bytes());
        let named = names.fold(sum, |sum, byte| mix(sum, u64::from(byte)));
        mix(named, event.decode::<u64>().unwrap_or(0))
    })
}

/// A step's future under observation.
pub(super) struct Seen<F, R> {
    execution: Arc<Execution>,
    name: &'static str,
    key: String,
    ordinal: Option<u32>,
    inner: F,
    answer: fn(&R) -> Answer,
}

impl<F: Future<Output = R> + Unpin, R> Seen<F, R> {
    pub fn new(execution: &Arc<Execution>, name: &'static str, key: &str, inner: F, answer: fn(&R) -> Answer) -> Self {
        Self {
            execution: execution.clone(),
            name,
            key: key.to_owned(),
            ordinal: None,
            inner,
            answer,
        }
    }
}

impl<F: Future<Output = R> + Unpin, R> Future for Seen<F, R> {
    type Output = R;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        let ordinal = *this
            .ordinal
            .get_or_insert_with(|| this.execution.reached(this.name, &this.key));
        let Poll::Ready(result) = Pin::new(&mut this.inner).poll(cx) else {
            return Poll::Pending;
        };
        let answer = (this.answer)(&result);
        lock(&this.execution.seen).push(Sight::Answered(ordinal, answer));
        Poll::Ready(result)
    }
}
