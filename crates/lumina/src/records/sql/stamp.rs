//! The stamp: invented people never meet real addresses.

use lumina_workflow::store::Attachment;

use crate::records::db::{Db, Got, Tx, sql, values};
use crate::records::handle::{reads, writes};
use crate::records::{People, ReadError, Records};

impl Records {
    /// Whose people the database holds, if that is settled.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn people(&self) -> Result<Option<String>, ReadError> {
        reads!(self, |db| find_people(db))
    }

    /// Settles whose people the database holds, unless that is settled. The result is what it is.
    #[must_use]
    pub fn stamp(people: People) -> Attachment {
        writes!(|tx, people| settle(tx, *people))
    }
}

pub(super) async fn find_people(db: &impl Db) -> Got<Option<String>> {
    db.find(sql!("SELECT value FROM stamp WHERE name = 'people'"), &[], |row| {
        row.get(0)
    })
    .await
}

async fn settle(tx: &impl Tx, people: People) -> Got<Option<String>> {
    tx.execute(
        sql!("INSERT INTO stamp (name, value) VALUES ('people', ?) ON CONFLICT DO NOTHING"),
        &values![people.as_str()],
    )
    .await?;
    find_people(tx).await
}
