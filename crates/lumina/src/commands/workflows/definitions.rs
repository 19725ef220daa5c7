//! Workflows and their steps.

use anyhow::bail;
use lumina_workflow::{DefinitionInfo, Matching, Step};

use super::super::Global;
use super::super::output::{or_dash, print_json, print_line, table};

pub(super) fn list(global: &Global, definitions: &[DefinitionInfo]) -> anyhow::Result<()> {
    if definitions.is_empty() {
        bail!("no workflow is registered");
    }
    if global.json {
        let all: Vec<_> = definitions.iter().map(definition_json).collect();
        return print_json(&all);
    }
    for definition in definitions {
        print_line(&format!("{} ({})", definition.name, definition.hash))?;
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
        print_line(&table.to_string())?;
    }
    Ok(())
}

fn definition_json(definition: &DefinitionInfo) -> serde_json::Value {
    let steps: Vec<_> = definition
        .steps
        .iter()
        .map(|(step, timeout)| {
            serde_json::json!({
                "name": step.name, "kind": step.kind, "event": step.event, "events": step.event_names().collect::<Vec<_>>(), "timeoutMs": timeout.map(|t| t.as_millis()),
                "attempts": step.retry.attempts, "backoff": format!("{:?}", step.retry.backoff).to_lowercase(),
                "firstDelay": step.retry.first, "codes": step.retry.codes,
            })
        })
        .collect();
    serde_json::json!({ "name": definition.name, "hash": definition.hash.to_string(), "steps": steps })
}

fn events(step: &Step) -> String {
    let between = match step.matching {
        Matching::Any => " or ",
        Matching::One | Matching::All => " and ",
    };
    step.event_names().collect::<Vec<_>>().join(between)
}
