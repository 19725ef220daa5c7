//! Why a sandbox does not open, or cannot go on.

use std::io;
use std::path::PathBuf;

use crate::config::ConfigError;

/// Why [`Sandbox::open`](crate::Sandbox::open) failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The ledger cannot be opened, read or written.
    #[error("the sandbox's ledger {} cannot be used: {source}", .path.display())]
    Io {
        /// The ledger's path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Two sandboxes on one ledger would each charge without the other's knowledge.
    #[error(
        "the sandbox's ledger {} is held by another sandbox: stop that one, or give this one a ledger of its own",
        .path.display()
    )]
    Held {
        /// The ledger's path.
        path: PathBuf,
    },
    /// A line of the ledger makes no sense.
    #[error("line {line} of the sandbox's ledger {} makes no sense ({reason}): move the file away to begin anew", .path.display())]
    Corrupt {
        /// The ledger's path.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// The ledger could not be written, and nothing that it does not hold may be answered.
///
/// The sandbox stays in this state: each call answers 500 and names the reason.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the sandbox's ledger could not be written ({0}): make room or rights for it and start the sandbox again")]
pub struct LedgerError(pub(crate) String);
