//! `/api/workflows`: runs of workflows, as a list, one by one, and what can be asked of them.

pub(super) mod command;
pub(super) mod definitions;
pub(super) mod events;
pub(super) mod list;
mod render;
pub(super) mod show;

use lumina_workflow::RunId;

use super::error::ApiError;

/// What is no id names no workflow.
fn read_id(text: &str) -> Result<RunId, ApiError> {
    let shown: String = text.chars().take(64).collect();
    text.parse().map_err(|_| ApiError::no_workflow(&shown))
}
