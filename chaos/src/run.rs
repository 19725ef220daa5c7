//! One run: people come in, everything goes wrong, the faults end, and what is left is written down to be judged.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::SignedDuration;
use lumina_workflow_postgres::testing::{Binaries, Cluster};

use crate::arguments::{Arguments, Play};
use crate::chaos::Chaos;
use crate::clock::{monotonic, pass};
use crate::diary::Diary;
use crate::dice::Dice;
use crate::feed::{Fed, Feeders};
use crate::guard::PATIENCE_WITHOUT;
use crate::hosts::Hosts;
use crate::place::Place;
use crate::port::free_address;
use crate::scene::Scene;
use crate::stage::Stage;
use crate::world::{Database, Demands, Ledger, Rules, World};

/// How long everything has to be at rest before it counts as settled: longer than until a callback that nobody took
/// is sent again.
const CALM: Duration = Duration::from_millis(1_500);

/// Between two looks at whether it is.
const LOOK: Duration = Duration::from_millis(250);

/// Aimed kills that a run of so many seconds must have had, longest first.
const AIMED: [(u64, u64); 2] = [(300, 20), (60, 5)];

/// Plays a run and answers what is known of it. All of it is in the folder then.
///
/// # Errors
/// When something does not start, or does not do what it is told: then nothing is known of Lumina.
pub fn play(arguments: &Arguments) -> Result<(World, Fed)> {
    let (scene, without) = prepare(arguments.play);
    let (seed, length) = (arguments.seed, arguments.length);
    let hosts = matches!(arguments.play, Play::Hosts).then(Hosts::make).transpose()?;
    let (folder, lumina) = (&arguments.folder, &arguments.lumina);
    let mut place = Place::prepare(folder, lumina, &scene, seed, without, hosts.as_ref())?;
    let home = tempfile::tempdir()?;
    let cluster = match arguments.play {
        Play::Fleet | Play::Hosts | Play::Guard { fleet: true, .. } => {
            Some(start_cluster(home.path(), hosts.as_ref(), &mut place)?)
        }
        Play::Chaos | Play::Guard { fleet: false, .. } => None,
    };
    let diary = Arc::new(Diary::begin(&place.path("diary.log"))?);
    let dice = Dice::new(seed);
    let mut stage = Stage::set(&place, &scene, cluster, hosts, &diary)?;
    let mut feeders = Feeders::prepare(&place, &scene.feeding, &dice, &diary)?;
    feeders.begin(&dice);
    let demands = demands_of(arguments);
    Chaos::new(&mut stage, &feeders, dice.of("chaos"), length, demands).run()?;
    let fed = settle(&mut stage, &scene, feeders, &diary)?;
    let world = World {
        rules: rules_of(&scene, &stage)?,
        demands: demands_of(arguments),
        accepted: fed.accepted.clone(),
        ledger: read_ledger(&mut stage, &place)?,
        records: stage.look(Database::read).context("the database cannot be read")?,
        play: stage.play,
    };
    place.write("world.json", &serde_json::to_string(&world)?)?;
    Ok((world, fed))
}

/// A server in a folder of its own, with the durability that servers have. Hosts reach it by its address.
fn start_cluster(folder: &Path, hosts: Option<&Hosts>, place: &mut Place) -> Result<Cluster> {
    const WHAT: &str = "the database's server does not start";
    let binaries = Binaries::find().context("no PostgreSQL server is installed (`cargo xtask chaos` sees to that)")?;
    let Some(hosts) = hosts else {
        let cluster = Cluster::start(&binaries, folder, &[]).context(WHAT)?;
        let socket = folder.display().to_string().replace('/', "%2F");
        place.database = format!("postgres://lumina@{socket}/postgres");
        return Ok(cluster);
    };
    let address = free_address(hosts.database())?;
    let settings = [
        format!("listen_addresses={}", address.ip()),
        format!("port={}", address.port()),
    ];
    let cluster = Cluster::start(&binaries, folder, &[&settings[0], &settings[1]]).context(WHAT)?;
    let rules = folder.join("data").join("pg_hba.conf");
    let mut text = std::fs::read_to_string(&rules).context("the server's rules cannot be read")?;
    text.push_str("host all all 198.18.0.0/15 trust\n");
    std::fs::write(&rules, text).context("the server's rules cannot be written")?;
    cluster.restart("fast").context(WHAT)?;
    place.database = format!("postgres://lumina@{address}/postgres");
    Ok(cluster)
}

