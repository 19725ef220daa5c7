//! The bodies under `tests/golden`, written from FullEnrich's documentation.

use bytes::Bytes;
use lumina_fullenrich::{Answer, EnrichmentId, EnrichmentResult};

/// The batch that most golden bodies are about.
pub(crate) const BATCH: &str = "2db5ea61-1752-42cf-8ea1-ab1da060cd0a";

pub(crate) fn batch_id() -> EnrichmentId {
    EnrichmentId::parse(BATCH).expect("a UUID is an enrichment id")
}

pub(crate) fn body(name: &str) -> Bytes {
    let path = format!("{}/tests/golden/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path)
        .unwrap_or_else(|error| panic!("{path}: {error}"))
        .into()
}

pub(crate) fn result(name: &str) -> EnrichmentResult {
    Answer::parse(body(name))
        .unwrap_or_else(|error| panic!("{name}: {error}"))
        .into_parts()
        .0
}
