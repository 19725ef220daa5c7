use std::fmt;
use std::path::PathBuf;

use super::Origin;

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// In the order in which they were met; at least one.
    pub problems: Vec<Problem>,
}

impl std::error::Error for ConfigError {}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [only] = self.problems.as_slice() {
            return only.fmt(f);
        }
        write!(f, "the configuration has {} mistakes:", self.problems.len())?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self {
            problems: vec![problem],
        }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file cannot be read.
    #[error("{} cannot be read: {detail}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The file is no TOML. The line itself is not shown, since a secret may be in it.
    #[error("{}:{line} is no valid TOML: {detail}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What the parser stumbled over.
        detail: String,
    },
    /// A key that no setting has.
    #[error("{key} ({origin}) is no setting; the nearest one is {nearest}")]
    UnknownKey {
        /// As written: a key, or the name of an environment variable.
        key: String,
        /// Where.
        origin: Origin,
        /// In the same form as `key`.
        nearest: String,
    },
    /// A section that was given a value.
    #[error("{key} ({origin}) is a section and takes no value; the nearest setting in it is {nearest}")]
    Section {
        /// As written: a key, or the name of an environment variable.
        key: String,
        /// Where.
        origin: Origin,
        /// In the same form as `key`.
        nearest: String,
    },
    /// A value that cannot be one of its setting.
    #[error("{key}{} ({origin}): {detail}", shown.as_ref().map(|shown| format!(" = {shown}")).unwrap_or_default())]
    Value {
        /// The setting.
        key: String,
        /// The value as TOML; nothing for a secret and for what is not set.
        shown: Option<String>,
        /// Where.
        origin: Origin,
        /// What is wrong, and what to write instead.
        detail: String,
    },
}

impl Problem {
    /// The setting, or what was taken for one; nothing when it is about the whole file.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Unreadable { .. } | Self::Syntax { .. } => None,
            Self::UnknownKey { key, .. } | Self::Section { key, .. } | Self::Value { key, .. } => Some(key),
        }
    }
}
