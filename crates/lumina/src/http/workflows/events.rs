//! Events by hand: `POST /api/workflows/{id}/events/{name}`, and those that no workflow has claimed under
//! `/api/events/unrouted`.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use http::Uri;
use jiff::Timestamp;
use lumina_workflow::store::{Delivery, InboxQuery};
use lumina_workflow::{NewEvent, PAYLOAD_HARD_LIMIT, Payload, StoredEvent};
use serde::Serialize;

use super::command::read_who;
use super::read_id;
use crate::http::body::receive;
use crate::http::cursor;
use crate::http::error::{ApiError, ErrorCode};
use crate::http::patience::commit;
use crate::http::query::{Named, Parameters};
use crate::http::state::HttpState;

/// How many events a page has unless another number is asked for.
const PAGE: usize = 50;

/// The longest page. An event has up to 1 MiB.
const MAX_PAGE: usize = 200;

/// What became of an event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Sent {
    event_id: String,
    /// `routed`; `unrouted` when the workflow has ended; `duplicate` when the id was known.
    delivery: &'static str,
}

/// Sends an event to a workflow. The body is its JSON, and may be empty; `key` is its key, `id` its id: the same id again
/// is the same event.
pub(in crate::http) async fn emit(
    State(state): State<HttpState>,
    Path((id, name)): Path<(String, String)>,
    uri: Uri,
    body: Body,
) -> Result<Json<Sent>, ApiError> {
    let parameters = Parameters::read(&uri, &["by", "id", "key"])?;
    let (run, by) = (read_id(&id)?, read_who(&parameters)?);
    let received = receive(&state, body, PAYLOAD_HARD_LIMIT, &mut 0).await?;
    let payload = read_payload(&received.bytes)?;
    let engine = &state.app.engine;
    engine.run(run).await?.ok_or_else(|| ApiError::no_workflow(&id))?;
    let new_id = || format!("by-hand/{}", state.app.context.runtime.new_id());
    let event_id = parameters.get("id").map_or_else(new_id, str::to_owned);
    let mut event = NewEvent::new(event_id.clone(), run, name, payload).sent_by(by);
    event.key = parameters.get("key").map(str::to_owned);
    let delivery = match commit(&state, engine.emit(event)).await? {
        Delivery::Routed(_) => "routed",
        Delivery::Unrouted => "unrouted",
        Delivery::Duplicate => "duplicate",
    };
    Ok(Json(Sent { event_id, delivery }))
}

fn read_payload(bytes: &[u8]) -> Result<Payload, ApiError> {
    if bytes.is_empty() {
        return Ok(Payload::null());
    }
    let value: serde_json::Value = serde_json::from_slice(bytes)
        .map_err(|error| ApiError::invalid_payload("body", format!("it is no JSON: {error}")))?;
    Payload::encode(&value).map_err(|error| ApiError::invalid_payload("body", error))
}

/// An event that no workflow has claimed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UnroutedEvent {
    /// What it is called here.
    number: u64,
    id: String,
    /// The workflow or the correlation key that it is for.
    target: String,
    name: String,
    key: Option<String>,
    payload: Payload,
    received_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
}

impl UnroutedEvent {
    fn of(event: StoredEvent) -> Self {
        Self {
            number: event.seq,
            id: event.id,
            target: event.target.to_string(),
            name: event.name,
            key: event.key,
            payload: event.payload,
            received_at: event.received_at,
            by: event.by,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Unrouted {
    events: Vec<UnroutedEvent>,
    next_cursor: Option<String>,
}

/// Events that no workflow has claimed, oldest first, at most `limit`, after `cursor`. `nextCursor` is null on the last page.
pub(in crate::http) async fn list(State(state): State<HttpState>, uri: Uri) -> Result<Json<Unrouted>, ApiError> {
    let parameters = Parameters::read(&uri, &["limit", "cursor"])?;
    let limit = parameters.number("limit", 1..=MAX_PAGE, PAGE)?;
    let after = parameters.get("cursor").map_or(Ok(0), cursor::read_place)?;
    let query = InboxQuery {
        run: None,
        after,
        limit: limit + 1,
    };
    let mut events = state.app.engine.inbox(query).await?.events;
    let more = events.len() > limit;
    events.truncate(limit);
    let last = events.last().map(|event| event.seq).filter(|_| more);
    Ok(Json(Unrouted {
        events: events.into_iter().map(UnroutedEvent::of).collect(),
        next_cursor: last.map(cursor::of_place),
    }))
}

/// What was done with an event.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Handled {
    number: u64,
}

/// Gives an event to the workflow `to`. 404 when there is no such event or workflow, 409 when the workflow has ended.
pub(in crate::http) async fn route(
    State(state): State<HttpState>,
    Named(number): Named,
    uri: Uri,
) -> Result<Json<Handled>, ApiError> {
    let parameters = Parameters::read(&uri, &["by", "to"])?;
    let (number, by) = (read_number(&number)?, read_who(&parameters)?);
    let to = parameters.get("to");
    let to = read_id(to.ok_or_else(|| ApiError::invalid_query("to", "it must name the workflow"))?)?;
    commit(&state, state.app.engine.reroute(number, to, &by)).await?;
    Ok(Json(Handled { number }))
}

/// Deletes an event. 404 when there is none.
pub(in crate::http) async fn discard(
    State(state): State<HttpState>,
    Named(number): Named,
    uri: Uri,
) -> Result<Json<Handled>, ApiError> {
    let by = read_who(&Parameters::read(&uri, &["by"])?)?;
    let number = read_number(&number)?;
    commit(&state, state.app.engine.discard(number, &by)).await?;
    Ok(Json(Handled { number }))
}

/// What is no number names no event.
fn read_number(text: &str) -> Result<u64, ApiError> {
    let shown: String = text.chars().take(20).collect();
    let number = text.parse().ok().filter(|number| i64::try_from(*number).is_ok());
    number.ok_or_else(|| ApiError::new(ErrorCode::NotFound, format!("there is no unrouted event {shown}")))
}
