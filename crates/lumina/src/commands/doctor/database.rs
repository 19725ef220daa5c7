//! The database: whether it can be read, fits this program, is whole, and is worked with.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lumina_workflow::Runtime;
use lumina_workflow_sqlite::{Look, MigrateError, OpenError};

use super::super::composition;
use super::file;
use super::report::Check;
use crate::app::{SCHEMA_OWNER, scripts};
use crate::config::Config;
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
    /// The process that executes it.
    pub executor: Option<u32>,
}

pub(super) fn look(config: &Config, runtime: &Arc<dyn Runtime>) -> Looked {
    let Some(path) = config.database.sqlite_path() else {
        return alone(
            Check::problem("database", "PostgreSQL is not supported yet")
                .next("export DATABASE_URL=sqlite:./lumina.db", "a file of SQLite's"),
        );
    };
    if !path.exists() {
        return alone(
            Check::warning("database", format!("there is no file {} yet", path.display()))
                .next("lumina serve", "makes it, as does `lumina import FILE`"),
        );
    }
    match Look::at(path, |look| look_at(look, path, config, runtime)) {
        Ok(looked) => looked,
        Err(error) => alone(unreadable(&error)),
    }
}

fn alone(check: Check) -> Looked {
    Looked {
        checks: vec![check],
        found: None,
    }
}

fn unreadable(error: &OpenError) -> Check {
    Check::problem("database", error.to_string()).next("lumina config print", "whether database.url is right")
}

fn look_at(look: &mut Look, path: &Path, config: &Config, runtime: &Arc<dyn Runtime>) -> Looked {
    let executor = look.executor();
    let mut looked = match look.missing_scripts(SCHEMA_OWNER, &scripts()) {
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
            checks: vec![check_people(config, path, &found.checkup)],
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
        executor: look.executor(),
    })
}

/// Invented people never meet real addresses.
fn check_people(config: &Config, path: &Path, checkup: &Checkup) -> Check {
    const NAME: &str = "database";
    let wanted = composition::people(config).as_str();
    match &checkup.people {
        Some(people) if people != wanted => Check::problem(
            NAME,
            format!(
                "{} holds {people} people, and the configured provider knows {wanted} ones",
                path.display()
            ),
        )
        .next(
            "lumina config print",
            "whether database.url and fullenrich.base_url belong together",
        ),
        Some(people) => Check::ok(NAME, format!("{}, with {people} people", file::describe(path))),
        None => Check::ok(NAME, format!("{}, with nobody in it", file::describe(path))),
    }
}

fn check_refusal(error: &MigrateError) -> Check {
    let next = match error {
        MigrateError::Newer { .. } => (
            "lumina --version",
            "which version this is: an older one than wrote the file",
        ),
        _ => ("lumina config print", "whether database.url is right"),
    };
    Check::problem("database", error.to_string()).next(next.0, next.1)
}

fn check_schema(missing: &[String]) -> Check {
    const NAME: &str = "schema";
    if missing.is_empty() {
        let last = scripts().last().map_or("none", |script| script.name);
        return Check::ok(NAME, format!("up to date ({SCHEMA_OWNER}/{last})"));
    }
    let told = format!(
        "of an older version: {} would be applied, and the rest is not looked at",
        missing.join(", ")
    );
    Check::warning(NAME, told).next("lumina serve", "brings it up to date at its start, as any command does")
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
    const NAME: &str = "executor";
    match executor {
        Some(pid) => Check::ok(NAME, format!("process {pid} works with it")),
        None => Check::warning(
            NAME,
            "nobody: no `lumina serve` or `lumina worker` runs on it, so nothing is looked up",
        )
        .next("lumina serve", "looks up what is pending, and takes answers"),
    }
}
