//! `GET /api/workflows/definitions` and `POST /api/workflows/definitions/{name}/pause` and `.../resume`: workflows as a
//! whole.

use axum::Json;
use axum::extract::State;
use http::Uri;
use jiff::Timestamp;
use lumina_workflow::store::{FlowQuery, FlowRow, Stamp};
use lumina_workflow::{DefinitionInfo, FlowLimits, Rate};
use serde::Serialize;

use super::command::read_who;
use crate::http::error::ApiError;
use crate::http::patience::commit;
use crate::http::query::{Named, Parameters};
use crate::http::state::HttpState;

/// More workflows than this are not registered.
const COUNTERS: usize = 10_000;

#[derive(Serialize)]
pub(in crate::http) struct Definitions {
    definitions: Vec<ShownDefinition>,
}

/// A workflow as a whole.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownDefinition {
    workflow: &'static str,
    hash: String,
    limits: ShownLimits,
    /// Runs that are in flight, as far as they were counted.
    in_flight: u64,
    /// Runs that a limit or a pause keeps from going on.
    throttled: u64,
    paused: Option<ShownStamp>,
    resumed: Option<ShownStamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownLimits {
    in_flight: Option<u32>,
    in_flight_per_key: Option<u32>,
    rate: Option<ShownRate>,
    rate_per_key: Option<ShownRate>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownRate {
    runs: u32,
    period_ms: u64,
}

#[derive(Serialize)]
struct ShownStamp {
    by: String,
    at: Timestamp,
}

/// What became of a wish.
#[derive(Serialize)]
pub(in crate::http) struct Steered {
    workflow: String,
    /// False when it was so already.
    effective: bool,
}

/// All workflows there are.
pub(in crate::http) async fn list(State(state): State<HttpState>) -> Result<Json<Definitions>, ApiError> {
    let engine = &state.app.engine;
    let query = FlowQuery {
        limit: COUNTERS,
        ..FlowQuery::default()
    };
    let counters = engine.flows(query).await?;
    let find = |name| counters.iter().find(|row| row.workflow == name);
    let definitions = engine.definitions();
    let shown = definitions
        .iter()
        .map(|known| ShownDefinition::of(known, find(known.name)));
    let definitions = shown.collect();
    Ok(Json(Definitions { definitions }))
}

/// Stops a workflow: none of its runs begins or goes on until it is resumed.
pub(in crate::http) async fn pause(
    State(state): State<HttpState>,
    Named(name): Named,
    uri: Uri,
) -> Result<Json<Steered>, ApiError> {
    let workflow = known(&state, name)?;
    let by = read_who(&Parameters::read(&uri, &["by"])?)?;
    let effective = commit(&state, state.app.engine.pause_workflow(&workflow, &by)).await?;
    Ok(Json(Steered { workflow, effective }))
}

/// Lets a paused workflow go on.
pub(in crate::http) async fn resume(
    State(state): State<HttpState>,
    Named(name): Named,
    uri: Uri,
) -> Result<Json<Steered>, ApiError> {
    let workflow = known(&state, name)?;
    let by = read_who(&Parameters::read(&uri, &["by"])?)?;
    let effective = commit(&state, state.app.engine.resume_workflow(&workflow, &by)).await?;
    Ok(Json(Steered { workflow, effective }))
}

fn known(state: &HttpState, name: String) -> Result<String, ApiError> {
    let mut definitions = state.app.engine.definitions().into_iter();
    let shown: String = name.chars().take(64).collect();
    match definitions.any(|known| known.name == name) {
        true => Ok(name),
        false => Err(ApiError::no_workflow(&shown)),
    }
}

impl ShownDefinition {
    fn of(definition: &DefinitionInfo, counter: Option<&FlowRow>) -> Self {
        let stamp = |stamp: &Option<Stamp>| {
            stamp.as_ref().map(|stamp| ShownStamp {
                by: stamp.by.clone(),
                at: stamp.at,
            })
        };
        Self {
            workflow: definition.name,
            hash: definition.hash.to_string(),
            limits: ShownLimits::of(&definition.flow),
            in_flight: counter.map_or(0, |counter| counter.in_flight),
            throttled: counter.map_or(0, |counter| counter.throttled),
            paused: counter.and_then(|counter| stamp(&counter.paused)),
            resumed: counter.and_then(|counter| stamp(&counter.resumed)),
        }
    }
}

impl ShownLimits {
    fn of(limits: &FlowLimits) -> Self {
        let rate = |rate: Rate| ShownRate {
            runs: rate.runs,
            period_ms: u64::try_from(rate.period.as_millis()).unwrap_or(u64::MAX),
        };
        Self {
            in_flight: limits.in_flight,
            in_flight_per_key: limits.in_flight_per_key,
            rate: limits.rate.map(rate),
            rate_per_key: limits.rate_per_key.map(rate),
        }
    }
}
