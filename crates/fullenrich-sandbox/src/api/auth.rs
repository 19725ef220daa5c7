//! The bearer key.

use http::{HeaderMap, header};
use subtle::ConstantTimeEq;

use super::refusal::Refusal;
use crate::config::ApiKey;

/// Whether the call carries the key. The scheme's name may be in any case, as HTTP has it.
pub(super) fn check_key(headers: &HeaderMap, key: &ApiKey) -> Result<(), Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION).filter(|value| !value.is_empty()) else {
        return Err(Refusal::AuthorizationNotSet);
    };
    let bearer = value
        .as_bytes()
        .split_at_checked(7)
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "));
    let Some((_, given)) = bearer else {
        return Err(Refusal::AuthorizationNotBearer);
    };
    if bool::from(given.trim_ascii().ct_eq(key.expose().as_bytes())) {
        Ok(())
    } else {
        Err(Refusal::ApiKey)
    }
}
