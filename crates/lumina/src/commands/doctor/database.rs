//! The database: whether it can be read, fits this program, is whole, and is worked with.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lumina_workflow::Runtime;
use lumina_workflow_sqlite::{Look, MigrateError};

use super::super::composition;
use super::report::Check;
use super::{file, server};
use crate::config::{Config, Database};
use crate::database::{SCHEMA_OWNER, file_scripts};
use crate::moving;
use crate::records::Checkup;
use crate::records::sqlite::check_up;

/// How many lines of damage are shown.
const DAMAGE_SHOWN: u32 = 3;

/// How long the file is checked: some gigabytes. Meanwhile its log cannot be written back.
const CHECKED_FOR: Duration = Duration::from_secs(10);

/// What was found of the database itself, and what is in it.
#[derive(Default)]
pub(super) struct Looked {
    pub checks: Vec<Check>,
    /// Nothing where it cannot be read.
    pub found: Option<Found>,
}

/// What is in the database.
pub(super) struct Found {
    pub checkup: Checkup,
    /// Events that nobody has claimed, by their name.
    pub unrouted: BTreeMap<String, u64>,
    /// Runs that are blocked.
    pub blocked: u64,
    /// Whether anybody executes it.
    pub is_executed: bool,
}

pub(super) async fn look(config: &Config, runtime: &Arc<dyn Runtime>) -> Looked {
    match &config.database {
        Database::Sqlite { path } => look_at_file(path, config, runtime),
        Database::Postgres { url } => server::look(url, config, runtime).await,
    }
}

fn look_at_file(path: &Path, config: &Config, runtime: &Arc<dyn Runtime>) -> Looked {
    if !path.exists() {
        return alone(
            Check::warning("database", format!("there is no file {} yet", path.display()))
                .next("lumina serve", "makes it, as does `lumina import FILE`"),
        );
    }
    if let Some(place) = moving::find_new_place(path) {
        let moved = Check::problem("database", format!("{} was moved to {place}", path.display()));
        return alone(moved.next("lumina config print", "where database.url is set: it has to name that"));
    }
    match Look::at(path, |look| look_at(look, path, config, runtime)) {
        Ok(looked) => looked,
        Err(error) => alone(unreadable(&error)),
    }
}

pub(super) fn alone(check: Check) -> Looked {
    Looked {
        checks: vec![check],
        found: None,
    }
}

pub(super) fn unreadable(error: &dyn Display) -> Check {
    Check::problem("database", error.to_string()).next("lumina config print", "whether database.url is right")
}

fn look_at(look: &mut Look, path: &Path, config: &Config, runtime: &Arc<dyn Runtime>) -> Looked {
    let executor = look.executor();
    let mut looked = match look.missing_scripts(SCHEMA_OWNER, &file_scripts()) {
        Ok(missing) if missing.is_empty() => look_into(look, path, config, runtime),
        Ok(missing) => Looked {
            checks: vec![Check::ok("database", file::describe(path)), check_schema(&missing)],
            found: None,
        },
        Err(error) => alone(check_refusal(&error)),
    };
    looked.checks.push(check_damage(look, path, runtime));
    looked.checks.push(file::check_room(path));
    looked.checks.push(check_executor(executor));
    looked
}

/// It is as this program makes it.
fn look_into(look: &Look, path: &Path, config: &Config, runtime: &Arc<dyn Runtime>) -> Looked {
    let mut looked = match find(look, config, runtime) {
        Ok(found) => Looked {
            checks: vec![check_people(
                config,
                &path.display().to_string(),
                &file::describe(path),
                &found.checkup,
            )],
            found: Some(found),
        },
        Err(error) => alone(
            Check::problem("database", format!("{} cannot be read: {error}", path.display()))
                .next(recover(path), "saves what can be read, should a new look say the same"),
        ),
    };
    looked.checks.push(check_schema(&[]));
    looked
}

