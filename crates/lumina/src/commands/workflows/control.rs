//! Commands to runs.

use lumina_workflow::{MayRepeat, RestartFrom, RunId};
use serde_json::json;

use super::super::Global;
use super::super::output::{print_json, print_line};
use super::who;
use crate::app::App;

pub(super) async fn cancel(global: &Global, app: &App, id: RunId) -> anyhow::Result<()> {
    let first = app.engine.cancel(id, &who()).await?;
    let told = match first {
        true => "The run is being cancelled.",
        false => "The run was being ended already.",
    };
    tell(global, id, first, told)
}

pub(super) async fn pause(global: &Global, app: &App, id: RunId) -> anyhow::Result<()> {
    let first = app.engine.pause(id, &who()).await?;
    let told = match first {
        true => "The run is paused as soon as what it does now has ended.",
        false => "The run was asked to pause, or to end, already.",
    };
    tell(global, id, first, told)
}

pub(super) async fn resume(global: &Global, app: &App, id: RunId) -> anyhow::Result<()> {
    let effective = app.engine.resume(id, &who()).await?;
    tell(global, id, effective, "The run goes on.")
}

pub(super) async fn retry(global: &Global, app: &App, id: RunId, may_repeat: MayRepeat) -> anyhow::Result<()> {
    let effective = app.engine.retry(id, &who(), may_repeat).await.map_err(explain)?;
    tell(global, id, effective, "The run is tried again.")
}

pub(super) async fn restart(
    global: &Global,
    app: &App,
    id: RunId,
    from: &RestartFrom,
    may_repeat: MayRepeat,
) -> anyhow::Result<()> {
    let effective = app
        .engine
        .restart(id, from, &who(), may_repeat)
        .await
        .map_err(explain)?;
    tell(global, id, effective, "The run is done again from there.")
}

/// How the command line says it.
fn explain(error: lumina_workflow::EngineError) -> anyhow::Error {
    match &error {
        lumina_workflow::EngineError::WouldRepeat { .. } => {
            let told = error.to_string();
            anyhow::anyhow!("{told}: add --may-repeat-effects")
        }
        _ => error.into(),
    }
}

fn tell(global: &Global, id: RunId, effective: bool, told: &str) -> anyhow::Result<()> {
    match global.json {
        true => print_json(&json!({ "workflowId": id, "effective": effective })),
        false => print_line(told),
    }
}
