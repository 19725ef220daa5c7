use std::fmt;

use super::EmailAddress;
use super::domains::{BUILT_IN, Family};

/// What is the same for all spellings of one mailbox; subscribers are unique by it.
///
/// Lower case always. Gmail ignores dots and everything from a `+` on, and has two names; Outlook, Hotmail, Live,
/// iCloud, Proton and Fastmail deliver `name+tag` to `name`. Of every other domain the local part is kept: what
/// its server does with a `+` is not known.
///
/// Never write to this key: mail and lookups go to the address as given.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DedupeKey(String);

impl DedupeKey {
    /// Takes back a key that was stored; nothing is checked or changed.
    #[must_use]
    pub fn from_stored(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    /// The key, as it is stored.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key, as it is stored.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl AsRef<str> for DedupeKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for DedupeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a provider reads the local part.
enum Mailbox {
    /// Dots and tags mean nothing, and the domain has two names.
    Gmail,
    /// A `+tag` means nothing.
    Tagged,
    /// Every character counts.
    Plain,
}

impl Mailbox {
    fn of(domain: &str) -> Self {
        match domain {
            "gmail.com" | "googlemail.com" => Self::Gmail,
            "icloud.com" | "me.com" | "mac.com" | "msn.com" | "pm.me" => Self::Tagged,
            _ if BUILT_IN.get(domain).is_some_and(|listed| listed.is_fastmail) => Self::Tagged,
            _ => match Family::of_domain(domain) {
                Some(Family::Microsoft | Family::Proton) => Self::Tagged,
                _ => Self::Plain,
            },
        }
    }
}

pub(super) fn key_of(address: &EmailAddress) -> DedupeKey {
    let mut key = String::with_capacity(address.as_str().len());
    let domain = address.lower_domain();
    match Mailbox::of(&domain) {
        Mailbox::Gmail => {
            push_gmail_local(&mut key, address.local_part());
            key.push_str("@gmail.com");
            return DedupeKey(key);
        }
        Mailbox::Tagged => push_lower(&mut key, without_tag(address.local_part())),
        Mailbox::Plain => push_lower(&mut key, address.local_part()),
    }
    key.push('@');
    key.push_str(&domain);
    DedupeKey(key)
}

fn push_gmail_local(key: &mut String, local: &str) {
    let letters = without_tag(local).chars().filter(|c| *c != '.');
    key.extend(letters.map(|c| c.to_ascii_lowercase()));
}

fn push_lower(key: &mut String, local: &str) {
    key.extend(local.chars().map(|c| c.to_ascii_lowercase()));
}

/// The part before the first `+`; a local part that is nothing but a tag is kept whole.
fn without_tag(local: &str) -> &str {
    match local.split_once('+') {
        Some((base, _)) if !base.is_empty() => base,
        _ => local,
    }
}
