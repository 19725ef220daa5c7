//! The stamp: invented people never meet real addresses.

use lumina_workflow::store::Attachment;
use rusqlite::OptionalExtension;

use super::{ReadError, Records, writes};
use crate::records::People;

impl Records {
    /// Whose people the database holds, if that is settled.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn people(&self) -> Result<Option<String>, ReadError> {
        self.read(|connection| {
            let mut find = connection.prepare_cached("SELECT value FROM stamp WHERE name = 'people'")?;
            find.query_row([], |row| row.get(0)).optional()
        })
        .await
    }

    /// Settles whose people the database holds, unless that is settled. The result is what it is.
    #[must_use]
    pub fn stamp(people: People) -> Attachment {
        writes(move |tx| {
            let connection = tx.connection();
            connection
                .prepare_cached("INSERT INTO stamp (name, value) VALUES ('people', ?) ON CONFLICT DO NOTHING")?
                .execute([people.as_str()])?;
            let value: String =
                connection.query_row("SELECT value FROM stamp WHERE name = 'people'", [], |row| row.get(0))?;
            Ok(value)
        })
    }
}
