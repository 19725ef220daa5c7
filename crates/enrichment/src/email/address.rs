use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use super::clean::{MAX_RAW_BYTES, clean};
use super::{dedupe, role};

/// The longest address, in bytes: a mail path is at most 256 with its two brackets (RFC 5321, 4.5.3.1.3).
pub const MAX_ADDRESS_BYTES: usize = 254;

/// The longest part before the `@`, in bytes (RFC 5321, 4.5.3.1.1).
pub const MAX_LOCAL_PART_BYTES: usize = 64;

/// The longest label of a domain, in bytes (RFC 1035, 2.3.4).
const MAX_LABEL_BYTES: usize = 63;

/// A well-formed address, kept as its owner wrote it, case included: it is looked up as given.
///
/// Stricter than the mail standards where a provider would refuse the address, because one bad address refuses a
/// whole batch of a hundred: the local part is ASCII without quoting or comments, the domain has at least two
/// labels and is no address literal. A domain in another script is turned into punycode.
///
/// Two addresses are equal when they are written alike; [`EmailAddress::dedupe_key`] says whether they reach one
/// person.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress {
    text: Box<str>,
    /// Where the `@` is. An address has at most 254 bytes.
    at: u8,
}

impl EmailAddress {
    /// Cleans `raw` as [`clean`] does and checks what is left.
    ///
    /// # Errors
    /// [`AddressError`] says what is wrong with the text, without repeating it.
    pub fn parse(raw: &str) -> Result<Self, AddressError> {
        if raw.len() > MAX_RAW_BYTES {
            return Err(AddressError::TooLong);
        }
        Self::check(&clean(raw))
    }

    fn check(text: &str) -> Result<Self, AddressError> {
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let (local, domain) = text.split_once('@').ok_or(AddressError::NoAt)?;
        if domain.contains('@') {
            return Err(AddressError::SeveralAts);
        }
        check_local_part(local)?;
        let domain = ascii_domain(domain)?;
        check_domain(&domain)?;
        Self::join(text, local, &domain)
    }

    fn join(text: &str, local: &str, domain: &str) -> Result<Self, AddressError> {
        let length = local.len() + 1 + domain.len();
        if length > MAX_ADDRESS_BYTES {
            return Err(AddressError::TooLong);
        }
        let text = if text.len() == length && text.ends_with(domain) {
            text.into()
        } else {
            format!("{local}@{domain}").into()
        };
        let at = u8::try_from(local.len()).expect("a local part has at most 64 bytes");
        Ok(Self { text, at })
    }

    /// The whole address, as given after cleaning; a domain in another script is punycode. Always ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.text[..usize::from(self.at)]
    }

    /// What stands after the `@`, in the case it was given in.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.text[usize::from(self.at) + 1..]
    }

    /// The domain in lower case, for comparing.
    pub(crate) fn lower_domain(&self) -> Cow<'_, str> {
        lower(self.domain())
    }

    /// The key that is the same for all spellings of one mailbox.
    #[must_use]
    pub fn dedupe_key(&self) -> super::DedupeKey {
        dedupe::key_of(self)
    }

    /// Whether the local part belongs to a post (`info`, `sales`, `no-reply`), not to a person.
    #[must_use]
    pub fn is_role(&self) -> bool {
        role::is_role(self.local_part())
    }
}

pub(super) fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(text.to_ascii_lowercase())
    } else {
        Cow::Borrowed(text)
    }
}

fn check_local_part(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError::NoLocalPart);
    }
    if local.len() > MAX_LOCAL_PART_BYTES {
        return Err(AddressError::LocalPartTooLong);
    }
    if !local.bytes().all(is_local_byte) {
        let is_bad = |c: &char| !c.is_ascii() || !is_local_byte(*c as u8);
        let bad = local.chars().find(is_bad).expect("one of the bytes is refused");
        return Err(AddressError::LocalPartCharacter(bad));
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err(AddressError::LocalPartDots);
    }
    Ok(())
}

/// `atext` of RFC 5322, 3.2.3, and the dot between atoms.
fn is_local_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'.' | b'_'
                | b'-'
                | b'+'
                | b'!'
                | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'/'
                | b'='
                | b'?'
                | b'^'
                | b'`'
                | b'{'
                | b'|'
                | b'}'
                | b'~'
        )
}

fn ascii_domain(domain: &str) -> Result<Cow<'_, str>, AddressError> {
    if domain.is_ascii() && !has_punycode(domain) {
        return Ok(Cow::Borrowed(domain));
    }
    idna::domain_to_ascii_cow(domain.as_bytes(), idna::AsciiDenyList::STD3).map_err(|_| AddressError::Domain)
}

/// Whether a label claims to be punycode, which then has to be sound.
fn has_punycode(domain: &str) -> bool {
    let claims = |label: &str| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--"));
    domain.bytes().any(|b| b == b'-') && domain.split('.').any(claims)
}

fn check_domain(domain: &str) -> Result<(), AddressError> {
    if domain.is_empty() {
        return Err(AddressError::NoDomain);
    }
    let mut labels = 0;
    let mut last = "";
    for label in domain.split('.') {
        if !is_label(label) {
            return Err(AddressError::Domain);
        }
        labels += 1;
        last = label;
    }
    if labels < 2 {
        return Err(AddressError::OneLabel);
    }
    if last.bytes().all(|b| b.is_ascii_digit()) {
        return Err(AddressError::NumericTopLevel);
    }
    Ok(())
}

/// Letters, digits and inner hyphens (RFC 1123, 2.1).
fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    (1..=MAX_LABEL_BYTES).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && bytes[0] != b'-'
        && bytes[bytes.len() - 1] != b'-'
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EmailAddress({:?})", self.as_str())
    }
}

impl AsRef<str> for EmailAddress {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl FromStr for EmailAddress {
    type Err = AddressError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        Self::parse(raw)
    }
}

/// Why a text is no address. The messages complete "this is not an e-mail address: ..." and hold nothing of the
/// text but a single character, so that they can be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// Nothing is left after cleaning.
    #[error("it is empty")]
    Empty,
    /// Over [`MAX_ADDRESS_BYTES`], or the raw text over [`MAX_RAW_BYTES`].
    #[error("it is longer than {MAX_ADDRESS_BYTES} bytes")]
    TooLong,
    /// No `@`.
    #[error("it has no @")]
    NoAt,
    /// More than one `@`: often two addresses in one cell.
    #[error("it has more than one @; give one address at a time")]
    SeveralAts,
    /// Nothing before the `@`.
    #[error("nothing stands before the @")]
    NoLocalPart,
    /// Over [`MAX_LOCAL_PART_BYTES`].
    #[error("more than {MAX_LOCAL_PART_BYTES} bytes stand before the @")]
    LocalPartTooLong,
    /// A character before the `@` that mail providers do not take.
    #[error("the character {0:?} cannot stand before the @")]
    LocalPartCharacter(char),
    /// A dot at an edge of the local part, or two in a row.
    #[error("before the @ a dot must stand between two other characters")]
    LocalPartDots,
    /// Nothing after the `@`.
    #[error("nothing stands after the @")]
    NoDomain,
    /// No domain name can be written like this.
    #[error("what stands after the @ is not a domain name")]
    Domain,
    /// A domain of one label, such as `localhost`.
    #[error("the domain has no dot; an ending such as .com is missing")]
    OneLabel,
    /// A domain that ends in a number, such as an IP address.
    #[error("the domain ends in a number; an IP address is no mail domain here")]
    NumericTopLevel,
}
