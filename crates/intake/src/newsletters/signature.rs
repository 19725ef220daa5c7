use std::fmt;

use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::secret::{SecretError, SecretPair};

type HmacSha256 = Hmac<Sha256>;

/// The secrets that sign the body of our own webhook: hex HMAC-SHA256 of the raw bytes.
///
/// ```
/// use lumina_intake::newsletters::{SignatureError, SigningSecrets};
/// let secrets = SigningSecrets::new("the secret after the rotation", Some("the secret before it"))?;
/// let body = b"{\"email\":\"sarah@gmail.com\"}";
/// let signature = secrets.sign(body);
/// assert_eq!(secrets.verify(body, Some(&signature)), Ok(()));
/// assert_eq!(secrets.verify(b"{}", Some(&signature)), Err(SignatureError::Invalid));
/// assert_eq!(secrets.verify(body, None), Err(SignatureError::Missing));
/// # Ok::<(), lumina_intake::newsletters::SecretError>(())
/// ```
pub struct SigningSecrets(SecretPair);

impl SigningSecrets {
    /// The secret in use and, during a rotation, the one before it.
    ///
    /// # Errors
    /// A secret of fewer than [`MIN_SECRET_BYTES`](super::MIN_SECRET_BYTES).
    pub fn new(current: &str, previous: Option<&str>) -> Result<Self, SecretError> {
        Ok(Self(SecretPair::new(current, previous)?))
    }

    /// Checks the signature over the raw body, in constant time. The hex digits may be in either case, with or
    /// without `sha256=` before them.
    ///
    /// # Errors
    /// [`SignatureError`].
    pub fn verify(&self, body: &[u8], signature: Option<&str>) -> Result<(), SignatureError> {
        let signature = signature
            .map(str::trim)
            .filter(|text| !text.is_empty())
            .ok_or(SignatureError::Missing)?;
        let digits = signature.strip_prefix("sha256=").unwrap_or(signature);
        let given = hex::decode(digits).map_err(|_| SignatureError::Invalid)?;
        let is_signed = self.0.any(|secret| is_equal(&mac(secret, body), &given));
        if is_signed {
            Ok(())
        } else {
            Err(SignatureError::Invalid)
        }
    }

    /// Signs a body with the secret in use, as a sender does.
    #[must_use]
    pub fn sign(&self, body: &[u8]) -> String {
        hex::encode(mac(self.0.current(), body))
    }
}

fn mac(secret: &[u8], body: &[u8]) -> [u8; 32] {
    let mut mac = HmacSha256::new_from_slice(secret).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.finalize().into_bytes().into()
}

fn is_equal(expected: &[u8], given: &[u8]) -> Choice {
    expected.ct_eq(given)
}

impl fmt::Debug for SigningSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecrets(..)")
    }
}

/// Why a signed body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is no signature.
    #[error("the request is not signed; send the hex HMAC-SHA256 of the body")]
    Missing,
    /// It is none of this body with our secret.
    #[error("the signature does not fit the body; check the secret, and sign the bytes as they are sent")]
    Invalid,
}

impl SignatureError {
    /// The stable name of the error.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Missing => "MISSING_SIGNATURE",
            Self::Invalid => "INVALID_SIGNATURE",
        }
    }
}
