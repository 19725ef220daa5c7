//! The processes of a run, and everything that is done to them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use lumina_workflow_postgres::testing::Cluster;
use serde_json::Value;

use crate::clock::{self, now};
use crate::diary::Diary;
use crate::hosts::Hosts;
use crate::place::{FILE, Place};
use crate::sandbox::Sandbox;
use crate::scene::Scene;
use crate::server::{Role, Server};
use crate::world::{BudgetRule, Database, Kill, Play, Problem, Victim};

/// What the pipeline says of a budget that is used up.
const BUDGET_PAUSE: &str = "budget";

/// What processes there are on one machine.
const ALONE: [Role; 1] = [Role::Serve];

/// And in a fleet. One takes callbacks; which, is nothing special.
const FLEET: [Role; 3] = [Role::Serve, Role::Worker, Role::Worker];

/// The processes of a run.
pub struct Stage {
    place: Place,
    /// What it is set to.
    pub scene: Scene,
    diary: Arc<Diary>,
    /// The sandbox.
    pub sandbox: Sandbox,
    /// What processes there are to be, and which there are.
    crew: Vec<(Role, Option<Server>)>,
    /// The server of the database, where there is one.
    cluster: Option<Cluster>,
    /// The hosts that the processes are on, where each has one.
    hosts: Option<Hosts>,
    lives: u32,
    /// Which of the scene's budgets Lumina is configured with.
    budget: usize,
    /// Whether one was found used up when it was looked last.
    is_out: bool,
    /// What was spent how far, and from when on.
    pub budgets: Vec<BudgetRule>,
    /// What was done, and what happened.
    pub play: Play,
}

impl Stage {
    /// Starts the sandbox; nobody serves yet.
    ///
    /// # Errors
    /// When it does not start.
    pub fn set(
        place: &Place,
        scene: &Scene,
        cluster: Option<Cluster>,
        hosts: Option<Hosts>,
        diary: &Arc<Diary>,
    ) -> Result<Self> {
        place.configure(scene, scene.budgets[0])?;
        let roles: &[Role] = if cluster.is_some() { &FLEET } else { &ALONE };
        Ok(Self {
            place: place.clone(),
            scene: scene.clone(),
            diary: diary.clone(),
            sandbox: Sandbox::start(place)?,
            crew: roles.iter().map(|role| (*role, None)).collect(),
            cluster,
            hosts,
            lives: 0,
            budget: 0,
            is_out: false,
            budgets: Vec::new(),
            play: Play::default(),
        })
    }

