//! Where a test can step in: between any two statements, and around the commit.

use std::any::Any;
use std::sync::Arc;

use futures_util::future::BoxFuture;

/// A moment of a connection.
///
/// An example is at [`Hook`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At<'s> {
    /// Before this statement is sent.
    Statement(&'s str),
    /// Before the commit is sent.
    BeforeCommit,
    /// After the commit has happened, and before anybody is told.
    AfterCommit,
}

/// How it goes on.
///
/// An example is at [`Hook`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As if nothing were.
    Go,
    /// The connection breaks.
    Cut,
}

type Step = dyn Fn(At<'_>) -> BoxFuture<'static, Verdict> + Send + Sync;
type Heard = dyn Fn(&dyn Any) + Send + Sync;

/// A test's hand in every connection of a store.
///
/// ```
/// use futures_util::FutureExt;
/// use lumina_workflow_postgres::{At, Hook, Verdict};
///
/// // Every commit breaks after it has happened.
/// let hook = Hook::new(|at| {
///     let verdict = if at == At::AfterCommit { Verdict::Cut } else { Verdict::Go };
///     async move { verdict }.boxed()
/// });
/// # let _ = hook;
/// ```
#[derive(Clone)]
pub struct Hook {
    step: Arc<Step>,
    heard: Arc<Heard>,
}

impl Hook {
    /// One that is asked at each moment. The connection waits for its answer.
    pub fn new(step: impl Fn(At<'_>) -> BoxFuture<'static, Verdict> + Send + Sync + 'static) -> Self {
        Self {
            step: Arc::new(step),
            heard: Arc::new(|_| {}),
        }
    }

    /// Tells as well what each transaction answers, once it is durable or, for a refusal, taken back, and whether or not
    /// anybody else is told: of a group's members their results, of a claim the runs that it gave away. A group in parts
    /// is several transactions, in its order.
    #[must_use]
    pub fn hear(mut self, heard: impl Fn(&dyn Any) + Send + Sync + 'static) -> Self {
        self.heard = Arc::new(heard);
        self
    }

    pub(crate) fn pass(&self, at: At<'_>) -> BoxFuture<'static, Verdict> {
        (self.step)(at)
    }

    pub(crate) fn tell(&self, answer: &dyn Any) {
        (self.heard)(answer);
    }
}

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}