fn find(look: &Look, config: &Config, runtime: &Arc<dyn Runtime>) -> rusqlite::Result<Found> {
    let settings = composition::settings(config);
    let view = settings.view(runtime.now());
    Ok(Found {
        checkup: check_up(look.connection(), view, settings.reconcile_window)?,
        unrouted: look.unrouted()?,
        blocked: look.blocked()?,
        is_executed: look.executor().is_some(),
    })
}

/// Invented people never meet real addresses.
pub(super) fn check_people(config: &Config, name: &str, described: &str, checkup: &Checkup) -> Check {
    const NAME: &str = "database";
    let wanted = composition::people(config).as_str();
    match &checkup.people {
        Some(people) if people != wanted => Check::problem(
            NAME,
            format!("{name} holds {people} people, and the configured provider knows {wanted} ones"),
        )
        .next(
            "lumina config print",
            "whether database.url and fullenrich.base_url belong together",
        ),
        Some(people) => Check::ok(NAME, format!("{described}, with {people} people")),
        None => Check::ok(NAME, format!("{described}, with nobody in it")),
    }
}

fn check_refusal(error: &MigrateError) -> Check {
    refusal(error, matches!(error, MigrateError::Newer { .. }))
}

/// Its tables are not what this program works with.
pub(super) fn refusal(error: &dyn Display, is_newer: bool) -> Check {
    let next = match is_newer {
        true => (
            "lumina --version",
            "which version this is: an older one than made its tables",
        ),
        false => ("lumina config print", "whether database.url is right"),
    };
    Check::problem("database", error.to_string()).next(next.0, next.1)
}

fn check_schema(missing: &[String]) -> Check {
    let last = file_scripts().last().map_or("none", |script| script.name);
    schema(missing, &format!("{SCHEMA_OWNER}/{last}"))
}

/// Whether its tables are this version's, which are those.
pub(super) fn schema(missing: &[String], wanted: &str) -> Check {
    const NAME: &str = "schema";
    if missing.is_empty() {
        return Check::ok(NAME, format!("up to date ({wanted})"));
    }
    let told = format!(
        "of an older version: {} would be applied, and the rest is not looked at",
        missing.join(", ")
    );
    Check::warning(NAME, told).next(
        "lumina migrate",
        "brings it up to date, as any command does at its start",
    )
}

fn check_damage(look: &mut Look, path: &Path, runtime: &Arc<dyn Runtime>) -> Check {
    const NAME: &str = "integrity";
    let (clock, until) = (runtime.clone(), runtime.monotonic() + CHECKED_FOR);
    match look.damage(DAMAGE_SHOWN, move || clock.monotonic() > until) {
        Ok(Some(damage)) if damage.is_empty() => Check::ok(NAME, "no damage found"),
        Ok(Some(damage)) => Check::problem(NAME, format!("damaged: {}", damage.join("; "))).next(
            recover(path),
            "saves what can be read; stop `lumina serve` first, and restore a backup if there is one",
        ),
        Ok(None) => Check::ok(
            NAME,
            format!("no damage found within {CHECKED_FOR:?}; it is too large for a whole check"),
        ),
        Err(error) => {
            Check::problem(NAME, format!("it cannot be checked: {error}")).next(recover(path), "saves what can be read")
        }
    }
}

fn recover(path: &Path) -> String {
    format!("sqlite3 {} .recover > recovered.sql", path.display())
}

fn check_executor(executor: Option<u32>) -> Check {
    match executor {
        Some(pid) => Check::ok(EXECUTOR, format!("process {pid} works with it")),
        None => nobody(),
    }
}

const EXECUTOR: &str = "executor";

pub(super) fn nobody() -> Check {
    Check::warning(
        EXECUTOR,
        "nobody: no `lumina serve` or `lumina worker` runs on it, so nothing is looked up",
    )
    .next("lumina serve", "looks up what is pending, and takes answers")
}
