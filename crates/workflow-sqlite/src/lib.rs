//! The workflow engine's store on embedded SQLite.
//!
//! One file holds the engine's tables, named `workflow_...`, and the application's own beside them, so that one
//! transaction can cover both. Every commit is durable before it is answered (WAL with
//! `synchronous=FULL`); a claim is durable with the next commit, before anything that follows from it. One process
//! executes a file's runs; others may start runs, emit events and read beside it ([`Role`]).
//!
//! While the file is open its write-ahead log has up to 64 MiB, of which much is room for what will be written.
//!
//! SQLite is compiled with the program. It counts its memory under a lock that all connections share; a build with
//! `LIBSQLITE3_FLAGS=-DSQLITE_DEFAULT_MEMSTATUS=0` in its environment, or in the `[env]` of `.cargo/config.toml`, leaves
//! that out, which makes this store some 5 % faster.
//!
//! ```
//! use std::sync::Arc;
//! use lumina_workflow::store::{Change, Member, Outcome, Store};
//! use lumina_workflow::Payload;
//! use lumina_workflow_sqlite::{Options, Script, SqliteStore, attach};
//! use uuid::Uuid;
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("app.db");
//! let store = SqliteStore::open(Options::new(path))?;
//! store.migrate("app", &[Script { name: "0001_greeting", sql: "CREATE TABLE greeting (text TEXT) STRICT" }]).await?;
//!
//! // A change of the engine and writes of the application, durable together.
//! let change = Change::Nothing { id: Uuid::from_u128(1) };
//! let writes = attach(|tx| {
//!     tx.connection().execute("INSERT INTO greeting VALUES ('hello')", [])?;
//!     Ok(Payload::null())
//! });
//! let answers = store.commit(Arc::new([Member { change, attach: Some(writes) }])).await?;
//! assert_eq!(answers, [Ok(Outcome::Done { payload: Some(Payload::null()) })]);
//!
//! let text: String = store.read(|conn| conn.query_row("SELECT text FROM greeting", [], |row| row.get(0))).await??;
//! assert_eq!(text, "hello");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Payloads
//!
//! With a codec ([`Options::codec`]) every payload is encoded in the file: inputs, outputs, results, bodies of
//! events and the answers of attachments. Everything else is not, messages of failures included. See
//! [`lumina_workflow::codec`].
//!
//! # Repeated calls
//!
//! After [`StoreError::OutcomeUnknown`](lumina_workflow::store::StoreError) a group is applied
//! again. What was applied answers as it did the first time, told apart like this:
//!
//! - a change of nothing by its id; its answer is stored;
//! - an advance by its records, or without any by what became of the run under the same epoch;
//!   the inbox counter of the first answer is stored in the row.
//!
//! Where the first answer left no trace of its own the second differs, and is safe all the
//! same: a start answers [`Existing`](lumina_workflow::store::Outcome::Existing) with its own
//! id, an event [`Duplicate`](lumina_workflow::store::Delivery::Duplicate), a cancel that was
//! effective that the run had been asked before, a retry that the run is no longer blocked, a
//! tick that its schedule has changed, a pause or its end that it was so before.

mod attachment;
mod blocked;
mod change;
mod checkpoint;
mod claim;
mod column;
mod connect;
mod fault;
mod flow;
mod flush;
mod group;
mod lanes;
mod lock;
mod look;
mod migrate;
mod options;
mod passed;
mod payloads;
mod purge;
mod read;
mod reader;
mod room;
mod shared;
mod store;
mod threads;
mod writer;

pub use attachment::{AttachError, Tx, attach};
pub use checkpoint::Overload;
pub use look::Look;
pub use migrate::{MigrateError, Script};
pub use options::{Mode, OpenError, Options, Role};
pub use rusqlite;
pub use store::SqliteStore;

/// The guide's code is compiled and run: here, because it uses the engine and this store.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/write-a-workflow.md")]
mod guide {}
