//! What was found, in a table or as JSON.

use serde::Serialize;

use super::super::output::{keep_whole, print_json, print_line, table};

/// How something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// Well.
    Ok,
    /// It works, and somebody should know.
    Warning,
    /// Lookups do not go on, or something is about to be lost.
    Problem,
    /// It could not be looked at, for a reason that another check tells.
    Unknown,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Unknown => "unknown",
        }
    }
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    pub name: &'static str,
    pub state: State,
    pub found: String,
    /// What to type next, where something is not well.
    pub next: Option<Next>,
}

/// A command, and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Next {
    pub command: String,
    pub why: String,
}

impl Check {
    fn new(name: &'static str, state: State, found: impl Into<String>) -> Self {
        Self {
            name,
            state,
            found: found.into(),
            next: None,
        }
    }

    pub fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Ok, found)
    }

    pub fn warning(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Warning, found)
    }

    pub fn problem(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Problem, found)
    }

    pub fn unknown(name: &'static str, found: impl Into<String>) -> Self {
        Self::new(name, State::Unknown, found)
    }

    pub fn next(mut self, command: impl Into<String>, why: impl Into<String>) -> Self {
        self.next = Some(Next {
            command: command.into(),
            why: why.into(),
        });
        self
    }
}

/// All that was looked at.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    ok: bool,
    problems: usize,
    warnings: usize,
    checks: Vec<Check>,
}

impl Report {
    pub fn of(checks: Vec<Check>) -> Self {
        let count = |state| checks.iter().filter(|check| check.state == state).count();
        let problems = count(State::Problem);
        Self {
            ok: problems == 0,
            problems,
            warnings: count(State::Warning),
            checks,
        }
    }

    pub fn has_problem(&self) -> bool {
        !self.ok
    }

    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        if json {
            return print_json(self);
        }
        print_line(&self.render())?;
        print_line(&self.summarize())
    }

    fn render(&self) -> String {
        let mut table = table(&["state", "check", "found"]);
        for check in &self.checks {
            table.add_row([check.state.as_str(), check.name, &check.found]);
            if let Some(Next { command, why }) = &check.next {
                table.add_row(["", "", &format!("Next: {command}  ({why})")]);
            }
        }
        keep_whole(&mut table, &[0, 1]);
        table.to_string()
    }

    fn summarize(&self) -> String {
        match (self.problems, self.warnings) {
            (0, 0) => "All is well.".to_owned(),
            (problems, warnings) => format!("Problems: {problems}. Warnings: {warnings}."),
        }
    }
}
