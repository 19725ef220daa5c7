//! `GET /api/workflows`: newest first, page by page.

use axum::Json;
use axum::extract::State;
use http::Uri;
use lumina_workflow::RunId;
use lumina_workflow::store::{RunQuery, RunStatus};
use serde::Serialize;

use super::render::WorkflowLine;
use crate::http::cursor;
use crate::http::error::ApiError;
use crate::http::query::Parameters;
use crate::http::state::HttpState;
use crate::workflows::HOUSEKEEPING;

/// How many workflows a page has unless another number is asked for.
const PAGE: usize = 50;

/// The longest page. A row is read with its input and output, which have up to 1 MiB each.
const MAX_PAGE: usize = 500;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Workflows {
    workflows: Vec<WorkflowLine>,
    next_cursor: Option<String>,
}

/// Workflows with one of the statuses in `status` (separated by commas), of the definition `workflow`, with
/// `throttled=true` only those that wait for a limit, at most `limit`,
/// after `cursor`. `nextCursor` is null on the last page. Those of housekeeping are left out unless `housekeeping` is
/// `true`, or `workflow` names one of theirs.
pub(in crate::http) async fn list(State(state): State<HttpState>, uri: Uri) -> Result<Json<Workflows>, ApiError> {
    let parameters = Parameters::read(
        &uri,
        &["status", "workflow", "housekeeping", "throttled", "limit", "cursor"],
    )?;
    let workflow = parameters.get("workflow").map(str::to_owned);
    let housekeeping = workflow.is_some() || parameters.flag("housekeeping")?;
    let query = RunQuery {
        workflow,
        without: if housekeeping {
            Vec::new()
        } else {
            HOUSEKEEPING.map(str::to_owned).into()
        },
        statuses: parameters.get("status").map_or(Ok(Vec::new()), read_statuses)?,
        throttled: parameters.flag("throttled")?,
        before: parameters
            .get("cursor")
            .map(cursor::read_workflow)
            .transpose()?
            .map(RunId),
        limit: parameters.number("limit", 1..=MAX_PAGE, PAGE)?,
        ..RunQuery::default()
    };
    let page = state.app.engine.runs(query).await?;
    Ok(Json(Workflows {
        workflows: page.items.iter().map(WorkflowLine::of).collect(),
        next_cursor: page.next.map(|run| cursor::of_workflow(run.0)),
    }))
}

fn read_statuses(text: &str) -> Result<Vec<RunStatus>, ApiError> {
    let read = |word: &str| {
        RunStatus::parse(word.trim()).ok_or_else(|| {
            let words: Vec<_> = RunStatus::ALL.into_iter().map(RunStatus::as_str).collect();
            ApiError::invalid_query("status", format!("it must be among {}", words.join(", ")))
        })
    };
    text.split(',').map(read).collect()
}
