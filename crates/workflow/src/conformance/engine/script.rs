//! Workflows as closures over one list of steps.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::error::Failure;
use crate::flow::{Flow, FlowLimits};
use crate::retry::Retry;
use crate::run::Run;
use crate::step::Step;
use crate::workflow::{Overrides, Workflow};

pub(super) const A: Step = Step::action("a");
pub(super) const B: Step = Step::action("b");
pub(super) const C: Step = Step::action("c");
/// Three attempts, with 1 s and 2 s between them.
pub(super) const RETRIED: Step = Step::action("retried").retry(Retry::exponential(3).without_jitter());
/// Five attempts with 1 s between them, only for two codes.
pub(super) const CODED: Step = Step::action("coded").retry(Retry::constant(5).without_jitter().on_codes(&[429, 503]));
/// Two attempts of 10 s each, with 1 s between them.
pub(super) const LIMITED: Step = Step::action("limited")
    .timeout("10s")
    .retry(Retry::constant(2).without_jitter());
/// An outside effect with three attempts of 30 s each, and 1 s and 2 s between them.
pub(super) const EFFECT: Step = Step::action("effect")
    .outside_effect()
    .timeout("30s")
    .retry(Retry::exponential(3).without_jitter());
/// An outside effect that may take its time.
pub(super) const SLOW_EFFECT: Step = Step::action("slow-effect").outside_effect();
pub(super) const PING: Step = Step::wait("wait-ping", "ping").timeout("1h");
pub(super) const PONG: Step = Step::wait("wait-pong", "pong").timeout("2h");
pub(super) const ANY: Step = Step::wait_any("wait-any", &["ping", "pong"]).timeout("1h");
pub(super) const ALL: Step = Step::wait_all("wait-all", &["ping", "pong"]).timeout("1h");
pub(super) const KID: Step = Step::child("kid");
pub(super) const NAP: Step = Step::sleep("nap");
/// For error handlers.
pub(super) const CLEAN: Step = Step::action("clean").retry(Retry::constant(3).without_jitter());

pub(super) const STEPS: &[Step] = &[
    A,
    B,
    C,
    RETRIED,
    CODED,
    LIMITED,
    EFFECT,
    SLOW_EFFECT,
    PING,
    PONG,
    NAP,
    CLEAN,
    ANY,
    ALL,
    KID,
];

type Work<'a, T> = BoxFuture<'a, Result<T, Failure>>;
type Code = Arc<dyn for<'a> Fn(&'a Run, u64) -> Work<'a, u64> + Send + Sync>;
type Handler = Arc<dyn for<'a> Fn(&'a Run, Failure) -> Work<'a, ()> + Send + Sync>;

/// A workflow named `script`, whose code is a closure.
#[derive(Clone)]
pub(super) struct Script {
    code: Code,
    handler: Option<Handler>,
    limits: FlowLimits,
    deadline: Option<Duration>,
}

impl Script {
    pub fn new(code: impl for<'a> Fn(&'a Run, u64) -> Work<'a, u64> + Send + Sync + 'static) -> Self {
        Self {
            code: Arc::new(code),
            handler: None,
            limits: FlowLimits::default(),
            deadline: None,
        }
    }

    pub fn on_failure(
        mut self,
        handler: impl for<'a> Fn(&'a Run, Failure) -> Work<'a, ()> + Send + Sync + 'static,
    ) -> Self {
        self.handler = Some(Arc::new(handler));
        self
    }

    /// With limits, for whoever registers it with its [`overrides`](Self::overrides).
    pub fn limited(mut self, flow: Flow) -> Self {
        self.limits = flow.read().expect("a test's limits are sound");
        self
    }

    pub fn overrides(&self) -> Overrides {
        let overrides = Overrides::default().flow(self.limits);
        match self.deadline {
            Some(deadline) => overrides.deadline(deadline),
            None => overrides,
        }
    }

    /// With a deadline, for whoever registers it with its [`overrides`](Self::overrides).
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    async fn handle(&self, run: &Run, failure: &Failure) -> Result<(), Failure> {
        match &self.handler {
            Some(handler) => handler(run, failure.clone()).await,
            None => Ok(()),
        }
    }
}

/// Fixes the type of an async block.
pub(super) fn work<'a, T>(code: impl Future<Output = Result<T, Failure>> + Send + 'a) -> Work<'a, T> {
    Box::pin(code)
}

/// A [`Script`]: `script!([ledger] |run, input| { ... })`, with what the code captures first.
macro_rules! script {
    ([$($captured:ident),*] |$run:pat_param, $input:pat_param| $body:block) => {{
        $(let $captured = $captured.clone();)*
        $crate::conformance::engine::script::Script::new(move |$run, $input| {
            $(let $captured = $captured.clone();)*
            $crate::conformance::engine::script::work(async move $body)
        })
    }};
}

/// The code of an error handler, as [`script!`] writes it.
macro_rules! handler {
    ([$($captured:ident),*] |$run:pat_param, $failure:pat_param| $body:block) => {{
        $(let $captured = $captured.clone();)*
        move |$run, $failure| {
            $(let $captured = $captured.clone();)*
            $crate::conformance::engine::script::work(async move $body)
        }
    }};
}

pub(super) use {handler, script};

impl Workflow for Script {
    const NAME: &'static str = "script";
    const STEPS: &'static [Step] = STEPS;
    type Input = u64;
    type Output = u64;

    async fn run(&self, run: &Run, input: u64) -> Result<u64, Failure> {
        (self.code)(run, input).await
    }

    async fn on_failure(&self, run: &Run, _: u64, failure: &Failure) -> Result<(), Failure> {
        self.handle(run, failure).await
    }
}

/// The same workflow as a later version declares it: a step less, and one of another kind.
pub(super) struct NextVersion(pub Script);

impl Workflow for NextVersion {
    const NAME: &'static str = Script::NAME;
    const STEPS: &'static [Step] = &[B, C, A.outside_effect(), RETRIED, EFFECT, PING, PONG, NAP];
    type Input = u64;
    type Output = u64;

    async fn run(&self, run: &Run, input: u64) -> Result<u64, Failure> {
        (self.0.code)(run, input).await
    }

    async fn on_failure(&self, run: &Run, _: u64, failure: &Failure) -> Result<(), Failure> {
        self.0.handle(run, failure).await
    }
}

/// The same workflow with another input type.
pub(super) struct OtherInput(pub Script);

impl Workflow for OtherInput {
    const NAME: &'static str = Script::NAME;
    const STEPS: &'static [Step] = STEPS;
    type Input = String;
    type Output = u64;

    async fn run(&self, run: &Run, _: String) -> Result<u64, Failure> {
        (self.0.code)(run, 0).await
    }
}

/// Another workflow.
pub(super) struct Stranger;

impl Workflow for Stranger {
    const NAME: &'static str = "stranger";
    const STEPS: &'static [Step] = &[];
    type Input = ();
    type Output = ();

    async fn run(&self, _: &Run, (): ()) -> Result<(), Failure> {
        Ok(())
    }
}
