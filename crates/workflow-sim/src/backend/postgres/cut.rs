//! Where a call loses its connection, drawn from the seed.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use lumina_workflow_postgres::{At, Hook, Verdict};

use crate::dice::Dice;
use crate::trace::lock;

/// One call in so many loses its connection, if it lasts that long.
const EVERY: u64 = 8;

/// A call has seldom more statements.
const STATEMENTS: u64 = 24;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    /// Before the statement at this place.
    Statement(u64),
    BeforeCommit,
    AfterCommit,
}

/// What may break in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// All of it: made once more, it has the same answer.
    All,
    /// All but what is behind the commit.
    Commit,
    /// What is before the commit: then it is repeated on another connection.
    Statements,
    /// Nothing.
    None,
}

/// Cuts connections.
#[derive(Clone)]
pub(super) struct Scissors(Arc<Mutex<State>>);

struct State {
    dice: Dice,
    next: Option<Cut>,
    passed: u64,
    cut: bool,
}

impl Scissors {
    pub(super) fn of(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            dice: Dice::of(seed, "connections", 0),
            next: None,
            passed: 0,
            cut: false,
        })))
    }

    pub(super) fn hook(&self) -> Hook {
        let this = self.clone();
        Hook::new(move |at| {
            let verdict = lock(&this.0).judge(at);
            async move { verdict }.boxed()
        })
    }

    /// A call begins.
    pub(super) fn draw(&self, reach: Reach) {
        let mut state = lock(&self.0);
        state.passed = 0;
        state.next = state.draw().filter(|cut| match cut {
            Cut::Statement(_) => reach != Reach::None,
            Cut::BeforeCommit => matches!(reach, Reach::Commit | Reach::All),
            Cut::AfterCommit => reach == Reach::All,
        });
    }

    /// It is over, or is made once more; answers whether it has lost its connection.
    pub(super) fn rest(&self) -> bool {
        let mut state = lock(&self.0);
        state.next = None;
        std::mem::take(&mut state.cut)
    }
}

impl State {
    fn draw(&mut self) -> Option<Cut> {
        let place = self.dice.below(STATEMENTS);
        match self.dice.below(EVERY * 3) {
            0 => Some(Cut::Statement(place)),
            1 => Some(Cut::BeforeCommit),
            2 => Some(Cut::AfterCommit),
            _ => None,
        }
    }

    fn judge(&mut self, at: At<'_>) -> Verdict {
        let here = match at {
            At::Statement(_) => Cut::Statement(self.passed),
            At::BeforeCommit => Cut::BeforeCommit,
            At::AfterCommit => Cut::AfterCommit,
        };
        self.passed += 1;
        if self.next != Some(here) {
            return Verdict::Go;
        }
        self.next = None;
        self.cut = true;
        Verdict::Cut
    }
}
