//! One run with its timeline.

use anyhow::Context as _;
use lumina_workflow::store::{RunRow, StoredRecord};
use lumina_workflow::{RunId, Seq};

use super::super::Global;
use super::super::output::{print_json, print_line};
use super::list::{tell, to_json};
use super::timeline;
use crate::app::App;

/// How much of a history is read at once.
const PAGE: usize = 1_000;

pub(super) async fn show(global: &Global, app: &App, id: RunId) -> anyhow::Result<()> {
    let run = app
        .engine
        .run(id)
        .await?
        .with_context(|| format!("there is no run {id}"))?;
    let history = read(app, id).await?;
    if global.json {
        let records = history.iter().map(to_json_record);
        let mut shown = to_json(&run);
        shown["history"] = records.collect();
        return print_json(&shown);
    }
    print_line(&format!("{} {} {}", run.workflow, run.id, run.status))?;
    for line in facts(&run) {
        print_line(&line)?;
    }
    print_line("")?;
    print_line(&timeline::render(&history))
}

async fn read(app: &App, id: RunId) -> anyhow::Result<Vec<StoredRecord>> {
    let mut all: Vec<StoredRecord> = Vec::new();
    loop {
        let after = all.last().map_or(Seq(0), |stored| stored.seq);
        let page = app.engine.history(id, after, PAGE).await?;
        let full = page.len() == PAGE;
        all.extend(page);
        if !full {
            return Ok(all);
        }
    }
}

fn facts(run: &RunRow) -> Vec<String> {
    let time = |at: &jiff::Timestamp| at.strftime("%Y-%m-%d %H:%M:%S").to_string();
    let mut facts = vec![format!("started {} UTC", time(&run.created_at))];
    facts.extend(run.finished_at.as_ref().map(|at| format!("ended {}", time(at))));
    facts.extend(
        run.due_at
            .as_ref()
            .map(|at| format!("goes on by itself at {}", time(at))),
    );
    facts.extend(run.parent.map(|parent| format!("started by run {parent}")));
    facts.extend(run.flow_key.as_ref().map(|key| format!("takes the turn of {key}")));
    if run.buffered > 0 {
        facts.push(format!("{} events in its inbox", run.buffered));
    }
    facts.extend(tell(run));
    facts
}

fn to_json_record(stored: &StoredRecord) -> serde_json::Value {
    let (record, row) = (&stored.record, stored.record.what.to_row());
    let detail = row.detail.as_deref().map(serde_json::from_str::<serde_json::Value>);
    serde_json::json!({
        "seq": stored.seq, "phase": record.phase,
        "step": record.step.as_ref().map(|step| &step.name), "key": record.step.as_ref().map(|step| step.key.to_string()),
        "what": row.what, "attempt": row.attempt, "payload": row.payload, "detail": detail.and_then(Result::ok),
        "startedAt": record.started_at, "endedAt": record.ended_at, "worker": record.worker, "epoch": record.epoch,
        "superseded": stored.superseded,
    })
}
