//! How payloads look in a database: as they are, or encoded, which for most means encrypted.
//!
//! A store that keeps its rows outside this process passes every payload through
//! [`to_stored`] on its way in and through [`from_stored`] on its way out, and compares
//! payloads only after that: the same payload may be stored in many forms. (The memory store
//! does neither: what it holds lies in the process beside the keys.)
//!
//! A stored payload is JSON text in any case:
//!
//! | stored | is |
//! | --- | --- |
//! | `"encoded:KEY:BODY"` | what the [`Codec`] made of it, and the id of the key that this needs |
//! | `"encoded::TEXT"` | the plain text TEXT, which itself looked like an encoded one |
//! | anything else | the plain text |
//!
//! So values from before a codec was used stay readable, values under older keys do as long as
//! the codec has them, and no payload that a stranger sends is mistaken for an encoded one. The
//! limits of a payload's size are about the plain text.
//!
//! ```
//! use lumina_workflow::codec::{Codec, CodecError, Encoded, from_stored, to_stored};
//! use lumina_workflow::Payload;
//!
//! /// Hides nothing, but shows how it goes.
//! struct Backwards;
//!
//! impl Codec for Backwards {
//!     fn encode(&self, plain: &str) -> Result<Option<Encoded<'_>>, CodecError> {
//!         let body = hex(plain.bytes().rev());
//!         Ok(Some(Encoded { key: "mirror", body }))
//!     }
//!     fn decode(&self, key: &str, body: &str) -> Result<String, CodecError> {
//!         unhex(body).ok_or_else(|| CodecError::Damaged { key: key.to_owned() })
//!     }
//! }
//! # fn hex(bytes: impl Iterator<Item = u8>) -> String {
//! #     bytes.map(|byte| format!("{byte:02x}")).collect()
//! # }
//! # fn unhex(body: &str) -> Option<String> {
//! #     let bytes = (0..body.len()).step_by(2).map(|at| u8::from_str_radix(body.get(at..at + 2)?, 16).ok());
//! #     String::from_utf8(bytes.rev().collect::<Option<_>>()?).ok()
//! # }
//!
//! let payload = Payload::encode(&7)?;
//! let stored = to_stored(Some(&Backwards), &payload)?;
//! assert_eq!(stored, "\"encoded:mirror:37\"");
//! assert_eq!(from_stored(Some(&Backwards), &stored)?, payload);
//! assert_eq!(from_stored(Some(&Backwards), "7")?, payload);
//! assert_eq!(from_stored(None, &stored), Err(CodecError::NoCodec { key: "mirror".to_owned() }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "encryption")]
mod aes_gcm;
#[cfg(feature = "encryption")]
mod key_file;
mod stored;

#[cfg(feature = "encryption")]
pub use aes_gcm::AesGcmCodec;
#[cfg(feature = "encryption")]
pub use key_file::{KeyFileError, new_key_line};
pub use stored::{from_stored, is_stored, to_stored};

/// No id of a key is longer: it is stored with every value. It is less than any key has, so that one
/// that was written in an id's place is noticed.
pub const KEY_ID_LIMIT: usize = 32;

/// Encodes payloads before they are stored, and decodes them again.
///
/// It is called inside transactions, so it should neither block nor ask anybody over a network.
///
/// An example is at [`codec`](self).
pub trait Codec: Send + Sync {
    /// Encodes a JSON text; `None` when this one is to be stored as it is.
    ///
    /// # Errors
    /// When it cannot; the transaction that wanted to store it is rolled back.
    fn encode(&self, plain: &str) -> Result<Option<Encoded<'_>>, CodecError>;

    /// Decodes a body that was encoded with this key, by this codec or one before it.
    ///
    /// # Errors
    /// When the key is not there, or does not fit.
    fn decode(&self, key: &str, body: &str) -> Result<String, CodecError>;
}

/// What a [`Codec`] made of a payload.
///
/// An example is at [`codec`](self).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded<'c> {
    /// The id of the key that decoding needs: 1 to [`KEY_ID_LIMIT`] letters, digits, dots,
    /// hyphens and underscores of ASCII.
    pub key: &'c str,
    /// The value: visible ASCII without quotes and backslashes, such as base64.
    pub body: String,
}

/// A payload that could not be encoded or decoded. No message has any of its text.
///
/// An example is at [`codec`](self).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The store was opened without a codec.
    #[error(
        "a value is encoded with the key `{key}`, and the store was opened without a codec: open it with one that \
         has this key"
    )]
    NoCodec {
        /// The key that the value needs.
        key: String,
    },
    /// The codec does not have the key.
    #[error("a value is encoded with the key `{key}`, {problem}")]
    UnknownKey {
        /// The key that the value needs.
        key: String,
        /// Where it was looked for, and what to do.
        problem: String,
    },
    /// The key does not open the value.
    #[error(
        "a value that is encoded with the key `{key}` cannot be opened: it is damaged, or the bytes of this key are \
         not those that it was encoded with"
    )]
    Damaged {
        /// The key that the value names.
        key: String,
    },
    /// Not even a key can be read off it.
    #[error("a value is marked as encoded and cannot be read: {0}; it is damaged, or a later version wrote it")]
    Malformed(&'static str),
    /// It could not be encoded.
    #[error("a value could not be encoded: {0}")]
    Encode(String),
}

/// Whether an id can be stored with a value.
fn is_key_id(id: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    (1..=KEY_ID_LIMIT).contains(&id.len()) && id.bytes().all(fits)
}
