//! `GET /api/workflows/{id}`: one workflow with its history.

use axum::Json;
use axum::extract::State;
use http::Uri;
use lumina_workflow::Seq;
use serde::Serialize;

use super::read_id;
use super::render::{HistoryEntry, WorkflowPage};
use crate::http::cursor;
use crate::http::error::ApiError;
use crate::http::query::{Named, Parameters};
use crate::http::state::HttpState;

/// How many records of the history an answer has unless another number is asked for: more than a run that is called
/// back makes.
const RECORDS: usize = 200;

/// The most records of an answer. Each has a payload of up to 1 MiB, mostly of some 100 bytes.
const MAX_RECORDS: usize = 500;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Workflow {
    workflow: WorkflowPage,
    history: Vec<HistoryEntry>,
    next_cursor: Option<String>,
}

/// The workflow, and at most `limit` records of its history after `cursor`, oldest first. `nextCursor` is null when
/// there are no more.
pub(in crate::http) async fn show(
    State(state): State<HttpState>,
    Named(id): Named,
    uri: Uri,
) -> Result<Json<Workflow>, ApiError> {
    let parameters = Parameters::read(&uri, &["limit", "cursor"])?;
    let limit = parameters.number("limit", 1..=MAX_RECORDS, RECORDS)?;
    let after = parameters.get("cursor").map_or(Ok(0), cursor::read_place)?;
    let run = read_id(&id)?;
    let engine = &state.app.engine;
    let row = engine.run(run).await?.ok_or_else(|| ApiError::no_workflow(&id))?;
    let records = engine.history(run, Seq(after), limit).await?;
    let last = records.last().map_or(after, |record| record.seq.0);
    Ok(Json(Workflow {
        next_cursor: (records.len() == limit && last < row.seq.0).then(|| cursor::of_place(last)),
        workflow: WorkflowPage::of(row),
        history: records.into_iter().map(HistoryEntry::of).collect(),
    }))
}
