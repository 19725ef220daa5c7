use std::fmt;

use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// The shortest secret that is taken, in bytes: 16 random bytes cannot be guessed, and a shorter one is a password
/// that somebody made up.
pub const MIN_SECRET_BYTES: usize = 16;

/// A secret, and the one before it while senders move from one to the other. Wiped from memory when dropped, and
/// never shown.
pub(super) struct SecretPair {
    current: SecretSlice<u8>,
    previous: Option<SecretSlice<u8>>,
}

impl SecretPair {
    pub(super) fn new(current: &str, previous: Option<&str>) -> Result<Self, SecretError> {
        let keep = |secret: &str| {
            if secret.len() < MIN_SECRET_BYTES {
                return Err(SecretError { bytes: secret.len() });
            }
            Ok(SecretSlice::from(secret.as_bytes().to_vec()))
        };
        Ok(Self {
            current: keep(current)?,
            previous: previous.map(keep).transpose()?,
        })
    }

    pub(super) fn current(&self) -> &[u8] {
        self.current.expose_secret()
    }

    /// Whether one of the secrets passes. Both are always tried, so that the time tells nothing.
    pub(super) fn any(&self, passes: impl Fn(&[u8]) -> Choice) -> bool {
        let current = passes(self.current());
        let previous = self
            .previous
            .as_ref()
            .map_or(Choice::from(0), |secret| passes(secret.expose_secret()));
        (current | previous).into()
    }
}

/// The secrets that a sender puts into the URL or a header as they are. Compared in constant time.
///
/// ```
/// use lumina_intake::newsletters::SharedSecrets;
/// let secrets = SharedSecrets::new("a-long-enough-secret", None)?;
/// assert!(secrets.accepts(b"a-long-enough-secret"));
/// assert!(!secrets.accepts(b"a-long-enough-secreT"));
/// # Ok::<(), lumina_intake::newsletters::SecretError>(())
/// ```
pub struct SharedSecrets(SecretPair);

impl SharedSecrets {
    /// The secret in use and, during a rotation, the one before it.
    ///
    /// # Errors
    /// A secret of fewer than [`MIN_SECRET_BYTES`].
    pub fn new(current: &str, previous: Option<&str>) -> Result<Self, SecretError> {
        Ok(Self(SecretPair::new(current, previous)?))
    }

    /// Whether this is one of the secrets.
    #[must_use]
    pub fn accepts(&self, given: &[u8]) -> bool {
        // Hashes are equally long, so that not even the secret's length shows in the time.
        let given = Sha256::digest(given);
        self.0
            .any(|secret| Sha256::digest(secret).as_slice().ct_eq(given.as_slice()))
    }
}

impl fmt::Debug for SharedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecrets(..)")
    }
}

/// A secret that is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the webhook secret has {bytes} bytes; use at least {MIN_SECRET_BYTES}, for instance the output of `openssl rand -hex 32`"
)]
pub struct SecretError {
    bytes: usize,
}
