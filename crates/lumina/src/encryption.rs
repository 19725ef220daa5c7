//! How payloads lie in the database: encrypted, when a key file is configured.

use std::path::Path;
use std::sync::Arc;

use lumina_workflow::codec::{AesGcmCodec, Codec, CodecError, Encoded, KeyFileError};

/// The codec that is configured.
///
/// # Errors
/// When the key file cannot be used.
pub fn codec(key_file: Option<&Path>) -> Result<Arc<dyn Codec>, KeyFileError> {
    match key_file {
        Some(path) => Ok(Arc::new(AesGcmCodec::open(path)?)),
        None => Ok(none()),
    }
}

/// Where no key file is configured.
#[must_use]
pub fn none() -> Arc<dyn Codec> {
    Arc::new(NoKeyFile)
}

/// Stores payloads as they are, and says which setting is missing when one is encrypted.
struct NoKeyFile;

impl Codec for NoKeyFile {
    fn encode(&self, _: &str) -> Result<Option<Encoded<'_>>, CodecError> {
        Ok(None)
    }

    fn decode(&self, key: &str, _: &str) -> Result<String, CodecError> {
        Err(CodecError::UnknownKey {
            key: key.to_owned(),
            problem: "and no key file is configured: set database.encryption_key_file to the file that has this key"
                .to_owned(),
        })
    }
}
