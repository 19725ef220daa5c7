//! Webhook signatures.

use lumina_fullenrich::signature::{self, SignatureError};
use secrecy::SecretString;

use crate::golden;

const KEY: &str = "test-api-key-not-real";
const GOOD: &str = "de75aeefce050a06364eefc6990ff251fa2d3010";

/// Header, keys, verdict.
type Row = (
    Option<&'static str>,
    &'static [&'static str],
    Result<(), SignatureError>,
);

fn verify(body: &[u8], signature: Option<&str>, keys: &[&str]) -> Result<(), SignatureError> {
    let keys: Vec<SecretString> = keys.iter().map(|key| SecretString::from(*key)).collect();
    signature::verify(body, signature, &keys)
}

#[test]
fn the_documented_vector_verifies_with_any_of_the_keys() {
    let body = golden::body("signed_webhook.json");
    let good = Some(GOOD);
    let table: [Row; 14] = [
        (good, &[KEY], Ok(())),
        (good, &["a new key", KEY], Ok(())),
        (good, &[KEY, "an old key"], Ok(())),
        (good, &["", KEY], Ok(())),
        (good, &["a new key"], Err(SignatureError::Mismatch)),
        (good, &[], Err(SignatureError::NoKeys)),
        (good, &["", ""], Err(SignatureError::NoKeys)),
        (None, &[KEY], Err(SignatureError::Missing)),
        (Some(""), &[KEY], Err(SignatureError::Malformed)),
        (Some("de75aeef"), &[KEY], Err(SignatureError::Malformed)),
        (
            Some("xx75aeefce050a06364eefc6990ff251fa2d3010"),
            &[KEY],
            Err(SignatureError::Malformed),
        ),
        (
            Some("de75aeefce050a06364eefc6990ff251fa2d301000"),
            &[KEY],
            Err(SignatureError::Malformed),
        ),
        (
            Some("de75aeefce050a06364eefc6990ff251fa2d3011"),
            &[KEY],
            Err(SignatureError::Mismatch),
        ),
        (
            Some("0000000000000000000000000000000000000000"),
            &[KEY],
            Err(SignatureError::Mismatch),
        ),
    ];
    for (signature, keys, expected) in table {
        assert_eq!(verify(&body, signature, keys), expected, "{signature:?} {keys:?}");
    }
}

#[test]
fn every_byte_of_the_body_counts() {
    let body = golden::body("signed_webhook.json");
    for at in 0..body.len() {
        let mut changed = body.to_vec();
        changed[at] ^= 1;
        assert_eq!(
            verify(&changed, Some(GOOD), &[KEY]),
            Err(SignatureError::Mismatch),
            "byte {at}"
        );
    }
    let longer = [&body[..], b"\n"].concat();
    assert_eq!(verify(&longer, Some(GOOD), &[KEY]), Err(SignatureError::Mismatch));
}

#[test]
fn an_empty_key_opens_nothing() {
    // HMAC-SHA1 of nothing under the empty key, which anybody can compute.
    let forged = "fbdb1d1b18aa6c08324b7d64b71fb76370690e1d";
    assert_eq!(verify(b"", Some(forged), &["", KEY]), Err(SignatureError::Mismatch));
}
