//! What the world wants of the programs: starts, events, cancels, pauses, rewinds, and an operator for what stands
//! still.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use lumina_workflow::store::Refusal;
use lumina_workflow::{CorrelationKey, EngineError, NewEvent, Payload, RunId, StartOptions, Started, Target};
use tokio::sync::mpsc;

use super::draw::{PlannedEvent, PlannedPause, PlannedRun, Scene};
use super::interpret::{Interpreter, NAMESPACE};
use super::rewind::send_back;
use crate::world::World;

/// The operator looks after what stands still this often.
const ROUND: Duration = Duration::from_secs(7);

/// A pause may come after the end that was planned for it, when it was on its way for long. By this round nobody
/// wants it any more.
const FORGOTTEN: u32 = 20;

/// What is wished, as long as it is not fulfilled.
#[derive(Clone)]
struct Wish {
    world: World,
    scene: Arc<Scene>,
    _token: mpsc::Sender<()>,
}

/// Wishes all that the scene has, and ends when all of it was acknowledged.
pub(super) async fn wish(world: World, scene: Arc<Scene>) {
    let (token, mut all) = mpsc::channel(1);
    let wish = Wish {
        world: world.clone(),
        scene: scene.clone(),
        _token: token,
    };
    for index in 0..scene.runs.len() {
        world.spawn(wish.clone().start(index));
        world.spawn(wish.clone().cancel(index));
    }
    (0..scene.events.len()).for_each(|index| world.spawn(wish.clone().emit(index)));
    (0..scene.pauses.len()).for_each(|index| world.spawn(wish.clone().pause(index)));
    (0..scene.rewinds.len()).for_each(|index| world.spawn(wish.clone().send_back(index)));
    world.spawn(operate(world.clone()));
    drop(wish);
    // Every wish holds a token until it is fulfilled.
    let _ = all.recv().await;
}

impl Wish {
    async fn start(self, index: usize) {
        start(&self.world, &self.scene.runs[index]).await;
    }

    async fn cancel(self, index: usize) {
        cancel(&self.world, &self.scene.runs[index]).await;
    }

    async fn pause(self, index: usize) {
        let pause = &self.scene.pauses[index];
        hold(&self.world, pause, &self.scene.runs[pause.run]).await;
    }

    async fn send_back(self, index: usize) {
        let rewind = &self.scene.rewinds[index];
        send_back(&self.world, rewind, &self.scene.runs[rewind.run]).await;
    }

    async fn emit(self, index: usize) {
        let event = &self.scene.events[index];
        emit(&self.world, event, &self.scene.runs[event.run]).await;
    }
}

async fn until(world: &World, time: Duration) {
    world.sleep(time.saturating_sub(world.elapsed())).await;
}

async fn start(world: &World, run: &PlannedRun) {
    let again = run.again.filter(|(number, at)| {
        let told = || format!("run {} is started twice, at {at:?}", run.program.index);
        world.inject(*number, told)
    });
    until(world, run.at).await;
    let first = start_once(world, run, true).await;
    if !matches!(first, Ok(started) if started.run() == run.id) {
        world.blame(format!("run {} was started as {first:?}", run.program.index));
    }
    let Some((_, at)) = again else { return };
    until(world, at).await;
    let second = start_once(world, run, false).await;
    let expected = Started::Existing {
        run: run.id,
        same_input: true,
    };
    if second != Ok(expected) {
        world.blame(format!("run {} was started again as {second:?}", run.program.index));
    }
}

async fn start_once(world: &World, run: &PlannedRun, with_id: bool) -> Result<Started, EngineError> {
    let options = StartOptions::keyed(format!("run-{}", run.program.index))
        .priority(run.priority)
        .delay(run.delay);
    let (program, id) = (run.program.clone(), run.id);
    let request = move |engine: lumina_workflow::Engine| -> futures_util::future::BoxFuture<'static, _> {
        let prepared = engine.prepare::<Interpreter<false>>(&program, options.clone());
        Box::pin(async move {
            let mut new = prepared?;
            if with_id {
                new.id = id;
            }
            engine.start_prepared(new).await
        })
    };
    world.ask(request).await
}

