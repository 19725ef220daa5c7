//! The file that keys are read from.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose};
use zeroize::Zeroizing;

use super::{KEY_ID_LIMIT, is_key_id};

/// A key of AES-256. Forgotten when it is dropped.
pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

/// Hundreds of keys have room in it; what is larger is another file.
const MAX_BYTES: u64 = 64 * 1024;

/// People copy base64 with its padding and without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key file that cannot be used. No message has any of its keys.
///
/// An example is at [`AesGcmCodec`](super::AesGcmCodec).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It cannot be read.
    #[error("the key file {} cannot be read: {cause}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// Others can read it, so that its keys may be known.
    #[error(
        "others on this machine can read the keys in {path}: run `chmod 600 {path}`, and put a new key above the \
         others if somebody may have read it", path = path.display()
    )]
    OpenToOthers {
        /// The file.
        path: PathBuf,
    },
    /// A line is no key.
    #[error("line {line} of the key file {}: {problem}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// It holds none.
    #[error("the key file {} holds no key: write a line `ID KEY`, with 32 random bytes as base64 or hex", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// A line for a key file, with a new key: 32 random bytes of the operating system.
///
/// # Errors
/// When the id cannot be one, or the system gives no random numbers.
///
/// ```
/// use lumina_workflow::codec::new_key_line;
/// assert!(new_key_line("2026-a")?.starts_with("2026-a "));
/// assert!(new_key_line("two words").is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn new_key_line(id: &str) -> Result<Zeroizing<String>, io::Error> {
    if !is_key_id(id) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, wrong_id(id)));
    }
    let mut bytes = KeyBytes::default();
    getrandom::fill(&mut *bytes).map_err(io::Error::other)?;
    let key = Zeroizing::new(general_purpose::STANDARD.encode(*bytes));
    Ok(Zeroizing::new(format!("{id} {}\n", *key)))
}

/// The keys of a file, with their ids, in its order; at least one.
pub(super) fn read(path: &Path) -> Result<Vec<(String, KeyBytes)>, KeyFileError> {
    let text = text_of(path)?;
    let mut keys: Vec<(String, KeyBytes)> = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let key = parse(line).and_then(|key| match key {
            Some((id, _)) if keys.iter().any(|(other, _)| *other == id) => {
                Err(format!("the key `{id}` is in the file twice; give each its own id"))
            }
            key => Ok(key),
        });
        keys.extend(key.map_err(|problem| KeyFileError::Line {
            path: path.to_owned(),
            line: place + 1,
            problem,
        })?);
    }
    match keys.is_empty() {
        true => Err(KeyFileError::Empty { path: path.to_owned() }),
        false => Ok(keys),
    }
}

fn text_of(path: &Path) -> Result<Zeroizing<String>, KeyFileError> {
    let failed = |cause| KeyFileError::Unreadable {
        path: path.to_owned(),
        cause,
    };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    // Asked of the opened file, so that it cannot be another one by then.
    if is_open_to_others(&metadata) {
        return Err(KeyFileError::OpenToOthers { path: path.to_owned() });
    }
    if metadata.len() > MAX_BYTES {
        let size = format!("it has {} bytes, above the limit of {MAX_BYTES}", metadata.len());
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, size)));
    }
    // As large as it gets, so that no half of it is left behind where it was.
    let mut text = Zeroizing::new(String::with_capacity(MAX_BYTES as usize));
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

/// The key of a line; nothing when it has none.
fn parse(line: &str) -> Result<Option<(String, KeyBytes)>, String> {
    let line = line.split('#').next().unwrap_or_default();
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        [] => Ok(None),
        [id, key] if is_key_id(id) => match key_bytes(key) {
            Some(bytes) => Ok(Some((id.to_owned(), bytes))),
            None => Err(format!("the key `{id}` is not 32 bytes as base64 or hex")),
        },
        [id, _] => Err(wrong_id(id)),
        _ => Err("write the id of a key, a blank, and the key".to_owned()),
    }
}

/// An id that is too long may be a key in the wrong place, so it is not shown.
fn wrong_id(id: &str) -> String {
    let shown = match id.len() {
        0..=KEY_ID_LIMIT => format!("`{id}`"),
        _ => "the first word".to_owned(),
    };
    format!(
        "{shown} cannot be the id of a key: write 1 to {KEY_ID_LIMIT} letters, digits, dots, hyphens and underscores"
    )
}

/// 64 hex digits, or base64: 43 characters and perhaps one of padding.
fn key_bytes(word: &str) -> Option<KeyBytes> {
    let bytes = Zeroizing::new(match word.len() {
        64 => hex::decode(word).ok()?,
        _ => BASE64.decode(word).ok()?,
    });
    <[u8; 32]>::try_from(bytes.as_slice()).ok().map(Zeroizing::new)
}

#[cfg(unix)]
fn is_open_to_others(metadata: &Metadata) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
}

/// Only Unix says.
#[cfg(not(unix))]
fn is_open_to_others(_: &Metadata) -> bool {
    false
}
