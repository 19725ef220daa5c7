//! A run's code in execution: polled, and fed with what history has.

use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;

use crate::board::{Board, Fault};
use crate::driver::watched;
use crate::error::Failure;
use crate::history::Phase;
use crate::payload::Payload;
use crate::replay::{Completion, Replay};
use crate::run::{Run, lock};
use crate::runtime::Runtime;
use crate::store::RunRow;
use crate::workflow::{Definition, Ended, WorkFuture};

/// One of a run's two functions, from its first line on.
pub(crate) struct Execution {
    runtime: Arc<dyn Runtime>,
    workflow: &'static str,
    pub board: Arc<Mutex<Board>>,
    code: WorkFuture,
    /// What the code is still to be told.
    pub completions: VecDeque<(u32, Completion)>,
    replayed: bool,
}

/// What a look at the code showed.
pub(crate) enum Look {
    Pending,
    Ended(Result<Payload, Ended>),
    Fault(Fault),
}

impl Execution {
    pub fn begin(
        runtime: Arc<dyn Runtime>,
        definition: &Arc<Definition>,
        row: &RunRow,
        phase: Phase,
        replay: Replay,
    ) -> Self {
        let patches = replay.patches.into_keys().collect();
        let board = Arc::new(Mutex::new(Board::new(definition.clone(), replay.steps, patches)));
        Self {
            runtime,
            workflow: definition.name,
            code: make_code(definition, row, phase, board.clone()),
            board,
            completions: replay.completions,
            replayed: false,
        }
    }

    /// Polls the code, and delivers what history has, one completion at a time and each only
    /// after the code has come to rest: so joins, selects and timeouts repeat exactly.
    pub fn look(&mut self) -> Look {
        loop {
            let polled = self.poll();
            if let Some(fault) = lock(&self.board).take_fault() {
                return tell_fault(fault);
            }
            let result = match polled {
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(result)) => Some(result),
                Err(panic) => return Look::Fault(Fault::Wrong(format!("the workflow's code panicked: {panic}"))),
            };
            if result.is_none()
                && let Some((ordinal, completion)) = self.completions.pop_front()
            {
                if !lock(&self.board).deliver(ordinal, completion) {
                    return Look::Fault(self.find_unreached());
                }
                continue;
            }
            return self.judge(result);
        }
    }

    /// All that history has was delivered: what the code makes of it.
    fn judge(&mut self, result: Option<Result<Payload, Ended>>) -> Look {
        let wrong = |what: &str, problem| Look::Fault(Fault::Wrong(format!("the run's {what} {problem}")));
        match &result {
            Some(Err(Ended::Unreadable(problem))) => return wrong("input", problem),
            Some(Err(Ended::Unwritable(problem))) => return wrong("output", problem),
            _ => {}
        }
        if !std::mem::replace(&mut self.replayed, true)
            && let Some(unreached) = lock(&self.board).find_unreached()
        {
            return Look::Fault(Fault::Misfit(unreached));
        }
        result.map_or(Look::Pending, Look::Ended)
    }

    fn find_unreached(&self) -> Fault {
        match lock(&self.board).find_unreached() {
            Some(misfit) => Fault::Misfit(misfit),
            None => Fault::Wrong("history has a step that the code does not reach any more".to_owned()),
        }
    }

    fn poll(&mut self) -> Result<Poll<Result<Payload, Ended>>, String> {
        let before = self.runtime.monotonic();
        let mut context = Context::from_waker(Waker::noop());
        let code = &mut self.code;
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| code.poll_unpin(&mut context)));
        watched::warn_if_slow(&*self.runtime, before, self.workflow, "its workflow's code");
        polled.map_err(|panic| watched::tell_panic(&*panic))
    }
}

/// A run that is too long has failed; whatever else the code does wrong may be mended.
fn tell_fault(fault: Fault) -> Look {
    match fault {
        Fault::TooLong => Look::Ended(Err(Ended::Failed(Failure::new(fault)))),
        fault => Look::Fault(fault),
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        lock(&self.board).close();
    }
}

fn make_code(definition: &Arc<Definition>, row: &RunRow, phase: Phase, board: Arc<Mutex<Board>>) -> WorkFuture {
    let run = Run::new(row.id, row.created_at, board);
    let (code, input) = (definition.code.clone(), row.input.clone());
    match phase {
        Phase::Main => code.run(run, input),
        Phase::OnFailure => {
            let failure = row
                .failure
                .clone()
                .unwrap_or_else(|| Failure::new("the cause was not recorded"));
            code.on_failure(run, input, failure)
        }
    }
}
