//! Schedules: rows that are changed only as they were when it was decided.

use jiff::Timestamp;

use super::state::State;
use crate::schedule::START_KEY_PREFIX;
use crate::store::{
    Attachment, Declaration, Hint, MemberResult, NewRun, Outcome, Refusal, RunRow, ScheduleChange, ScheduleQuery,
    ScheduleRow, Tick, Wish,
};

/// Whether a schedule has started the run.
pub(super) fn is_scheduled(run: &RunRow) -> bool {
    run.start_key
        .as_ref()
        .is_some_and(|key| key.starts_with(START_KEY_PREFIX))
}

impl State {
    pub fn schedules_page(&self, query: &ScheduleQuery) -> Vec<ScheduleRow> {
        let after = |name: &String| query.after.as_ref().is_none_or(|after| name > after);
        let fits = |name: &String| query.name.as_ref().is_none_or(|wanted| name == wanted) && after(name);
        let rows = self.schedules.iter().filter(|(name, _)| fits(name));
        rows.take(query.limit).map(|(_, row)| self.seen(row)).collect()
    }

    fn seen(&self, row: &ScheduleRow) -> ScheduleRow {
        let prefix = format!("{START_KEY_PREFIX}{}@", row.name);
        let of_it = |run: &RunRow| run.start_key.as_ref().is_some_and(|key| key.starts_with(&prefix));
        let running = self
            .runs
            .iter()
            .any(|(_, run)| of_it(&run.row) && !run.row.status.is_end());
        ScheduleRow { running, ..row.clone() }
    }

    pub fn change_schedule(
        &mut self,
        change: &ScheduleChange,
        attach: Option<&Attachment>,
        now: Timestamp,
    ) -> MemberResult {
        let effective = self.has_effect(change)?;
        if effective {
            self.run_attachment(attach, now)?;
            self.obey_schedule(change, now);
            self.hints.push(Hint::Schedule);
        } else if let ScheduleChange::Declare(declaration) = change {
            self.keep_input(declaration);
        }
        Ok(Outcome::Scheduled {
            effective: effective || matches!(change, ScheduleChange::Trigger { .. }),
        })
    }

    fn has_effect(&self, change: &ScheduleChange) -> Result<bool, Refusal> {
        let name = change.name().to_owned();
        let row = self.schedules.get(&name);
        let declared = row.filter(|row| row.removed_at.is_none());
        let unknown = || Refusal::UnknownSchedule(name.clone());
        let changed = || Refusal::ScheduleChanged(name.clone());
        match change {
            ScheduleChange::Declare(wanted) => Ok(declared.is_none_or(|row| !is_same(row, wanted))),
            ScheduleChange::Remove { .. } => Ok(declared.is_some()),
            ScheduleChange::Tick(tick) => match row.filter(|row| row.is_live() && row.revision == tick.revision) {
                Some(_) => Ok(true),
                None => Err(changed()),
            },
            ScheduleChange::Pause { .. } => Ok(declared.ok_or_else(unknown)?.paused.is_none()),
            ScheduleChange::Resume { revision, .. } => match declared.ok_or_else(unknown)? {
                row if row.paused.is_none() => Ok(false),
                row if row.revision != *revision => Err(changed()),
                _ => Ok(true),
            },
            ScheduleChange::Trigger { run, .. } => match declared.ok_or_else(unknown)? {
                _ if self.existing(run).is_some() => Ok(false),
                row if row.workflow != run.workflow => Err(changed()),
                _ => Ok(true),
            },
        }
    }

    fn obey_schedule(&mut self, change: &ScheduleChange, now: Timestamp) {
        let found = self.schedules.get(&change.name().to_owned()).cloned();
        let mut row = match (found, change) {
            (Some(row), _) => row,
            (None, ScheduleChange::Declare(declaration)) => fresh(declaration, now),
            (None, _) => unreachable!("only a declaration has an effect on what is not there"),
        };
        let wish = |by: &String| {
            Some(Wish {
                by: by.clone(),
                at: now,
            })
        };
        match change {
            ScheduleChange::Declare(declaration) => declare(&mut row, declaration),
            ScheduleChange::Remove { .. } => {
                row.removed_at = Some(now);
                row.next_at = None;
            }
            ScheduleChange::Tick(tick) => self.tick(&mut row, tick, now),
            ScheduleChange::Pause { by, .. } => row.paused = wish(by),
            ScheduleChange::Resume { by, next_at, .. } => {
                row.paused = None;
                row.resumed = wish(by);
                row.next_at = *next_at;
            }
            ScheduleChange::Trigger { by, run, .. } => self.trigger(&mut row, wish(by), run, now),
        }
        row.revision += 1;
        row.updated_at = now;
        self.schedules.put(row.name.clone(), row);
    }

    fn tick(&mut self, row: &mut ScheduleRow, tick: &Tick, now: Timestamp) {
        for (at, new) in &tick.starts {
            row.last_tick = Some(*at);
            match self.start(new, now) {
                Outcome::Existing { run, .. } => row.last_run = Some(run),
                _ => {
                    row.last_run = Some(new.id);
                    row.started += 1;
                }
            }
        }
        row.skipped += tick.skipped;
        row.missed += tick.missed;
        row.next_at = tick.next_at;
    }

    fn trigger(&mut self, row: &mut ScheduleRow, wish: Option<Wish>, run: &NewRun, now: Timestamp) {
        self.start(run, now);
        row.triggered = wish;
        row.last_run = Some(run.id);
        row.triggers += 1;
    }

    /// What its runs are started with may change while it keeps its time.
    fn keep_input(&mut self, declaration: &Declaration) {
        let Some(mut row) = self.schedules.get(&declaration.name).cloned() else {
            return;
        };
        row.input = declaration.input.clone();
        self.schedules.put(row.name.clone(), row);
    }
}

fn is_same(row: &ScheduleRow, wanted: &Declaration) -> bool {
    row.workflow == wanted.workflow && row.spec == wanted.spec
}

fn declare(row: &mut ScheduleRow, declaration: &Declaration) {
    row.workflow.clone_from(&declaration.workflow);
    row.spec = declaration.spec.clone();
    row.input = declaration.input.clone();
    row.next_at = declaration.next_at;
    row.removed_at = None;
}

fn fresh(declaration: &Declaration, now: Timestamp) -> ScheduleRow {
    ScheduleRow {
        name: declaration.name.clone(),
        workflow: declaration.workflow.clone(),
        spec: declaration.spec.clone(),
        input: declaration.input.clone(),
        revision: 0,
        next_at: declaration.next_at,
        paused: None,
        resumed: None,
        triggered: None,
        removed_at: None,
        running: false,
        last_tick: None,
        last_run: None,
        started: 0,
        skipped: 0,
        missed: 0,
        triggers: 0,
        created_at: now,
        updated_at: now,
    }
}
