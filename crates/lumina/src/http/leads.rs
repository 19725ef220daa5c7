//! `GET /api/leads`: the best first, page by page.

use axum::Json;
use axum::extract::State;
use http::Uri;
use serde::Serialize;

use super::cursor;
use super::error::ApiError;
use super::query::Parameters;
use super::state::HttpState;
use crate::records::{Lead, LeadQuery};

/// How many leads a page has unless another number is asked for.
const PAGE: usize = 50;

/// The longest page: some 500 KiB.
const MAX_PAGE: usize = 500;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Leads {
    leads: Vec<Lead>,
    next_cursor: Option<String>,
}

/// Leads from `minScore` (0 to 100) on, at most `limit`, after `cursor`. `nextCursor` is null on the last page.
pub(super) async fn list(State(state): State<HttpState>, uri: Uri) -> Result<Json<Leads>, ApiError> {
    let parameters = Parameters::read(&uri, &["minScore", "limit", "cursor"])?;
    let limit = parameters.number("limit", 1..=MAX_PAGE, PAGE)?;
    let query = LeadQuery {
        min_score: parameters.number("minScore", 0..=100, 0)?,
        after: parameters.get("cursor").map(cursor::read_lead).transpose()?,
        // One more says whether there is another page.
        limit: limit + 1,
    };
    let mut leads = state.app.records.leads(query).await?;
    let has_more = leads.len() > limit;
    leads.truncate(limit);
    let last = leads.last().filter(|_| has_more);
    let next_cursor = last.map(|lead| cursor::of_lead(lead.icp_score, lead.id));
    Ok(Json(Leads { leads, next_cursor }))
}
