//! AES-256-GCM with keys from a file.

use std::fmt;
use std::path::{Path, PathBuf};

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce, Tag};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::key_file::{self, KeyFileError};
use super::{Codec, CodecError, Encoded};

/// Bytes of a nonce. It is drawn at random for every value, from the operating system and not
/// from the `Runtime`, whose numbers a test repeats.
///
/// Two values under one key and one nonce would give away how they differ, and let somebody
/// forge others. Among 2^32 values the odds of that are below 2^-32, which is the bound that
/// NIST SP 800-38D sets: a key is to be replaced before it has encrypted four thousand million
/// values. At a million values a day that is eleven years, at a thousand a second 49 days.
const NONCE_BYTES: usize = 12;

/// Bytes of the tag behind the value.
const TAG_BYTES: usize = 16;

/// Stands before the key's id in the associated data, so that nothing else that was ever
/// encrypted with the same key opens as a payload.
///
/// Where the value stands is not part of it: the engine copies values from row to row (an
/// event from the unrouted ones to an inbox) without reading them. Who can write to the
/// database can therefore exchange values; encryption keeps it from being read, and does
/// not make it safe to be written by others.
const PURPOSE: &[u8] = b"lumina-workflow payload, aes-256-gcm, 1: ";

/// Encrypts payloads with AES-256-GCM.
///
/// Keys come from a file with one key a line, `ID KEY`: 32 bytes as hex or as base64. What
/// stands behind a `#` is a comment. The first key encrypts, all of them decrypt. So a key is
/// replaced by writing a new line above the others and starting the process again; the old line may
/// go when no value of it is left.
///
/// ```
/// # use lumina_workflow::codec::{AesGcmCodec, from_stored, new_key_line, to_stored};
/// # use lumina_workflow::Payload;
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("lumina.keys");
/// # std::fs::write(&path, new_key_line("2026-07")?.as_str())?;
/// # #[cfg(unix)]
/// # std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
/// let codec = AesGcmCodec::open(&path)?;
/// let payload = Payload::encode("sarah.dev@gmail.com")?;
/// let stored = to_stored(Some(&codec), &payload)?;
/// assert!(stored.starts_with("\"encoded:2026-07:"));
/// assert_eq!(from_stored(Some(&codec), &stored)?, payload);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AesGcmCodec {
    path: PathBuf,
    /// At least one; the first encrypts.
    keys: Vec<Key>,
}

struct Key {
    id: String,
    cipher: Aes256Gcm,
    associated: Vec<u8>,
}

impl AesGcmCodec {
    /// Reads a key file.
    ///
    /// # Errors
    /// When it cannot be read, somebody other than its owner may read it, or a line of it is
    /// not a key. No error shows a key.
    pub fn open(path: &Path) -> Result<Self, KeyFileError> {
        let keys = key_file::read(path)?;
        let key = |(id, bytes): (String, key_file::KeyBytes)| Key {
            associated: [PURPOSE, id.as_bytes()].concat(),
            cipher: Aes256Gcm::new((&*bytes).into()),
            id,
        };
        Ok(Self {
            path: path.to_owned(),
            keys: keys.into_iter().map(key).collect(),
        })
    }

    /// The ids of its keys; the first encrypts.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|key| key.id.as_str())
    }

    fn key(&self, id: &str) -> Result<&Key, CodecError> {
        let found = self.keys.iter().find(|key| key.id == id);
        found.ok_or_else(|| CodecError::UnknownKey {
            key: id.to_owned(),
            problem: format!(
                "which is not in {path}: put this key back into the file, behind the first line",
                path = self.path.display()
            ),
        })
    }
}

impl Codec for AesGcmCodec {
    fn encode(&self, plain: &str) -> Result<Option<Encoded<'_>>, CodecError> {
        let key = self.keys.first().expect("a key file has a key");
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce)
            .map_err(|error| CodecError::Encode(format!("the system gives no random numbers ({error})")))?;
        let mut sealed = Vec::with_capacity(NONCE_BYTES + plain.len() + TAG_BYTES);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain.as_bytes());
        let tag = key
            .cipher
            .encrypt_in_place_detached(Nonce::from_slice(&nonce), &key.associated, &mut sealed[NONCE_BYTES..])
            .map_err(|_| CodecError::Encode("it is too large to be encrypted".to_owned()))?;
        sealed.extend_from_slice(&tag);
        Ok(Some(Encoded {
            key: &key.id,
            body: STANDARD_NO_PAD.encode(&sealed),
        }))
    }

    fn decode(&self, key: &str, body: &str) -> Result<String, CodecError> {
        let key = self.key(key)?;
        key.open(body)
            .ok_or_else(|| CodecError::Damaged { key: key.id.clone() })
    }
}

impl Key {
    fn open(&self, body: &str) -> Option<String> {
        let mut sealed = STANDARD_NO_PAD.decode(body).ok()?;
        let (nonce, rest) = sealed.split_at_mut_checked(NONCE_BYTES)?;
        let (value, tag) = rest.split_at_mut_checked(rest.len().checked_sub(TAG_BYTES)?)?;
        let (nonce, tag) = (Nonce::from_slice(nonce), Tag::from_slice(tag));
        self.cipher
            .decrypt_in_place_detached(nonce, &self.associated, value, tag)
            .ok()?;
        std::str::from_utf8(value).ok().map(str::to_owned)
    }
}

/// Says which keys there are, and none of them.
impl fmt::Debug for AesGcmCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.key_ids().collect();
        write!(f, "AesGcmCodec({} of {})", ids.join(", "), self.path.display())
    }
}
