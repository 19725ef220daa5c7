//! The one workflow that executes every program.

use std::future::poll_fn;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all, try_join_all};
use lumina_workflow::{Attempt, CorrelationKey, Failure, Phase, Retry, Run, Step, StepFuture, StepKey, Workflow};

use super::outside::{Outside, cell};
use super::perform::{Act, Doing, open_gate, perform};
use super::program::{Gather, Node, Outcome, Policy, Program, Signal, expected, mix, place};
use super::sight::{Answer, Execution, Seen, gathered};
use crate::boot::Boot;
use crate::trace::lock;
use crate::watch::{Expecting, Waiting};

const ONCE: Step = Step::action("once").timeout("20s");
const THRICE: Step = Step::action("thrice").timeout("20s").retry(Retry::exponential(3));
const EFFECT: Step = Step::action("effect")
    .outside_effect()
    .timeout("20s")
    .retry(Retry::exponential(3));
const WAIT_A: Step = Step::wait("wait-a", "a").timeout("5m");
const WAIT_B: Step = Step::wait("wait-b", "b").timeout("5m");
const WAIT_ANY: Step = Step::wait_any("wait-any", &["a", "b"]).timeout("5m");
const WAIT_ALL: Step = Step::wait_all("wait-all", &["a", "b"]).timeout("5m");
const SLEEP: Step = Step::sleep("sleep");
const COUNT: Step = Step::action(COUNTING[0]);
const REGISTER: Step = Step::action("register").timeout("20s").retry(Retry::linear(3));
const REGISTER_AND_COUNT: Step = Step::action(COUNTING[1]).timeout("20s").retry(Retry::linear(3));
const HANDLE: Step = Step::action("handle").timeout("20s").retry(Retry::constant(2));
const CHILD: Step = Step::child("child");
const NEWER: Step = Step::action("newer");

/// The steps whose success counts the run's cell, in the transaction that records it.
pub(super) const COUNTING: [&str; 2] = ["count", "register-and-count"];

/// Correlation keys of programs are in this namespace.
pub(super) const NAMESPACE: &str = "sim";

/// The interpreter of one life. A newer version declares one more step.
pub(super) struct Interpreter<const IS_NEWER: bool> {
    act: Act,
}

impl<const IS_NEWER: bool> Interpreter<IS_NEWER> {
    pub fn new(boot: &Boot, outside: &Arc<Outside>) -> Self {
        let act = Act {
            who: boot.who,
            world: boot.world.clone(),
            runtime: boot.runtime.clone(),
            outside: outside.clone(),
        };
        Self { act }
    }

    fn open(&self, run: &Run, phase: Phase) -> Arc<Execution> {
        let world = &self.act.world;
        let epochs = world.watch().epochs_of(self.act.who, run.id(), world.elapsed());
        let execution = Arc::new(Execution {
            run: run.id(),
            phase,
            epochs,
            seen: Mutex::default(),
            fell: AtomicBool::new(false),
        });
        lock(&self.act.outside.executions).push(execution.clone());
        execution
    }
}

impl<const IS_NEWER: bool> Workflow for Interpreter<IS_NEWER> {
    const NAME: &'static str = "program";
    const STEPS: &'static [Step] = match IS_NEWER {
        false => &[
            ONCE,
            THRICE,
            EFFECT,
            WAIT_A,
            WAIT_B,
            WAIT_ANY,
            WAIT_ALL,
            SLEEP,
            COUNT,
            REGISTER,
            REGISTER_AND_COUNT,
            HANDLE,
            CHILD,
        ],
        true => &[
            ONCE,
            THRICE,
            EFFECT,
            WAIT_A,
            WAIT_B,
            WAIT_ANY,
            WAIT_ALL,
            SLEEP,
            COUNT,
            REGISTER,
            REGISTER_AND_COUNT,
            HANDLE,
            CHILD,
            NEWER,
        ],
    };
    type Input = Program;
    type Output = u64;

    async fn run(&self, run: &Run, program: Program) -> Result<u64, Failure> {
        let code = Code::<IS_NEWER> {
            run,
            index: program.index,
            act: &self.act,
            execution: self.open(run, Phase::Main),
        };
        code.execute(&program.main, "m".to_owned()).await
    }

    async fn on_failure(&self, run: &Run, program: Program, _: &Failure) -> Result<(), Failure> {
        let code = Code::<IS_NEWER> {
            run,
            index: program.index,
            act: &self.act,
            execution: self.open(run, Phase::OnFailure),
        };
        code.execute(&program.cleanup, "f".to_owned()).await.map(drop)
    }
}

