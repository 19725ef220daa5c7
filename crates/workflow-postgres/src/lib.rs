//! The workflow engine's store on PostgreSQL, for any number of processes.
//!
//! The schema `lumina` holds the engine's tables, named `workflow_...`, and the application's own beside them, so that
//! one transaction can cover both. Every commit and every claim is durable before it is answered (the server's
//! default, `synchronous_commit = on`, must stay). No process is special: the database coordinates.
//!
//! # What holds it together
//!
//! All of it is right under READ COMMITTED, by locks on rows:
//!
//! - Whatever a change goes by, it locks before it looks: runs in the order of their ids, then keys, then counters.
//!   A statement that follows sees what was committed while the lock was waited for.
//! - An event for a key that nobody holds, or a run that does not exist, keeps both from coming to be until it is
//!   stored: its transaction inserts their row and deletes it again, which is nothing to anybody but one who wants to
//!   insert the same, and waits. So an event and the registering of its key never miss each other.
//! - A claim passes over rows that somebody is changing, and waits for no run.
//!
//! A group is one transaction. When an attachment in it refuses, or others were in its way, all of it is taken back and
//! done again: the members without an attachment together, each with one by itself, in the group's order. When the
//! connection is lost between two of these transactions, the answer is
//! [`OutcomeUnknown`](lumina_workflow::store::StoreError::OutcomeUnknown), and the group is applied again.
//!
//! Serialization failures, deadlocks and connections that are lost before a COMMIT was sent are repeated here. A
//! COMMIT whose answer is lost is told as unknown, never guessed.
//!
//! An engine that is told [`PostgresStore::commits_at_once`] has several groups on their way at once while its process
//! is alone, which is half as fast again, and one when others work beside it.
//!
//! # Poolers
//!
//! Nothing that a transaction needs outlives it on its connection, but statements that are prepared by name, which
//! [`Statements::Unnamed`] does without. Hints need a connection of their own: [`Options::listen`]. A store that nobody has
//! told of a pooler finds out when a name is not known, and does without names from then on.
//!
//! # Encrypted connections
//!
//! With the feature `tls`, an address that says `sslmode=require` is connected to by TLS, and the server's certificate
//! is verified by the authorities that the system trusts, or those that `SSL_CERT_FILE` names. Any other address is
//! connected to as it is.
//!
//! # Payloads
//!
//! With a codec ([`Options::codec`]) every payload is encoded in the database. See [`lumina_workflow::codec`].

mod attachment;
mod change;
mod claim;
mod column;
mod commit;
mod fault;
mod fleet;
mod flow;
mod group;
mod hook;
mod inboxes;
mod inline;
mod line;
mod listen;
mod locks;
mod look;
mod many;
mod migrate;
mod options;
mod param;
mod parts;
mod payloads;
mod pool;
mod post;
mod purge;
mod read;
mod session;
mod shared;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
mod text;
#[cfg(feature = "tls")]
mod tls;
mod transaction;

pub use attachment::{AttachError, Tx, attach};
pub use hook::{At, Hook, Verdict};
pub use look::{OpenTransaction, Server};
pub use migrate::{MigrateError, Script};
pub use options::{Mode, OpenError, Options, Statements};
pub use store::{Parameter, PostgresStore};
pub use text::write as stored_text;
pub use tokio_postgres;
