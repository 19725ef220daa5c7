//! The signature under every callback.

use hmac::{Hmac, Mac};
use sha1::Sha1;

/// The header that carries the signature of a callback.
pub const SIGNATURE_HEADER: &str = "x-signature-sha1";

/// Signs a callback's raw body: lowercase hexadecimal HMAC-SHA1 with the API key as its key.
///
/// ```
/// let body = br#"{"id":"1"}"#;
/// assert_eq!(lumina_fullenrich_sandbox::sign("key", body).len(), 40);
/// ```
#[must_use]
pub fn sign(api_key: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(api_key.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(body);
    hex::encode(mac.finalize().into_bytes())
}