    /// Begins a life of every process that is not there, with the next budget if the present one was found used up.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn begin_life(&mut self) -> Result<()> {
        let budget = self.scene.budgets[self.budget];
        if self.budgets.len() <= self.budget {
            self.place.configure(&self.scene, budget)?;
            self.diary.tell(&format!(
                "budget: {} a day, {} a month",
                budget.per_day, budget.per_month
            ));
            self.budgets.push(BudgetRule {
                from: now(),
                per_day: budget.per_day,
                per_month: budget.per_month,
            });
        }
        let crew = self.crew.iter_mut().enumerate();
        for (host, (role, server)) in crew.filter(|(_, (_, server))| server.is_none()) {
            self.lives += 1;
            self.diary
                .note(&format!("life {} begins, of {}", self.lives, role.name()));
            *server = Some(Server::begin(&self.place, *role, host, self.lives)?);
        }
        Ok(())
    }

    /// Waits until whoever serves answers. One that ends instead has ended by itself.
    ///
    /// # Errors
    /// When it never does.
    pub fn wait_until_it_serves(&mut self) -> Result<()> {
        self.wait_until_they_serve(None)
    }

    /// The same, but for one that stands still.
    ///
    /// # Errors
    /// When another never does.
    pub fn wait_until_they_serve(&mut self, still: Option<usize>) -> Result<()> {
        let serving = self.crew.iter_mut().enumerate();
        let serving = serving.filter(|(place, (role, _))| *role == Role::Serve && Some(*place) != still);
        let mut serving = serving.filter_map(|(_, (_, server))| server.as_mut());
        serving.try_for_each(Server::wait_until_it_serves)
    }

    /// `kill -9` of every process that is there.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn kill_server(&mut self, aimed: bool) -> Result<()> {
        self.kill_all(aimed)?;
        self.look_at_budget();
        Ok(())
    }

    /// The same, without a look at the budget.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn kill_all(&mut self, aimed: bool) -> Result<()> {
        self.watch();
        self.present()
            .into_iter()
            .try_for_each(|place| self.kill_one(place, aimed))
    }

    /// `kill -9` of one of the processes.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn kill_one(&mut self, place: usize, aimed: bool) -> Result<()> {
        let (role, server) = &mut self.crew[place];
        let Some(mut server) = server.take() else { return Ok(()) };
        let victim = role.victim();
        server.kill()?;
        self.note_kill(victim, aimed);
        Ok(())
    }

    /// The places of the processes that are there.
    #[must_use]
    pub fn present(&self) -> Vec<usize> {
        (0..self.crew.len())
            .filter(|place| self.crew[*place].1.is_some())
            .collect()
    }

    /// A process that is there.
    #[must_use]
    pub fn process(&self, place: usize) -> Option<&Server> {
        self.crew.get(place).and_then(|(_, server)| server.as_ref())
    }

    /// The hosts, where each process has one.
    #[must_use]
    pub fn hosts(&self) -> Option<&Hosts> {
        self.hosts.as_ref()
    }

    /// The server of the database.
    #[must_use]
    pub fn cluster(&self) -> Option<&Cluster> {
        self.cluster.as_ref()
    }

    /// `kill -9` of the sandbox, and a start of it some time later.
    ///
    /// # Errors
    /// When the system does not let it, or it does not start.
    pub fn kill_sandbox(&mut self, gap: Duration) -> Result<()> {
        self.watch();
        self.sandbox.kill()?;
        self.note_kill(Victim::Sandbox, false);
        clock::pass(gap);
        self.sandbox.revive()
    }

    fn note_kill(&mut self, victim: Victim, aimed: bool) {
        let how = if aimed { "aimed" } else { "at random" };
        self.diary
            .tell(&format!("kill {} of {victim:?}, {how}", self.play.kills.len() + 1));
        self.play.kills.push(Kill {
            at: now(),
            until: None,
            victim,
            aimed,
        });
    }

    /// Notes something else that was done.
    pub fn note(&mut self, kill: Kill, what: &str) {
        self.diary.tell(what);
        self.play.kills.push(kill);
    }

    /// Notes when a process has ended that nobody has killed.
    pub fn watch(&mut self) {
        let mut ended = Vec::new();
        for (_, server) in &mut self.crew {
            if let Some(what) = server.as_mut().and_then(Server::ended) {
                *server = None;
                ended.push(what);
            }
        }
        for what in ended.into_iter().chain(self.sandbox.ended()) {
            self.diary.tell(&what);
            self.play.ended.push(what);
        }
    }

    /// Whether the present budget is used up. Then the next life has the next one.
    pub fn look_at_budget(&mut self) -> bool {
        let is_last = self.budget + 1 == self.scene.budgets.len();
        // A fleet is looked at while it lives: the pause that it was found by is there until one who has the next budget
        // has lifted it.
        let was_out = self.is_out && self.cluster.is_some();
        self.is_out = self.is_out_of_budget();
        if !is_last && self.is_out && !was_out {
            self.play.budgets_hit += 1;
            self.budget += 1;
            self.diary.tell("the budget is used up");
            return true;
        }
        false
    }

    fn is_out_of_budget(&self) -> bool {
        let is_paused = self.look(|database| database.is_paused_for(BUDGET_PAUSE));
        is_paused.unwrap_or(false)
    }

    /// How many lookups have not ended; none where there is no database yet.
    #[must_use]
    pub fn count_open(&self) -> u64 {
        self.look(Database::count_open).unwrap_or_default()
    }

    /// Looks at the database.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn look<T>(&self, look: impl FnOnce(&Database) -> Result<T, Problem>) -> Result<T, Problem> {
        look(&self.open_database()?)
    }

    fn open_database(&self) -> Result<Database, Problem> {
        match &self.cluster {
            Some(_) => Database::open_server(&self.place.database),
            None => Database::open_file(&self.place.path(FILE)),
        }
    }

    /// The last budget from the next life on, whether the others were used up or not.
    pub fn spare_nothing_more(&mut self) {
        self.budget = self.scene.budgets.len() - 1;
    }

    /// What is not at rest, in words, on either side.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub fn find_unrest(&mut self) -> Result<Vec<String>> {
        self.watch();
        let mut unrest = self
            .look(Database::find_unrest)
            .context("the database cannot be read")?;
        let totals = self.sandbox.totals()?;
        let count = |name: &str| totals[name].as_u64().unwrap_or_default();
        let running = count("batchCount").saturating_sub(count("batchesEnded"));
        if running > 0 {
            unrest.push(format!("{running} batches have not ended at the provider"));
        }
        Ok(unrest)
    }

    /// Ends all processes in order.
    ///
    /// # Errors
    /// When one cannot be asked.
    pub fn stop_server(&mut self) -> Result<()> {
        self.watch();
        for (_, server) in &mut self.crew {
            if let Some(server) = server.take()
                && let Some(what) = server.stop()?
            {
                self.diary.tell(&what);
                self.play.ended.push(what);
            }
        }
        Ok(())
    }

    /// The sandbox's ledger, and how often each mood has occurred.
    ///
    /// # Errors
    /// When it does not show them.
    pub fn read_ledger(&mut self) -> Result<Value> {
        self.play.moods = self.sandbox.occurred()?;
        self.sandbox.ledger()
    }
}