/// One execution of a run's function.
struct Code<'r, const IS_NEWER: bool> {
    run: &'r Run,
    index: usize,
    act: &'r Act,
    execution: Arc<Execution>,
}

type Part<'c> = BoxFuture<'c, Result<u64, Failure>>;

impl<const IS_NEWER: bool> Code<'_, IS_NEWER> {
    fn execute<'c>(&'c self, node: &'c Node, path: String) -> Part<'c> {
        Box::pin(async move {
            match node {
                Node::Seq(parts) => self.one_by_one(parts.iter(), &path).await,
                Node::Loop(times, body) => {
                    let rounds = std::iter::repeat_n(&**body, usize::from(*times));
                    self.one_by_one(rounds, &path).await
                }
                Node::Join(parts) => {
                    let ends = join_all(self.side_by_side(parts, &path)).await;
                    ends.into_iter().try_fold(1, |sum, end| end.map(|part| mix(sum, part)))
                }
                Node::TryJoin(parts) => {
                    let ends = try_join_all(self.side_by_side(parts, &path)).await?;
                    Ok(ends.into_iter().fold(2, mix))
                }
                Node::Race(parts) => race(self.side_by_side(parts, &path)).await,
                Node::Catch(body, instead) => match self.execute(body, place(&path, 0)).await {
                    Ok(value) => Ok(value),
                    Err(_) => Ok(mix(3, self.execute(instead, place(&path, 1)).await?)),
                },
                Node::Handled(body, script) => match self.execute(body, place(&path, 0)).await {
                    Ok(value) => Ok(value),
                    Err(mut failure) => {
                        let handled = self.act(HANDLE, &place(&path, 1), script).await;
                        failure.handler = handled.err().map(Box::new);
                        Err(failure)
                    }
                },
                Node::Fail => Err(Failure::new(format!("the program fails at {path}"))),
                leaf => self.leaf(leaf, &path).await,
            }
        })
    }

    async fn one_by_one(&self, parts: impl Iterator<Item = &Node>, path: &str) -> Result<u64, Failure> {
        let mut sum = 0;
        for (nth, part) in parts.enumerate() {
            sum = mix(sum, self.execute(part, place(path, nth)).await?);
        }
        Ok(sum)
    }

    fn side_by_side<'c>(&'c self, parts: &'c [Node], path: &str) -> Vec<Part<'c>> {
        let part = |(nth, part)| self.execute(part, place(path, nth));
        parts.iter().enumerate().map(part).collect()
    }

    async fn leaf(&self, leaf: &Node, path: &str) -> Result<u64, Failure> {
        match leaf {
            Node::Act(Policy::Once, script) => self.act(ONCE, path, script).await,
            Node::Act(Policy::Thrice, script) => self.act(THRICE, path, script).await,
            Node::Effect(None, script) => self.act(EFFECT, path, script).await,
            Node::Effect(Some(gate), script) => self.gated(path, gate, script).await,
            Node::Wait(signal, key, seconds, may_time_out) => {
                self.wait(*signal, key.as_ref(), *seconds, *may_time_out, path).await
            }
            Node::Several(gather, named, seconds, may_time_out) => {
                self.several(*gather, named, *seconds, *may_time_out, path).await
            }
            Node::Sleep(seconds) => {
                let sleep = self.run.sleep(SLEEP.key(path), Duration::from_secs(*seconds));
                self.watched(SLEEP, path, sleep, |()| Answer::Value(0)).await;
                Ok(0)
            }
            Node::Count(refused) => {
                let (cells, cell) = (&self.act.outside.cells, cell(self.index, self.run.id()));
                let writes = if *refused {
                    cells.refuse(&cell)
                } else {
                    cells.count(&cell)
                };
                let counting = self.run.step_in_tx::<u64>(COUNT.key(path), writes);
                self.watched(COUNT, path, counting, answer).await
            }
            Node::Child(program) => {
                let child = self.run.child::<Interpreter<IS_NEWER>>(CHILD.key(path), program);
                let end = self.watched(CHILD, path, child, end_of_child).await?;
                Ok(mix(6, end))
            }
            Node::Register(key, counts, script) => self.register(path, key, *counts, script).await,
            _ => unreachable!("everything else is made of parts"),
        }
    }

    async fn watched<R>(&self, step: Step, path: &str, future: StepFuture<R>, answer: fn(&R) -> Answer) -> R {
        self.act
            .outside
            .stumble(&self.act.world, self.index, Some(&self.execution));
        Seen::new(&self.execution, step.name, path, future, answer).await
    }

    async fn act(&self, step: Step, path: &str, script: &[Outcome]) -> Result<u64, Failure> {
        let doing = self.doing(step, path, script);
        let acting = self
            .run
            .step(step.key(path), move |attempt| perform(doing.clone(), attempt));
        self.watched(step, path, acting, answer).await
    }

    async fn gated(&self, path: &str, gate: &[Outcome], script: &[Outcome]) -> Result<u64, Failure> {
        let (doing, opening) = (self.doing(EFFECT, path, script), self.doing(EFFECT, path, gate));
        let acting = self.run.gated_step(
            EFFECT.key(path),
            move || open_gate(opening.clone()),
            move |attempt, ()| perform(doing.clone(), attempt),
        );
        self.watched(EFFECT, path, acting, answer).await
    }

    async fn register(&self, path: &str, key: &str, counts: bool, script: &[Outcome]) -> Result<u64, Failure> {
        let step = if counts { REGISTER_AND_COUNT } else { REGISTER };
        let (doing, key) = (self.doing(step, path, script), CorrelationKey::new(NAMESPACE, key));
        let cell = cell(self.index, self.run.id());
        let registering = self.run.step(step.key(path), move |attempt: Attempt| {
            attempt.register_key(key.clone());
            if counts {
                attempt.attach(doing.act.outside.cells.count(&cell));
            }
            perform(doing.clone(), attempt)
        });
        self.watched(step, path, registering, answer).await
    }

    async fn wait(
        &self,
        signal: Signal,
        key: Option<&String>,
        seconds: u64,
        may_time_out: bool,
        path: &str,
    ) -> Result<u64, Failure> {
        let step = match signal {
            Signal::A => WAIT_A,
            Signal::B => WAIT_B,
        };
        let waiting = Waiting {
            phase: self.execution.phase,
            step: step.name.to_owned(),
            key: StepKey::Given(path.to_owned()).to_string(),
        };
        let event = (signal.event(), key.map(String::as_str));
        let expecting = self
            .execution
            .epoch()
            .map(|epoch| Expecting::new(&self.act.world, self.run.id(), epoch, waiting, event));
        let wait = lumina_workflow::Wait::from(step.key(path)).within(Duration::from_secs(seconds));
        let wait = match key {
            Some(key) => wait.matching(key.as_str()),
            None => wait,
        };
        if may_time_out {
            let waiting = self.run.wait_or_timeout::<u64>(wait);
            let came = self.watched(step, path, waiting, answer_or_timeout).await?;
            drop(expecting);
            return Ok(came.map_or(1, |number| mix(4, number)));
        }
        let waiting = self.run.wait::<u64>(wait);
        let came = self.watched(step, path, waiting, answer).await?;
        drop(expecting);
        Ok(mix(4, came))
    }

    async fn several(
        &self,
        gather: Gather,
        named: &[(Signal, String)],
        seconds: u64,
        may_time_out: bool,
        path: &str,
    ) -> Result<u64, Failure> {
        let step = match gather {
            Gather::Any => WAIT_ANY,
            Gather::All => WAIT_ALL,
        };
        let waiting = Waiting {
            phase: self.execution.phase,
            step: step.name.to_owned(),
            key: StepKey::Given(path.to_owned()).to_string(),
        };
        let events = expected(named).into_iter();
        let events = events.map(|(signal, key)| (signal.event().to_owned(), key)).collect();
        let expecting = self.execution.epoch().map(|epoch| {
            let world = &self.act.world;
            Expecting::several(world, self.run.id(), epoch, waiting, gather == Gather::All, events)
        });
        let wait = lumina_workflow::Wait::from(step.key(path)).within(Duration::from_secs(seconds));
        let name = |wait: lumina_workflow::Wait, (signal, key): &(Signal, String)| wait.for_event(signal.event(), key);
        let wait = named.iter().fold(wait, name);
        let came = self.gather(gather, step, wait, may_time_out, path).await?;
        drop(expecting);
        Ok(came.unwrap_or(1))
    }

    /// Through whichever of the four methods it is; `None` is the deadline's answer.
    async fn gather(
        &self,
        gather: Gather,
        step: Step,
        wait: lumina_workflow::Wait,
        may_time_out: bool,
        path: &str,
    ) -> Result<Option<u64>, Failure> {
        match (gather, may_time_out) {
            (Gather::Any, false) => {
                let waiting = self.run.wait_any(wait);
                let told = self.watched(step, path, waiting, |came| {
                    told(came, |event| gathered(std::slice::from_ref(event)))
                });
                told.await.map(|event| Some(gathered(&[event])))
            }
            (Gather::Any, true) => {
                let waiting = self.run.wait_any_or_timeout(wait);
                let came = self.watched(step, path, waiting, |came| {
                    told_if(came, |event| gathered(std::slice::from_ref(event)))
                });
                Ok(came.await?.map(|event| gathered(&[event])))
            }
            (Gather::All, false) => {
                let waiting = self.run.wait_all(wait);
                let came = self.watched(step, path, waiting, |came| told(came, |events| gathered(events)));
                came.await.map(|events| Some(gathered(&events)))
            }
            (Gather::All, true) => {
                let waiting = self.run.wait_all_or_timeout(wait);
                let came = self.watched(step, path, waiting, |came| told_if(came, |events| gathered(events)));
                Ok(came.await?.map(|events| gathered(&events)))
            }
        }
    }

    fn doing(&self, step: Step, path: &str, script: &[Outcome]) -> Arc<Doing> {
        Arc::new(Doing {
            act: self.act.clone(),
            index: self.index,
            run: self.run.id(),
            phase: self.execution.phase,
            step: step.name,
            kind: step.kind,
            path: path.to_owned(),
            script: script.to_vec(),
        })
    }
}

