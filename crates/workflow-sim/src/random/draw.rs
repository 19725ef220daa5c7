//! What a seed makes of a scene: programs, events, cancels, panics, rewinds.

use std::time::Duration;

use lumina_workflow::RunId;
use uuid::Uuid;

use super::program::{CHILDREN, Gather, Node, Outcome, Policy, Program, Signal};
use super::rewind::PlannedRewind;
use crate::dice::Dice;

/// Everything that the seed decides about the programs and their clients.
pub(super) struct Scene {
    pub runs: Vec<PlannedRun>,
    pub events: Vec<PlannedEvent>,
    pub pauses: Vec<PlannedPause>,
    pub rewinds: Vec<PlannedRewind>,
    /// Lives differ in their code's version.
    pub versions: bool,
    pub panics: Vec<PlannedPanic>,
}

pub(super) struct PlannedRun {
    pub id: RunId,
    pub program: Program,
    pub at: Duration,
    pub delay: Duration,
    pub priority: i16,
    /// Asked for once more at this time, whatever the first answer was.
    pub again: Option<(u32, Duration)>,
    /// A fault: somebody cancels it at this time.
    pub cancel: Option<(u32, Duration)>,
}

pub(super) struct PlannedEvent {
    pub id: String,
    pub number: u64,
    pub run: usize,
    /// Addressed to this correlation key instead of the run.
    pub key: Option<String>,
    pub signal: Signal,
    pub event_key: Option<String>,
    pub at: Duration,
    /// A fault: it comes at this time instead, or never.
    pub moved: Option<(u32, Option<Duration>)>,
    /// A fault: it comes again at this time.
    pub again: Option<(u32, Duration)>,
}

/// A fault: somebody holds a run for a while.
pub(super) struct PlannedPause {
    pub number: u32,
    pub run: usize,
    pub at: Duration,
    pub until: Duration,
}

/// A fault: a panic of a run's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlannedPanic {
    pub number: u32,
    pub run: usize,
    /// At this how-manieth step that is reached, or that begins, over all executions.
    pub nth: u64,
    /// In the workflow's function, not in a step's code.
    pub outside_steps: bool,
}

/// A run may have children, and these have some.
const GENERATIONS: u32 = 2;

pub(super) struct Drawing {
    pub(super) dice: Dice,
    numbers: u32,
    run: usize,
    keys: u32,
    steps_left: i32,
    /// How many programs of children there are, and which generation is being drawn.
    children: usize,
    generation: u32,
}

/// Draws a seed's scene.
pub(super) fn scene(seed: u64) -> Scene {
    let mut drawing = Drawing {
        dice: Dice::of(seed, "scene", 0),
        numbers: 0,
        run: 0,
        keys: 0,
        steps_left: 0,
        children: 0,
        generation: 0,
    };
    let runs = drawing.dice.within(1, 6);
    let runs: Vec<_> = (0..runs).map(|_| drawing.run()).collect();
    let events = runs.iter().flat_map(|run| drawing.events(run)).collect();
    let versions = drawing.dice.percent(30);
    let panics = drawing.panics(runs.len() as u64);
    let pauses = drawing.pauses(runs.len() as u64);
    let rewinds = drawing.rewinds(runs.len() as u64);
    Scene {
        runs,
        events,
        pauses,
        rewinds,
        versions,
        panics,
    }
}

