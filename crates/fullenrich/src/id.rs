//! The id that FullEnrich gives to a batch.

use std::fmt;
use std::str::FromStr;

/// Ids are UUIDs of 36 characters. Other ids are let through as long as they are plain and short, because an id that
/// is thrown away is a paid batch that nobody can read.
const MAX_LEN: usize = 128;

/// FullEnrich's id of one batch (`enrichment_id`), a UUID in everything seen so far.
///
/// It holds 1 to 128 letters, digits, `-`, `_` and `.`, and so can stand in a URL as it is. It is compared as it was
/// sent, and begins with a letter or a digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnrichmentId(String);

impl EnrichmentId {
    /// Takes an id as FullEnrich sent it or as it was stored.
    ///
    /// # Errors
    /// [`InvalidEnrichmentId`] when the text is empty, too long or holds any other character.
    pub fn parse(text: &str) -> Result<Self, InvalidEnrichmentId> {
        if is_plain(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidEnrichmentId {
                text: text.chars().take(MAX_LEN).collect(),
            })
        }
    }

    /// The id as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_plain(text: &str) -> bool {
    text.len() <= MAX_LEN
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

impl fmt::Display for EnrichmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for EnrichmentId {
    type Err = InvalidEnrichmentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A text that cannot be an enrichment id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is no FullEnrich enrichment id: expected a UUID")]
pub struct InvalidEnrichmentId {
    text: String,
}
