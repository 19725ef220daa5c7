//! Databases for tests: on the server that `LUMINA_TEST_DATABASE_URL` names, or on a private one that the first test
//! starts and that goes when the last is over.
//!
//! The private server runs with the defaults that production has, durability included, under a user without rights
//! when the tests are root's. Its files are where the system keeps files in memory, if it does: what is tested on it
//! is the code, not the disk. A test that stops its server, or needs the disk, has a [`Cluster`] of its own.
//!
//! ```no_run
//! use lumina_workflow_postgres::PostgresStore;
//! use lumina_workflow_postgres::testing::Database;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let database = Database::empty("example");
//! let store = PostgresStore::open(database.options()).await?;
//! # Ok(())
//! # }
//! ```

mod binaries;
mod cluster;
mod database;
mod server;

pub use binaries::Binaries;
pub use cluster::Cluster;
pub use database::Database;
