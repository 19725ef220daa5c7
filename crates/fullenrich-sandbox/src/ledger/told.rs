//! What was told to the other side.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a body, in hexadecimal when written.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    pub(crate) fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        hex::encode(digest.0)
    }
}

impl TryFrom<String> for Digest {
    type Error = hex::FromHexError;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(written, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// What kind of callback a delivery was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// The genuine one at the batch's end.
    Final,
    /// A genuine one of a contact.
    Contact,
    /// A genuine one with a status of no known meaning, before the end is told.
    Interim,
    /// One without a signature.
    Unsigned,
    /// One with a wrong signature.
    Forged,
}

/// What the caller of a POST was told of the batch that it had accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostAnswer {
    /// Nothing, or nothing yet.
    #[default]
    Lost,
    /// Its id.
    Ok,
    /// A server's error.
    Error,
    /// The connection was reset.
    Reset,
    /// 200, with a body that says nothing.
    Unreadable,
}
