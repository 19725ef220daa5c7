//! `GET /api/schedules`: all of them, by name.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use lumina_workflow::store::{ScheduleRow, Wish};
use lumina_workflow::{Overlap, Timing};
use serde::Serialize;
use uuid::Uuid;

use crate::http::error::ApiError;
use crate::http::state::HttpState;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::http) struct Schedules {
    schedules: Vec<ScheduleLine>,
}

/// A schedule as people read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ScheduleLine {
    name: String,
    /// The definition whose workflows it starts.
    workflow: String,
    timing: ShownTiming,
    starts_at: Option<Timestamp>,
    ends_at: Option<Timestamp>,
    overlap: Overlap,
    catch_up_seconds: f64,
    /// Null when it does not tick again.
    next_at: Option<Timestamp>,
    paused: Option<Wish>,
    resumed: Option<Wish>,
    triggered: Option<Wish>,
    /// When it was no longer declared.
    removed_at: Option<Timestamp>,
    /// Whether a workflow that it has started has not ended.
    running: bool,
    last_tick: Option<Timestamp>,
    last_workflow_id: Option<Uuid>,
    started: u64,
    skipped: u64,
    missed: u64,
    triggers: u64,
}

/// What its ticks are.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum ShownTiming {
    Every { every_seconds: f64 },
    Cron { cron: String, time_zone: String },
}

/// All schedules, removed ones as well.
pub(in crate::http) async fn list(State(state): State<HttpState>) -> Result<Json<Schedules>, ApiError> {
    let rows = state.app.engine.schedules().await?;
    let schedules = rows.into_iter().map(ScheduleLine::of).collect();
    Ok(Json(Schedules { schedules }))
}

impl ScheduleLine {
    fn of(row: ScheduleRow) -> Self {
        Self {
            name: row.name,
            workflow: row.workflow,
            timing: ShownTiming::of(row.spec.timing),
            starts_at: row.spec.start,
            ends_at: row.spec.end,
            overlap: row.spec.overlap,
            catch_up_seconds: row.spec.catch_up.as_secs_f64(),
            next_at: row.next_at,
            paused: row.paused,
            resumed: row.resumed,
            triggered: row.triggered,
            removed_at: row.removed_at,
            running: row.running,
            last_tick: row.last_tick,
            last_workflow_id: row.last_run.map(|run| run.0),
            started: row.started,
            skipped: row.skipped,
            missed: row.missed,
            triggers: row.triggers,
        }
    }
}

impl ShownTiming {
    fn of(timing: Timing) -> Self {
        match timing {
            Timing::Every { period } => Self::Every {
                every_seconds: period.as_secs_f64(),
            },
            Timing::Cron { expression, time_zone } => Self::Cron {
                cron: expression,
                time_zone,
            },
        }
    }
}
