//! Where a call loses its connection, drawn from the seed.

use std::any::Any;
use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use lumina_workflow::store::{Claimed, MemberResult};
use lumina_workflow_postgres::{At, Hook, Verdict};

use super::super::Lost;
use crate::dice::Dice;
use crate::trace::lock;

/// One call in so many loses its connection, if it lasts that long.
const EVERY: u64 = 8;

/// A call has seldom more statements.
const STATEMENTS: u64 = 32;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Before the statement at this place.
    Statement(u64),
    /// Before the commit at this place: a group in parts has several.
    BeforeCommit(u64),
    AfterCommit(u64),
}

/// Cuts connections, and hears what was done all the same.
#[derive(Clone)]
pub(super) struct Scissors(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    next: Option<Cut>,
    statements: u64,
    commits: u64,
    cut: bool,
    /// What the call has done that is durable.
    done: Lost,
}

impl Scissors {
    pub(super) fn of(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::of(seed, "connections", 0),
            next: None,
            statements: 0,
            commits: 0,
            cut: false,
            done: Lost::default(),
        })))
    }

    pub(super) fn hook(&self) -> Hook {
        let (this, ear) = (self.clone(), self.clone());
        let hook = Hook::new(move |at| {
            let verdict = lock(&this.0).judge(at);
            async move { verdict }.boxed()
        });
        hook.hear(move |answer| lock(&ear.0).hear(answer))
    }

    /// A call begins.
    pub(super) fn draw(&self) {
        let mut state = lock(&self.0);
        (state.statements, state.commits) = (0, 0);
        state.done = Lost::default();
        state.next = state.draw();
    }

    /// It is over, or is made once more; answers whether it has lost its connection.
    pub(super) fn rest(&self) -> bool {
        let mut state = lock(&self.0);
        state.next = None;
        std::mem::take(&mut state.cut)
    }

    /// What the call has done, if nobody has been told.
    pub(super) fn take_lost(&self) -> Lost {
        std::mem::take(&mut lock(&self.0).done)
    }
}

impl State {
    /// Mostly the first commit: there is seldom another one.
    fn draw(&mut self) -> Option<Cut> {
        let place = self.dice.below(STATEMENTS);
        let commit = self.dice.below(2) * self.dice.below(3);
        match self.dice.below(EVERY * 3) {
            0 => Some(Cut::Statement(place)),
            1 => Some(Cut::BeforeCommit(commit)),
            2 => Some(Cut::AfterCommit(commit)),
            _ => None,
        }
    }

    fn judge(&mut self, at: At<'_>) -> Verdict {
        let here = match at {
            At::Statement(_) => Cut::Statement(self.statements),
            At::BeforeCommit => Cut::BeforeCommit(self.commits),
            At::AfterCommit => Cut::AfterCommit(self.commits),
        };
        self.statements += u64::from(matches!(at, At::Statement(_)));
        self.commits += u64::from(at == At::AfterCommit);
        if self.next != Some(here) {
            return Verdict::Go;
        }
        self.next = None;
        self.cut = true;
        Verdict::Cut
    }

    /// The parts of a group come in its order, those that were refused as well.
    fn hear(&mut self, answer: &dyn Any) {
        if let Some(results) = answer.downcast_ref::<Vec<MemberResult>>() {
            self.done.results.extend_from_slice(results);
        } else if let Some(claimed) = answer.downcast_ref::<Vec<Claimed>>() {
            self.done.claimed.extend_from_slice(claimed);
        }
    }
}
