//! Any bytes as the header of a signature, over any body: it is believed exactly if it is the HMAC-SHA1 of the body under
//! one of the keys, which is computed here by hand.

use http::HeaderValue;
use lumina_fullenrich::signature::{SignatureError, verify};
use secrecy::SecretString;
use sha1::{Digest, Sha1};

/// Sets of keys: none, one, an empty one that opens nothing, one before and after a rotation.
const KEYS: [&[&str]; 5] = [&[], &[""], &["the key"], &["", "the key"], &["a new key", "the key"]];

/// What HMAC fills a key up to.
const BLOCK: usize = 64;

/// Panics when something is wrong. The first byte says how many of the next ones are the header.
pub fn check(data: &[u8]) {
    let (length, rest) = data.split_first().unwrap_or((&0, &[]));
    let (header, body) = rest.split_at(rest.len().min(usize::from(*length)));
    check_header(header, body);
    // The right one, which nobody guesses, as it is and with one bit of it changed.
    let right = hex::encode(sign(body, "the key"));
    check_header(right.as_bytes(), body);
    check_header(right.to_ascii_uppercase().as_bytes(), body);
    let mut wrong = right.into_bytes();
    let at = usize::from(*length) % wrong.len();
    wrong[at] ^= 1;
    check_header(&wrong, body);
}

fn check_header(header: &[u8], body: &[u8]) {
    // Others do not come through the server. One that is no text counts as an empty one, as where it is received.
    let Ok(value) = HeaderValue::from_bytes(header) else {
        return;
    };
    let text = value.to_str().unwrap_or_default();
    for keys in KEYS {
        let secrets: Vec<SecretString> = keys.iter().map(|key| SecretString::from(*key)).collect();
        assert_eq!(
            verify(body, Some(text), &secrets),
            expected(text, body, keys),
            "{text:?} {keys:?}"
        );
        assert_eq!(verify(body, None, &secrets), Err(SignatureError::Missing));
    }
}

fn expected(header: &str, body: &[u8], keys: &[&str]) -> Result<(), SignatureError> {
    let mut usable = keys.iter().filter(|key| !key.is_empty()).peekable();
    if header.len() != 40 || !header.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(SignatureError::Malformed);
    }
    if usable.peek().is_none() {
        return Err(SignatureError::NoKeys);
    }
    let fits = |key: &&str| hex::encode(sign(body, key)) == header.to_ascii_lowercase();
    usable.any(fits).then_some(()).ok_or(SignatureError::Mismatch)
}

/// RFC 2104, for keys that are not longer than a block.
fn sign(body: &[u8], key: &str) -> [u8; 20] {
    let pad = |with: u8| {
        let mut block = [with; BLOCK];
        block.iter_mut().zip(key.bytes()).for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha1::new().chain_update(pad(0x36)).chain_update(body).finalize();
    Sha1::new()
        .chain_update(pad(0x5c))
        .chain_update(inner)
        .finalize()
        .into()
}
