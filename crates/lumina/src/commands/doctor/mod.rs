//! `lumina doctor`: whether everything is well that lookups depend on, and what to type where it is not.
//!
//! It changes nothing: the database is looked at beside whoever works with it, and not made where it is missing.

use std::process::ExitCode;
use std::sync::Arc;

use lumina_workflow::{Runtime, TokioRuntime};

use super::{Global, start};
use crate::config::{Config, ConfigError, Severity};

mod callback;
mod database;
mod file;
mod pipeline;
mod provider;
mod report;
mod server;

use report::{Check, Report};

pub(super) fn run(global: &Global) -> anyhow::Result<ExitCode> {
    match Config::load(super::sources(global)?) {
        Ok(config) => start(&config, examine(global, &config)),
        Err(error) => conclude(global, vec![check_unreadable(&error)]),
    }
}

async fn examine(global: &Global, config: &Config) -> anyhow::Result<ExitCode> {
    let runtime: Arc<dyn Runtime> = Arc::new(TokioRuntime::current());
    let mut checks = vec![check_configuration(config)];
    let database = database::look(config, &runtime).await;
    let (of_provider, balance) = provider::check(config, &runtime).await;
    checks.extend(of_provider);
    checks.push(callback::check(config));
    checks.extend(database.checks);
    if let Some(found) = &database.found {
        checks.extend(pipeline::check(config, found, balance, runtime.now()));
    }
    conclude(global, checks)
}

fn conclude(global: &Global, checks: Vec<Check>) -> anyhow::Result<ExitCode> {
    let report = Report::of(checks);
    report.print(global.json)?;
    Ok(match report.has_problem() {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    })
}

/// Without a configuration there is nothing else to look at.
fn check_unreadable(error: &ConfigError) -> Check {
    let told: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
    let next = "every mistake in it, by key";
    Check::problem("configuration", told.join("; ")).next("lumina config check", next)
}

fn check_configuration(config: &Config) -> Check {
    const NAME: &str = "configuration";
    let findings = config.check();
    let Some(first) = findings.first() else {
        return Check::ok(NAME, "sound");
    };
    let more = match findings.len() - 1 {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let told = format!("{}: {}{more}", first.key, first.message);
    let check = match first.severity {
        Severity::Error => Check::problem(NAME, told),
        Severity::Warning => Check::warning(NAME, told),
    };
    check.next("lumina config check", "all that is wrong or risky")
}