async fn cancel(world: &World, run: &PlannedRun) {
    let Some((number, at)) = run.cancel else { return };
    if !world.inject(number, || format!("run {} is cancelled at {at:?}", run.program.index)) {
        return;
    }
    until(world, at).await;
    let id = run.id;
    let answer = world
        .ask(move |engine| Box::pin(async move { engine.cancel(id, "ada").await }))
        .await;
    expect_taken(world, "cancel", answer);
}

/// What is wished of a run may come too early or too late.
fn expect_taken(world: &World, what: &str, answer: Result<bool, EngineError>) {
    match answer {
        Ok(_) | Err(EngineError::Refused(Refusal::UnknownRun(_) | Refusal::WrongStatus { .. })) => {}
        Err(error) => world.blame(format!("a {what} was answered with {error}")),
    }
}

async fn hold(world: &World, pause: &PlannedPause, run: &PlannedRun) {
    let told = || format!("run {} is paused from {:?} to {:?}", pause.run, pause.at, pause.until);
    if !world.inject(pause.number, told) {
        return;
    }
    let id = run.id;
    until(world, pause.at).await;
    let held = world
        .ask(move |engine| Box::pin(async move { engine.pause(id, "ada").await }))
        .await;
    expect_taken(world, "pause", held);
    until(world, pause.until).await;
    expect_taken(world, "resume", resume(world, id).await);
}

async fn resume(world: &World, run: RunId) -> Result<bool, EngineError> {
    world
        .ask(move |engine| Box::pin(async move { engine.resume(run, "grace").await }))
        .await
}

async fn emit(world: &World, event: &PlannedEvent, run: &PlannedRun) {
    let moved = event.moved.filter(|(number, at)| {
        let told = || match at {
            Some(at) => format!("event {} comes at {at:?}", event.id),
            None => format!("event {} never comes", event.id),
        };
        world.inject(*number, told)
    });
    let again = event
        .again
        .filter(|(number, at)| world.inject(*number, || format!("event {} comes twice, at {at:?}", event.id)));
    match moved {
        Some((_, None)) => return,
        Some((_, Some(at))) => until(world, at).await,
        None => until(world, event.at).await,
    }
    emit_once(world, event, run).await;
    if let Some((_, at)) = again {
        until(world, at).await;
        emit_once(world, event, run).await;
    }
}

async fn emit_once(world: &World, event: &PlannedEvent, run: &PlannedRun) {
    let target = match &event.key {
        Some(key) => Target::Key(CorrelationKey::new(NAMESPACE, key.as_str())),
        None => Target::Run(run.id),
    };
    let payload = Payload::encode(&event.number).expect("a number has a JSON form");
    let mut new = NewEvent::new(event.id.as_str(), target, event.signal.event(), payload);
    new.key.clone_from(&event.event_key);
    let answer = world
        .ask(move |engine| {
            let new = new.clone();
            Box::pin(async move { engine.emit(new).await })
        })
        .await;
    if let Err(error) = answer {
        world.blame(format!("event {} was answered with {error}", event.id));
    }
}

/// Lets what is blocked try again, and what is paused and forgotten go on, for ever.
async fn operate(world: World) {
    let mut paused = BTreeMap::new();
    loop {
        world.sleep(ROUND).await;
        paused = count_rounds(&paused, world.watch().paused_runs());
        for run in paused
            .iter()
            .filter(|(_, rounds)| **rounds > FORGOTTEN)
            .map(|(run, _)| *run)
        {
            expect_taken(&world, "resume", resume(&world, run).await);
        }
        for run in world.watch().blocked_runs() {
            // It may go on by itself meanwhile, under another version of its code.
            expect_taken(&world, "resume", resume(&world, run).await);
        }
    }
}

/// How many rounds in a row each of these runs was there.
fn count_rounds(before: &BTreeMap<RunId, u32>, now: Vec<RunId>) -> BTreeMap<RunId, u32> {
    let count = |run| (run, before.get(&run).copied().unwrap_or(0) + 1);
    now.into_iter().map(count).collect()
}
