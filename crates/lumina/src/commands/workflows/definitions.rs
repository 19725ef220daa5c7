//! `lumina workflows definitions`: workflows as they are declared, and as a whole.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::{Args, Subcommand};
use lumina_workflow::store::{FlowQuery, FlowRow, Stamp};
use lumina_workflow::{DefinitionInfo, FlowLimits, Matching, Rate, Step};
use serde_json::{Value, json};

use super::super::Global;
use super::super::output::{or_dash, print_json, print_line, table};
use super::who;
use crate::app::App;

#[derive(Args)]
pub(super) struct DefinitionsArgs {
    #[command(subcommand)]
    command: Option<DefinitionsCommand>,
}

#[derive(Subcommand)]
enum DefinitionsCommand {
    /// Stops a whole workflow: none of its runs begins or goes on until it is resumed.
    Pause {
        /// The workflow's name.
        name: String,
    },
    /// Lets a paused workflow go on.
    Resume {
        /// The workflow's name.
        name: String,
    },
}

/// More workflows than this are not registered.
const COUNTERS: usize = 10_000;

pub(super) async fn run(global: &Global, app: &App, args: &DefinitionsArgs) -> anyhow::Result<()> {
    match &args.command {
        None => show(global, app).await,
        Some(DefinitionsCommand::Pause { name }) => {
            check_name(app, name)?;
            let first = app.engine.pause_workflow(name, &who()).await?;
            print_line(if first {
                "The workflow is paused. What is being executed goes on until it waits or ends."
            } else {
                "The workflow was paused already."
            })
        }
        Some(DefinitionsCommand::Resume { name }) => {
            check_name(app, name)?;
            let first = app.engine.resume_workflow(name, &who()).await?;
            print_line(if first {
                "The workflow goes on."
            } else {
                "The workflow was not paused."
            })
        }
    }
}

fn check_name(app: &App, name: &str) -> anyhow::Result<()> {
    let names: Vec<_> = app.engine.definitions().iter().map(|known| known.name).collect();
    if !names.contains(&name) {
        bail!("there is no workflow `{name}`; there are {}", names.join(", "));
    }
    Ok(())
}

async fn show(global: &Global, app: &App) -> anyhow::Result<()> {
    let definitions = app.engine.definitions();
    if definitions.is_empty() {
        bail!("no workflow is registered");
    }
    let query = FlowQuery {
        limit: COUNTERS,
        ..FlowQuery::default()
    };
    let rows = app.engine.flows(query).await?.into_iter();
    let counters: BTreeMap<String, FlowRow> = rows.map(|row| (row.workflow.clone(), row)).collect();
    if global.json {
        let all: Vec<_> = definitions
            .iter()
            .map(|definition| to_json(definition, counters.get(definition.name)))
            .collect();
        return print_json(&all);
    }
    for definition in &definitions {
        print_definition(definition, counters.get(definition.name))?;
    }
    Ok(())
}

fn print_definition(definition: &DefinitionInfo, counter: Option<&FlowRow>) -> anyhow::Result<()> {
    print_line(&format!("{} ({})", definition.name, definition.hash))?;
    if let Some(stamp) = counter.and_then(|counter| counter.paused.as_ref()) {
        let at = stamp.at.strftime("%Y-%m-%d %H:%M:%S");
        print_line(&format!("paused by {} at {at}", stamp.by))?;
    }
    let limits = tell_limits(&definition.flow);
    if let Some(counter) = counter {
        let (in_flight, throttled) = (counter.in_flight, counter.throttled);
        print_line(&format!(
            "limits: {limits}; {in_flight} in flight, {throttled} throttled"
        ))?;
    } else if !definition.flow.is_none() {
        print_line(&format!("limits: {limits}"))?;
    }
    let mut table = table(&["step", "kind", "event", "timeout", "attempts"]);
    for (step, timeout) in &definition.steps {
        table.add_row([
            step.name.to_owned(),
            step.kind.as_str().to_owned(),
            or_dash(Some(events(step)).filter(|events| !events.is_empty())),
            or_dash(timeout.map(|timeout| format!("{timeout:?}"))),
            step.retry.attempts.to_string(),
        ]);
    }
    print_line(&table.to_string())
}

/// The limits in words.
fn tell_limits(limits: &FlowLimits) -> String {
    let rate = |rate: Rate| format!("{} in {:?}", rate.runs, rate.period);
    let parts = [
        limits.in_flight.map(|runs| format!("{runs} in flight")),
        limits.in_flight_per_key.map(|runs| format!("{runs} in flight per key")),
        limits.rate.map(rate),
        limits.rate_per_key.map(|limit| format!("{} per key", rate(limit))),
    ];
    let parts: Vec<_> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        "none".to_owned()
    } else {
        parts.join(", ")
    }
}

fn to_json(definition: &DefinitionInfo, counter: Option<&FlowRow>) -> Value {
    let steps: Vec<_> = definition
        .steps
        .iter()
        .map(|(step, timeout)| {
            json!({
                "name": step.name, "kind": step.kind, "event": step.event, "events": step.event_names().collect::<Vec<_>>(), "timeoutMs": timeout.map(|t| t.as_millis()),
                "attempts": step.retry.attempts, "backoff": format!("{:?}", step.retry.backoff).to_lowercase(),
                "firstDelay": step.retry.first, "codes": step.retry.codes,
            })
        })
        .collect();
    let stamp = |stamp: &Option<Stamp>| stamp.as_ref().map(|stamp| json!({ "by": stamp.by, "at": stamp.at }));
    json!({
        "name": definition.name, "hash": definition.hash.to_string(), "steps": steps,
        "limits": limits_json(&definition.flow),
        "inFlight": counter.map_or(0, |counter| counter.in_flight),
        "throttled": counter.map_or(0, |counter| counter.throttled),
        "paused": counter.and_then(|counter| stamp(&counter.paused)),
        "resumed": counter.and_then(|counter| stamp(&counter.resumed)),
    })
}

fn limits_json(limits: &FlowLimits) -> Value {
    let rate = |rate: Rate| json!({ "runs": rate.runs, "periodMs": rate.period.as_millis() });
    json!({
        "inFlight": limits.in_flight, "inFlightPerKey": limits.in_flight_per_key,
        "rate": limits.rate.map(rate), "ratePerKey": limits.rate_per_key.map(rate),
    })
}

fn events(step: &Step) -> String {
    let between = match step.matching {
        Matching::Any => " or ",
        Matching::One | Matching::All => " and ",
    };
    step.event_names().collect::<Vec<_>>().join(between)
}
