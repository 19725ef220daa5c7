//! Newtypes for everything that names something.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The id of a run: a UUIDv7, made by whoever starts it, before it exists.
///
/// ```
/// use lumina_workflow::RunId;
/// let run: RunId = "019b76da-a801-7e55-b2fb-eea293f80bc9".parse()?;
/// assert_eq!(run.to_string(), "019b76da-a801-7e55-b2fb-eea293f80bc9");
/// # Ok::<(), uuid::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub Uuid);

/// The id of a worker: one per started engine, never reused.
///
/// An example is at [`Worker`](crate::Worker).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub Uuid);

macro_rules! uuid_newtype {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
        impl std::str::FromStr for $name {
            type Err = uuid::Error;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}
uuid_newtype!(RunId);
uuid_newtype!(WorkerId);

/// The fencing number of a lease: each claim of a run adds one, and a write that
/// carries an older one is refused.
///
/// An example is at [`Store`](crate::store::Store).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

/// A place in a run's history: the first record is 1; 0 is "nothing recorded yet".
///
/// ```
/// use lumina_workflow::Seq;
/// assert_eq!(Seq(0).plus(3), Seq(3));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The place `count` records further on.
    #[must_use]
    pub fn plus(self, count: usize) -> Self {
        Self(self.0 + count as u64)
    }
}

/// What of a definition a history depends on, folded into 64 bits: its name, its steps'
/// names, kinds and event names. Durations and policies are left out, because changing them
/// never makes a recorded history unreadable.
///
/// ```
/// assert_eq!(lumina_workflow::DefinitionHash(7).to_string(), "0000000000000007");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DefinitionHash(pub u64);

impl fmt::Display for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for DefinitionHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DefinitionHash({self})")
    }
}