impl Drawing {
    pub(super) fn number(&mut self) -> u32 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.dice.percent(percent)
    }

    pub(super) fn seconds(&mut self, least: u64, most: u64) -> Duration {
        self.dice.millis(least * 1_000, most * 1_000)
    }

    fn run(&mut self) -> PlannedRun {
        self.steps_left = *self.dice.pick(&[4, 8, 15, 30]);
        let main = self.body(3);
        self.steps_left = 3;
        let cleanup = self.cleanup();
        let index = self.run;
        self.run += 1;
        let at = self.seconds(0, 60);
        let delayed = self.chance(10);
        let delay = if delayed { self.seconds(1, 60) } else { Duration::ZERO };
        let again = self.chance(30).then(|| (self.number(), self.seconds(0, 90)));
        let cancel = self.chance(15).then(|| (self.number(), self.seconds(0, 180)));
        PlannedRun {
            id: RunId(Uuid::from_u64_pair(
                0x0199_0000_0000_7000 + index as u64,
                0x8000_0000_0000_0000 | self.dice.draw() >> 2,
            )),
            program: Program { index, main, cleanup },
            at,
            delay,
            priority: *self.dice.pick(&[0, 0, 0, 0, 5]),
            again,
            cancel,
        }
    }

    fn body(&mut self, depth: u32) -> Node {
        let parts = self.dice.within(1, 5);
        Node::Seq((0..parts).map(|_| self.node(depth)).collect())
    }

    fn node(&mut self, depth: u32) -> Node {
        self.steps_left -= 1;
        if depth == 0 || self.steps_left <= 0 {
            return self.leaf();
        }
        match self.dice.below(20) {
            0 | 1 => Node::Loop(
                u8::try_from(self.dice.within(1, 3)).expect("few"),
                Box::new(self.body(depth - 1)),
            ),
            2 | 3 => Node::Join(self.branches(depth)),
            4 => Node::TryJoin(self.branches(depth)),
            5 | 6 => Node::Race(self.branches(depth)),
            7 | 8 => Node::Catch(Box::new(self.body(depth - 1)), Box::new(self.node(depth - 1))),
            9 => Node::Handled(Box::new(self.node(depth - 1)), self.script(false)),
            10 if self.chance(30) => Node::Fail,
            _ => self.leaf(),
        }
    }

    fn branches(&mut self, depth: u32) -> Vec<Node> {
        let branches = self.dice.within(2, 4);
        (0..branches).map(|_| self.node(depth - 1)).collect()
    }

    fn leaf(&mut self) -> Node {
        match self.dice.below(17) {
            0..=3 => {
                let policy = *self.dice.pick(&[Policy::Once, Policy::Thrice, Policy::Thrice]);
                Node::Act(policy, self.script(false))
            }
            4..=6 => {
                let gate = self.chance(30).then(|| self.gate());
                Node::Effect(gate, self.script(true))
            }
            7 | 8 => self.wait(),
            9 => self.several(),
            10 | 11 => Node::Sleep(*self.dice.pick(&[0, 1, 3, 10, 40])),
            12..=14 => Node::Count(self.chance(10)),
            15 if self.generation < GENERATIONS => self.child(),
            _ => self.register(),
        }
    }

    fn wait(&mut self) -> Node {
        let signal = *self.dice.pick(&[Signal::A, Signal::A, Signal::B]);
        let key = self.chance(30).then(|| (*self.dice.pick(&["x", "y"])).to_owned());
        let seconds = *self.dice.pick(&[1, 5, 20, 60, 120]);
        Node::Wait(signal, key, seconds, self.chance(70))
    }

    fn child(&mut self) -> Node {
        let index = CHILDREN + self.children;
        self.children += 1;
        self.generation += 1;
        let left = std::mem::replace(&mut self.steps_left, 4);
        let main = self.body(1);
        let cleanup = self.cleanup();
        self.steps_left = left;
        self.generation -= 1;
        Node::Child(Box::new(Program { index, main, cleanup }))
    }

    fn several(&mut self) -> Node {
        let gather = *self.dice.pick(&[Gather::Any, Gather::All]);
        let named = match self.chance(50) {
            true => Vec::new(),
            false => self.named(),
        };
        let seconds = *self.dice.pick(&[1, 5, 20, 60, 120]);
        Node::Several(gather, named, seconds, self.chance(70))
    }

    /// Each once, so that no event can stand for two of them.
    fn named(&mut self) -> Vec<(Signal, String)> {
        let all = [(Signal::A, "x"), (Signal::A, "y"), (Signal::B, "x"), (Signal::B, "y")];
        let first = usize::try_from(self.dice.below(4)).expect("few");
        let count = usize::try_from(self.dice.within(1, 3)).expect("few");
        let turned = all.iter().cycle().skip(first).take(count);
        turned.map(|(signal, key)| (*signal, (*key).to_owned())).collect()
    }

    fn register(&mut self) -> Node {
        let shared = self.chance(50);
        let key = match shared {
            true => "shared".to_owned(),
            false => {
                self.keys += 1;
                format!("k{}", self.keys)
            }
        };
        Node::Register(key, self.chance(50), self.script(false))
    }

    fn script(&mut self, effect: bool) -> Vec<Outcome> {
        let mut script = Vec::new();
        while script.len() < 3 && self.chance(30) {
            script.push(match self.dice.below(10) {
                0..=4 => Outcome::Retry,
                5 => Outcome::RetryAfter(self.dice.within(1, 20)),
                6 | 7 => Outcome::Defer(self.dice.within(1, 5_000)),
                8 if effect => Outcome::Unknown,
                8 => Outcome::Hang,
                _ => Outcome::Panic,
            });
        }
        script.push(match self.dice.below(20) {
            0 => Outcome::Fail,
            1 => Outcome::Retry,
            2 if effect => Outcome::Hang,
            3..=7 => Outcome::Slow(*self.dice.pick(&[1, 100, 2_500, 8_000, 18_000])),
            _ => Outcome::Good,
        });
        script
    }

    fn gate(&mut self) -> Vec<Outcome> {
        let mut gate = Vec::new();
        while gate.len() < 2 && self.chance(50) {
            gate.push(Outcome::Defer(self.dice.within(1, 8_000)));
        }
        gate.push(match self.dice.below(10) {
            0 => Outcome::Fail,
            1 => Outcome::Slow(self.dice.within(1, 6_000)),
            _ => Outcome::Good,
        });
        gate
    }

    /// Short, since a handler has an hour and clocks jump.
    fn cleanup(&mut self) -> Node {
        let parts = self.dice.within(0, 3);
        Node::Seq((0..parts).map(|_| self.leaf()).collect())
    }

    fn events(&mut self, run: &PlannedRun) -> Vec<PlannedEvent> {
        let (mut waits, mut keys) = (Vec::new(), Vec::new());
        run.program.main.waits(&mut waits);
        run.program.cleanup.waits(&mut waits);
        run.program.main.keys(&mut keys);
        let mut events: Vec<_> = waits
            .into_iter()
            .enumerate()
            .map(|(nth, (signal, key, _))| self.event(run, nth, signal, key, &keys))
            .collect();
        if self.chance(20) {
            events.push(self.event(run, 1_000, Signal::B, Some("nobody".to_owned()), &keys));
        }
        events
    }

    fn event(
        &mut self,
        run: &PlannedRun,
        nth: usize,
        signal: Signal,
        event_key: Option<String>,
        keys: &[String],
    ) -> PlannedEvent {
        let by_key = !keys.is_empty() && self.chance(40);
        let moved = match self.dice.below(10) {
            0 => Some((self.number(), None)),
            1 | 2 => Some((self.number(), Some(self.early(run)))),
            3 => Some((self.number(), Some(run.at + self.seconds(120, 600)))),
            _ => None,
        };
        PlannedEvent {
            id: format!("e{}-{nth}", run.program.index),
            number: (run.program.index * 1_000 + nth) as u64,
            run: run.program.index,
            key: by_key.then(|| self.dice.pick(keys).clone()),
            signal,
            event_key,
            at: run.at + run.delay + self.seconds(0, 90),
            moved,
            again: self.chance(20).then(|| (self.number(), self.seconds(0, 200))),
        }
    }

    fn early(&mut self, run: &PlannedRun) -> Duration {
        let before = u64::try_from(run.at.as_millis()).unwrap_or(0);
        self.dice.millis(0, before)
    }

    fn pauses(&mut self, runs: u64) -> Vec<PlannedPause> {
        let count = *self.dice.pick(&[0, 0, 1, 2, 5]);
        (0..count).map(|_| self.pause(runs)).collect()
    }

    fn pause(&mut self, runs: u64) -> PlannedPause {
        let at = self.seconds(0, 180);
        PlannedPause {
            number: self.number(),
            run: usize::try_from(self.dice.below(runs)).expect("few"),
            at,
            until: at + self.seconds(0, 90),
        }
    }

    fn panics(&mut self, runs: u64) -> Vec<PlannedPanic> {
        let count = *self.dice.pick(&[0, 0, 0, 1, 2, 4]);
        let panic = |drawing: &mut Self| PlannedPanic {
            number: drawing.number(),
            run: usize::try_from(drawing.dice.below(runs)).expect("few"),
            nth: drawing.dice.within(1, 20),
            outside_steps: drawing.chance(50),
        };
        (0..count).map(|_| panic(self)).collect()
    }
}
