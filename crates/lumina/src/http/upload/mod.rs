//! `POST /api/upload`: a file of subscribers, taken in as `lumina import` does.

mod file;
mod form;

use axum::Json;
use axum::extract::{Request, State};
use lumina_intake::files::FileError;
use lumina_workflow::EngineError;
use lumina_workflow::store::StoreError;
use serde::Serialize;
use tokio::sync::oneshot;

pub(super) use file::UploadFolder;
use form::UploadForm;

use super::body::check_announced;
use super::error::ApiError;
use super::state::HttpState;
use crate::app::App;
use crate::importing::{ImportOptions, ImportSummary, import, preview};
use crate::records::ReadError;

/// Each can hold 200 MiB of disk; more than a few people do not upload at the same time.
pub(super) const UPLOADS_AT_ONCE: usize = 4;

/// More lookups than this are not bought without somebody's word.
const UNASKED_LOOKUPS: u64 = 100;

/// What a form is larger than its file: the other fields and what stands between them.
const FORM_OVERHEAD: usize = 64 * 1024;

/// How many bytes a form may have whose file may have so many.
pub(super) fn form_limit(file_limit: usize) -> usize {
    file_limit.saturating_add(FORM_OVERHEAD)
}

/// What a file brought.
#[derive(Serialize)]
pub(super) struct Uploaded {
    #[serde(flatten)]
    summary: ImportSummary,
    /// Lookups that were created.
    jobs: u64,
    /// What was not done, and how to have it done.
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

/// Takes a form with `file`, and perhaps `enrich` (`yes` or `no`) and `limit` (of lookups).
pub(super) async fn receive(State(state): State<HttpState>, request: Request) -> Result<Json<Uploaded>, ApiError> {
    state.check_intake()?;
    let seat = state.uploads.clone().try_acquire_owned();
    let seat = seat.map_err(|_| ApiError::overloaded("others are uploading; try again when they are done"))?;
    let limit = state.settings.limits.upload;
    check_announced(request.body(), form_limit(limit)).map_err(|_| ApiError::too_large(limit))?;
    let form = UploadForm::read(&state, request).await?;
    let (reply, result) = oneshot::channel();
    let app = state.app.clone();
    // A task of its own, so that a file is not left half taken in when its sender hangs up.
    state.app.context.runtime.spawn(Box::pin(async move {
        let result = take_in(&app, form).await;
        drop(seat);
        // Nobody waits for it any more when the sender has hung up.
        let _ = reply.send(result);
    }));
    let uploaded = result.await.map_err(ApiError::internal)?;
    uploaded.map(Json).map_err(|error| explain(&error))
}

async fn take_in(app: &App, form: UploadForm) -> anyhow::Result<Uploaded> {
    let mut options = ImportOptions {
        source: form.source,
        include_unsubscribed: false,
        lookups: form.limit.unwrap_or(u64::MAX),
    };
    let mut note = None;
    match form.enrich {
        Some(true) => {}
        Some(false) => options.lookups = 0,
        None => {
            let new = preview(app, form.file.path(), &options).await?.new_personal;
            let wanted = new.min(options.lookups);
            options.lookups = if wanted > UNASKED_LOOKUPS { 0 } else { wanted };
            note = (wanted > UNASKED_LOOKUPS).then(|| tell_declined(wanted));
        }
    }
    let (summary, jobs) = import(app, form.file.path(), &options, &|_| {}).await?;
    Ok(Uploaded { summary, jobs, note })
}

fn tell_declined(wanted: u64) -> String {
    format!(
        "{wanted} new personal addresses were stored without lookups, because more than {UNASKED_LOOKUPS} are bought \
         only on request: run `lumina enrich` to look them up, and send `enrich=yes` with the next file"
    )
}

/// Whose fault it was that a file was not taken in.
fn explain(error: &anyhow::Error) -> ApiError {
    for cause in error.chain() {
        if let Some(FileError::Read(_)) = cause.downcast_ref() {
            return ApiError::unavailable(cause);
        }
        if let Some(unreadable) = cause.downcast_ref::<FileError>() {
            return ApiError::invalid_payload("file", unreadable);
        }
        let known = [
            cause.downcast_ref::<EngineError>().map(ApiError::from),
            cause.downcast_ref::<StoreError>().map(ApiError::from),
            cause.downcast_ref::<ReadError>().map(ApiError::from),
        ];
        if let Some(refusal) = known.into_iter().flatten().next() {
            return refusal;
        }
    }
    ApiError::internal(format!("{error:#}"))
}
