//! The form of an upload.

use std::future::Future;
use std::time::Duration;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use http::StatusCode;
use lumina_enrichment::subscriber::tidy_source;

use super::file::FinishedFile;
use crate::http::error::ApiError;
use crate::http::patience::within;
use crate::http::state::HttpState;

/// How long the next part of a file may take to come. A whole upload may take as long as it needs.
const PART_DEADLINE: Duration = Duration::from_secs(30);

/// No value of a field is longer; a file is no value.
const MAX_VALUE_BYTES: usize = 64;

/// The source of a file without a name.
const NAMELESS: &str = "upload";

/// What was uploaded.
pub(super) struct UploadForm {
    pub file: FinishedFile,
    /// Where its subscribers come from: its name.
    pub source: String,
    /// Whether its people are looked up, when somebody said so.
    pub enrich: Option<bool>,
    /// At most so many lookups.
    pub limit: Option<u64>,
}

/// The form as far as it has come.
#[derive(Default)]
struct Parts {
    file: Option<(FinishedFile, String)>,
    enrich: Option<bool>,
    limit: Option<u64>,
}

impl UploadForm {
    /// Receives the form; the file goes to disk as it comes.
    pub async fn read(state: &HttpState, request: Request) -> Result<Self, ApiError> {
        let form = Multipart::from_request(request, &()).await;
        let mut form = form.map_err(|_| {
            ApiError::invalid_payload(
                "body",
                "it must be a form: send it as multipart/form-data, such as curl -F does",
            )
        })?;
        let mut parts = Parts::default();
        while let Some(field) = timely(state, form.next_field()).await? {
            parts.take(state, field).await?;
        }
        let missing = || ApiError::invalid_payload("file", "it is missing; send the file in a field of this name");
        let (file, source) = parts.file.ok_or_else(missing)?;
        Ok(Self {
            file,
            source,
            enrich: parts.enrich,
            limit: parts.limit,
        })
    }
}

impl Parts {
    async fn take(&mut self, state: &HttpState, field: Field<'_>) -> Result<(), ApiError> {
        let name: String = field.name().unwrap_or_default().chars().take(MAX_VALUE_BYTES).collect();
        let twice = || ApiError::invalid_payload(&name, "it is given twice");
        match name.as_str() {
            "file" if self.file.is_none() => self.file = Some(save(state, field).await?),
            "enrich" if self.enrich.is_none() => self.enrich = Some(read_enrich(&value(state, field).await?)?),
            "limit" if self.limit.is_none() => self.limit = Some(read_limit(&value(state, field).await?)?),
            "file" | "enrich" | "limit" => return Err(twice()),
            // A misspelt limit that is passed over would be none.
            _ => {
                let problem = "there is no such field; there are file, enrich and limit";
                return Err(ApiError::invalid_payload(&name, problem));
            }
        }
        Ok(())
    }
}

async fn save(state: &HttpState, mut field: Field<'_>) -> Result<(FinishedFile, String), ApiError> {
    let source = field
        .file_name()
        .and_then(tidy_source)
        .unwrap_or_else(|| NAMELESS.to_owned());
    let mut file = state.upload_folder.create(state.app.context.runtime.new_id()).await?;
    while let Some(chunk) = timely(state, field.chunk()).await? {
        file.write(&chunk, state.settings.limits.upload).await?;
    }
    Ok((file.finish().await?, source))
}

async fn value(state: &HttpState, mut field: Field<'_>) -> Result<String, ApiError> {
    let name = field.name().unwrap_or_default().to_owned();
    let mut bytes = Vec::new();
    while let Some(chunk) = timely(state, field.chunk()).await? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_VALUE_BYTES {
            return Err(ApiError::invalid_payload(&name, "it is too long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| ApiError::invalid_payload(&name, "it is no text"))
}

fn read_enrich(value: &str) -> Result<bool, ApiError> {
    match value.trim() {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(ApiError::invalid_payload("enrich", "it must be yes or no")),
    }
}

fn read_limit(value: &str) -> Result<u64, ApiError> {
    let problem = "it must be a whole number: how many lookups may be bought at most";
    let limit = value.trim().parse();
    limit.map_err(|_| ApiError::invalid_payload("limit", problem))
}

async fn timely<T>(state: &HttpState, coming: impl Future<Output = Result<T, MultipartError>>) -> Result<T, ApiError> {
    let come = within(&*state.app.context.runtime, PART_DEADLINE, coming).await;
    let come = come.ok_or_else(ApiError::too_slow)?;
    come.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::too_large(state.settings.limits.upload),
        _ => ApiError::invalid_payload("body", "it is no complete form; send it again"),
    })
}
