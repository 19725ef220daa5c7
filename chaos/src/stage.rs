//! The processes of a run, and everything that is done to them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::clock::{self, now};
use crate::diary::Diary;
use crate::place::Place;
use crate::sandbox::Sandbox;
use crate::scene::Scene;
use crate::server::Server;
use crate::world::{BudgetRule, Database, Kill, Play, Victim};

/// What the pipeline says of a budget that is used up.
const BUDGET_PAUSE: &str = "budget";

/// The processes of a run.
#[derive(Debug)]
pub struct Stage {
    place: Place,
    /// What it is set to.
    pub scene: Scene,
    diary: Arc<Diary>,
    /// The sandbox.
    pub sandbox: Sandbox,
    server: Option<Server>,
    lives: u32,
    /// Which of the scene's budgets Lumina is configured with.
    budget: usize,
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
    pub fn set(place: &Place, scene: &Scene, diary: &Arc<Diary>) -> Result<Self> {
        place.configure(scene, scene.budgets[0])?;
        Ok(Self {
            place: place.clone(),
            scene: scene.clone(),
            diary: diary.clone(),
            sandbox: Sandbox::start(place)?,
            server: None,
            lives: 0,
            budget: 0,
            budgets: Vec::new(),
            play: Play::default(),
        })
    }

    /// Begins a life of the server, with the next budget if the present one was found used up.
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
        self.lives += 1;
        self.diary.note(&format!("life {} begins", self.lives));
        self.server = Some(Server::begin(&self.place, self.lives)?);
        Ok(())
    }

    /// Waits until the server answers. One that ends instead has ended by itself.
    ///
    /// # Errors
    /// When it never does.
    pub fn wait_until_it_serves(&mut self) -> Result<()> {
        let Some(server) = &mut self.server else { return Ok(()) };
        server.wait_until_it_serves()
    }

    /// `kill -9` of the server, if there is one.
    ///
    /// # Errors
    /// When the system does not let it.
    pub fn kill_server(&mut self, aimed: bool) -> Result<()> {
        self.watch();
        let Some(mut server) = self.server.take() else {
            return Ok(());
        };
        server.kill()?;
        self.note_kill(Victim::Serve, aimed);
        self.look_at_budget();
        Ok(())
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
        let at = now();
        let how = if aimed { "aimed" } else { "at random" };
        self.diary
            .tell(&format!("kill {} of {victim:?}, {how}", self.play.kills.len() + 1));
        self.play.kills.push(Kill { at, victim, aimed });
    }

    /// Notes when a process has ended that nobody has killed.
    pub fn watch(&mut self) {
        let server = self.server.as_mut().and_then(Server::ended);
        if server.is_some() {
            self.server = None;
        }
        for what in server.into_iter().chain(self.sandbox.ended()) {
            self.diary.tell(&what);
            self.play.ended.push(what);
        }
    }

    /// Whether the present budget is used up. Then the next life has the next one.
    fn look_at_budget(&mut self) {
        let is_last = self.budget + 1 == self.scene.budgets.len();
        if !is_last && self.is_out_of_budget() {
            self.play.budgets_hit += 1;
            self.budget += 1;
            self.diary.tell("the budget is used up");
        }
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

    fn look<T>(&self, look: impl FnOnce(&Database) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        look(&Database::open(&self.place.path("lumina.db"))?)
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

    /// Ends the server in order.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub fn stop_server(&mut self) -> Result<()> {
        self.watch();
        if let Some(server) = self.server.take()
            && let Some(what) = server.stop()?
        {
            self.diary.tell(&what);
            self.play.ended.push(what);
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