fn answer(result: &Result<u64, Failure>) -> Answer {
    told(result, |number| *number)
}

/// A child whose own wait has timed out has failed, for its parent.
fn end_of_child(result: &Result<u64, Failure>) -> Answer {
    match result {
        Ok(number) => Answer::Value(*number),
        Err(failure) => Answer::Failed(failure.clone()),
    }
}

fn answer_or_timeout(result: &Result<Option<u64>, Failure>) -> Answer {
    told_if(result, |number| *number)
}

/// What of a wait's result the model knows.
fn told<T>(result: &Result<T, Failure>, number: fn(&T) -> u64) -> Answer {
    match result {
        Ok(came) => Answer::Value(number(came)),
        Err(failure) if failure.is_timeout() => Answer::TimedOut,
        Err(failure) => Answer::Failed(failure.clone()),
    }
}

fn told_if<T>(result: &Result<Option<T>, Failure>, number: fn(&T) -> u64) -> Answer {
    match result {
        Ok(Some(came)) => Answer::Value(number(came)),
        Ok(None) => Answer::TimedOut,
        Err(failure) => Answer::Failed(failure.clone()),
    }
}

/// The first that ends, in their order; the others are dropped.
async fn race(mut parts: Vec<Part<'_>>) -> Result<u64, Failure> {
    let first = poll_fn(|cx| {
        for (nth, part) in parts.iter_mut().enumerate() {
            if let Poll::Ready(end) = part.as_mut().poll(cx) {
                return Poll::Ready(end.map(|value| mix(nth as u64, value)));
            }
        }
        Poll::Pending
    });
    first.await
}
