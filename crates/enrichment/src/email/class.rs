use std::fmt;
use std::str::FromStr;

/// What kind of mailbox an address is. Only personal ones are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AddressClass {
    /// At a free provider or an internet provider: a person whose company cannot be seen.
    Personal,
    /// Anything that is not known to be something else: the domain names the company already.
    Corporate,
    /// Forwards to a hidden address; a lookup cannot succeed.
    Relay,
    /// A throw-away mailbox.
    Disposable,
}

impl AddressClass {
    /// All classes, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Personal, Self::Corporate, Self::Relay, Self::Disposable];

    /// The stored and sent form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Personal => "personal",
            Self::Corporate => "corporate",
            Self::Relay => "relay",
            Self::Disposable => "disposable",
        }
    }

    /// Whether a lookup may be bought for such an address.
    #[must_use]
    pub const fn is_looked_up(self) -> bool {
        matches!(self, Self::Personal)
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AddressClass {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|class| class.as_str() == text);
        known.ok_or_else(|| UnknownClass(text.to_owned()))
    }
}

/// A text that names no address class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address class; the classes are personal, corporate, relay and disposable")]
pub struct UnknownClass(String);
