//! Does the code of this program fit the runs that are open?

use std::process::ExitCode;

use lumina_workflow::{MisfitKind, Misfitting};
use serde_json::json;

use super::super::Global;
use super::super::output::{print_json, print_line, table};
use crate::app::App;

pub(super) async fn check(global: &Global, app: &App) -> anyhow::Result<ExitCode> {
    let report = app.engine.check().await?;
    let code = match report.misfits.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    };
    if global.json {
        let misfits: Vec<_> = report.misfits.iter().map(to_json).collect();
        print_json(&json!({ "checked": report.checked, "misfits": misfits }))?;
        return Ok(code);
    }
    if report.misfits.is_empty() {
        print_line(&format!(
            "All {} open runs fit this program's workflows.",
            report.checked
        ))?;
        return Ok(code);
    }
    let mut table = table(&["run", "workflow", "how", "what differs"]);
    for misfit in &report.misfits {
        let how = word(misfit.kind);
        table.add_row([&misfit.run.to_string(), &misfit.workflow, how, misfit.reason.as_str()]);
    }
    print_line(&table.to_string())?;
    let count = report.misfits.len();
    print_line(&format!(
        "{count} of {} open runs would be blocked: let them end first, keep the old way for them with `run.patched`, or restart them.",
        report.checked
    ))?;
    Ok(code)
}

fn word(kind: MisfitKind) -> &'static str {
    match kind {
        MisfitKind::Moved => "moved",
        MisfitKind::Vanished => "vanished",
        MisfitKind::Appeared => "appeared",
        MisfitKind::Other => "other",
    }
}

fn to_json(misfit: &Misfitting) -> serde_json::Value {
    json!({
        "workflowId": misfit.run, "workflow": misfit.workflow, "kind": word(misfit.kind), "reason": misfit.reason,
    })
}