/// The scene, and the guard that Lumina is to do without.
fn prepare(play: Play) -> (Scene, Option<&'static str>) {
    match play {
        Play::Chaos | Play::Fleet | Play::Hosts => (Scene::chaos(), None),
        Play::Guard {
            guard, without: false, ..
        } => (guard.scene(), None),
        Play::Guard {
            guard,
            without: true,
            fleet,
        } => {
            let scene = guard.scene();
            // Whoever was killed last has its runs for a lease.
            let lease = if fleet { scene.times.lease } else { Duration::ZERO };
            let patience = PATIENCE_WITHOUT + lease;
            (Scene { patience, ..scene }, Some(guard.name()))
        }
    }
}

/// The faults end. From then on there is so much time until everything is at rest; then the server ends in order.
fn settle(stage: &mut Stage, scene: &Scene, feeders: Feeders, diary: &Diary) -> Result<Fed> {
    stage.spare_nothing_more();
    // Whoever still lives has an older budget.
    stage.kill_server(false)?;
    stage.begin_life()?;
    stage.wait_until_it_serves()?;
    let fed = feeders.end()?;
    stage.sandbox.end_moods()?;
    diary.tell("the faults are over");
    wait_for_rest(stage, scene.patience)?;
    diary.tell("at rest, or out of time");
    stage.stop_server()?;
    Ok(fed)
}

/// At rest is what stays so for a while; what counts is when it began to be.
fn wait_for_rest(stage: &mut Stage, patience: Duration) -> Result<()> {
    let began = monotonic();
    let mut calm_since = began;
    while began.elapsed() < patience + CALM {
        stage.play.unsettled = stage.find_unrest()?;
        if !stage.play.unsettled.is_empty() {
            calm_since = monotonic();
        } else if calm_since.elapsed() >= CALM {
            stage.play.settled_in = Some(SignedDuration::try_from(calm_since.duration_since(began))?);
            return Ok(());
        }
        pass(LOOK);
    }
    Ok(())
}

fn rules_of(scene: &Scene, stage: &Stage) -> Result<Rules> {
    Ok(Rules {
        deadline: SignedDuration::try_from(scene.times.deadline)?,
        window: SignedDuration::try_from(scene.times.window)?,
        timeout: SignedDuration::try_from(scene.times.timeout)?,
        max_in_flight: usize::try_from(scene.max_in_flight)?,
        budgets: stage.budgets.clone(),
    })
}

fn demands_of(arguments: &Arguments) -> Demands {
    if matches!(arguments.play, Play::Guard { .. }) {
        return Demands::default();
    }
    let lease = SignedDuration::try_from(Scene::chaos().times.lease).unwrap_or_default();
    let seconds = arguments.length.as_secs();
    let aimed = AIMED.iter().find(|(from, _)| seconds >= *from);
    Demands {
        aimed_kills: aimed.map_or(1, |(_, kills)| *kills),
        fleet: (arguments.play != Play::Chaos).then_some(lease),
        moods: true,
        budgets_hit: Scene::chaos().budgets.len() as u64 - 1,
    }
}

/// The ledger as the sandbox shows it, and as it is judged.
fn read_ledger(stage: &mut Stage, place: &Place) -> Result<Ledger> {
    let shown = stage.read_ledger()?;
    place.write("ledger.json", &serde_json::to_string_pretty(&shown)?)?;
    stage.play.panics = find_panics(place)?;
    serde_json::from_value(shown).context("the sandbox's ledger is not what was expected")
}

fn find_panics(place: &Place) -> Result<Vec<String>> {
    let mut panics = Vec::new();
    for (name, text) in place.logs()? {
        let lines = text.lines().filter(|line| line.contains("panicked at"));
        panics.extend(lines.map(|line| format!("{name}: {line}")));
    }
    Ok(panics)
}
