//! Moving up: an embedded installation, with all that is on its way, becomes one on a PostgreSQL server.
//!
//! What is moved must never be worked off in both places: it would be paid for twice. So the order is fixed, and
//! whatever happens in between, the same call made again finds out where it was:
//!
//! 1. The file is taken as its executing process takes it, and nobody else writes to it.
//! 2. All rows are copied in one transaction of the server, and each is read back and compared.
//! 3. The file is closed for good: from then on it refuses every write, whatever program makes it, and says where its
//!    rows are.
//! 4. The server commits.
//!
//! Before the third step the file is as it was, and the server has nothing. After the fourth the server has it all. In
//! between the file is closed under a number, and whether the server knows that number tells which of both it is.

mod column;
mod error;
mod source;
mod tables;
mod target;

use std::path::Path;

use jiff::Timestamp;
use lumina_workflow_postgres::Options;
use serde::Serialize;
use uuid::Uuid;

pub use error::MoveError;
use source::{Closed, Source};
use target::Target;

/// What a move came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Moved {
    /// What was moved, by table; empty when all of it had been there already.
    pub tables: Vec<MovedTable>,
    /// Whether an earlier call had moved it.
    pub is_repeated: bool,
}

/// One table's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MovedTable {
    /// Its name, which is the same in both.
    pub table: String,
    /// How many rows were copied, read back and found equal.
    pub rows: u64,
}

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage<'m> {
    /// All of a table's rows have been sent.
    Copied(&'m str),
    /// All of them have been read back.
    Compared(&'m str),
    /// The file takes no writes any more, and the server has not committed yet.
    Closed,
    /// The server has all of it.
    Committed,
}

/// Moves what is in a file to a server's database, which must be empty.
///
/// Called again after it was interrupted, it goes on, or says that nothing is left to do. Whoever watches is told each
/// stage, and can stop it there: what is left is what a process leaves that dies at this moment.
///
/// # Errors
/// When either cannot be opened, when somebody executes the file, when the database is not empty or not alike, and
/// when a row is not the same on both sides.
pub async fn move_to(
    file: &Path,
    server: Options,
    id: Uuid,
    now: Timestamp,
    mut watch: impl FnMut(Stage<'_>) -> Result<(), MoveError>,
) -> Result<Moved, MoveError> {
    let source = Source::open(file).await?;
    let mut target = Target::open(server).await?;
    if let Some(closed) = source.closed()? {
        if target.holds(&closed).await? {
            return Ok(Moved {
                tables: Vec::new(),
                is_repeated: true,
            });
        }
        source.refuse_other_target(&closed, target.name())?;
        source.reopen()?;
    }
    let tables = copy(&source, &mut target, &mut watch).await?;
    let closed = Closed {
        id,
        target: target.name().to_owned(),
        at: now,
    };
    target.sign(&closed).await?;
    source.close(&closed)?;
    watch(Stage::Closed)?;
    target.commit().await?;
    watch(Stage::Committed)?;
    Ok(Moved {
        tables,
        is_repeated: false,
    })
}

/// Where a file's rows are, if they were moved. A file that cannot be read does not say: whoever opens it is told.
#[must_use]
pub fn find_new_place(file: &Path) -> Option<String> {
    source::find_new_place(file).ok().flatten()
}

async fn copy(
    source: &Source,
    target: &mut Target,
    watch: &mut impl FnMut(Stage<'_>) -> Result<(), MoveError>,
) -> Result<Vec<MovedTable>, MoveError> {
    let tables = tables::pair(source.tables()?, target.tables().await?)?;
    target.take(&tables).await?;
    let mut moved = Vec::new();
    for table in &tables {
        let rows = target.copy(table, source).await?;
        watch(Stage::Copied(&table.name))?;
        target.compare(table, source, rows).await?;
        watch(Stage::Compared(&table.name))?;
        moved.push(MovedTable {
            table: table.name.clone(),
            rows,
        });
    }
    target.set_sequences(source.last_event()?).await?;
    Ok(moved)
}
