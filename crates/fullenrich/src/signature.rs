//! Whether a webhook's body comes from FullEnrich.
//!
//! FullEnrich signs each delivery: the header `X-Signature-SHA1` holds the lowercase hex HMAC-SHA1 of the raw body,
//! keyed with the API key. There is no timestamp and no event id, so a signature says who wrote the body, not when;
//! the same body may come twice.
//!
//! ```
//! use lumina_fullenrich::signature::{self, SignatureError};
//!
//! let keys = ["the new key".into(), "the old key".into()];
//! let forged = "00".repeat(20);
//! assert_eq!(signature::verify(b"{}", Some(&forged), &keys), Err(SignatureError::Mismatch));
//! ```

use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use subtle::{Choice, ConstantTimeEq};

/// The header that carries the signature, in the lower case that HTTP libraries use.
pub const HEADER: &str = "x-signature-sha1";

/// SHA-1's output: 20 bytes, 40 hex digits.
const DIGEST_LEN: usize = 20;

/// Why a delivery is not to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The header is missing.
    #[error("the X-Signature-SHA1 header is missing: FullEnrich sends it with every delivery")]
    Missing,
    /// The header is not 40 hex digits.
    #[error("the X-Signature-SHA1 header is not an HMAC-SHA1 in hex: expected 40 hex digits")]
    Malformed,
    /// No key gives this signature.
    #[error("the signature fits none of the configured API keys: check that the key is the one of this workspace")]
    Mismatch,
    /// There is no key to check with. An empty one is none, because everybody knows it.
    #[error("no API key is configured, so no delivery can be verified: set the FullEnrich API key")]
    NoKeys,
}

/// Checks the signature of `body`, the raw bytes as they came in, against each of `keys`.
///
/// Several keys are for a rotation: the old key may still sign for a while. The time taken depends on the number of
/// keys and the body's length, not on how much of the signature is right or which key it was.
///
/// # Errors
/// [`SignatureError`] when `signature`, the header's value, is missing, malformed, or from none of the keys.
pub fn verify(body: &[u8], signature: Option<&str>, keys: &[SecretString]) -> Result<(), SignatureError> {
    let mut claimed = [0_u8; DIGEST_LEN];
    let text = signature.ok_or(SignatureError::Missing)?;
    hex::decode_to_slice(text, &mut claimed).map_err(|_| SignatureError::Malformed)?;
    let mut usable = keys
        .iter()
        .map(ExposeSecret::expose_secret)
        .filter(|key| !key.is_empty())
        .peekable();
    if usable.peek().is_none() {
        return Err(SignatureError::NoKeys);
    }
    let fits = usable.fold(Choice::from(0), |fits, key| fits | digest(body, key).ct_eq(&claimed));
    if bool::from(fits) {
        Ok(())
    } else {
        Err(SignatureError::Mismatch)
    }
}

fn digest(body: &[u8], key: &str) -> [u8; DIGEST_LEN] {
    let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}
