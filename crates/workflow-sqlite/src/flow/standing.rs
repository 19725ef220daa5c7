//! What the writer remembers of flow control, so that a claim of workflows without any costs
//! nothing for it.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::fault::Fault;

/// What the database says, as long as no [`News`] come in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    /// The workflows that have a counter, and whether they are paused.
    pub workflows: BTreeMap<String, bool>,
    /// No timer of a run with a flow key is due before this time.
    pub keyed_timer: i64,
}

impl Standing {
    pub(crate) fn read(conn: &Connection) -> Result<Self, Fault> {
        const SQL: &str = "SELECT workflow, paused_by IS NOT NULL FROM workflow_flow INDEXED BY workflow_flow_whole \
             WHERE key = ''";
        let mut statement = conn.prepare_cached(SQL)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(Self {
            workflows: rows.collect::<Result<_, _>>()?,
            keyed_timer: i64::MIN,
        })
    }

    pub(crate) fn is_paused(&self, workflow: &str) -> bool {
        self.workflows.get(workflow) == Some(&true)
    }
}

/// What has changed since the last claim.
#[derive(Debug)]
pub(crate) struct News {
    /// Somebody else wrote, a workflow has a counter now, or was paused or resumed.
    pub all: bool,
    /// The earliest timer of a run with a flow key that was set.
    pub keyed_timer: i64,
}

impl Default for News {
    fn default() -> Self {
        Self {
            all: false,
            keyed_timer: i64::MAX,
        }
    }
}

impl News {
    /// What still holds of what was remembered.
    pub(crate) fn apply(self, standing: Option<Standing>) -> Option<Standing> {
        let standing = standing.filter(|_| !self.all)?;
        Some(Standing {
            keyed_timer: standing.keyed_timer.min(self.keyed_timer),
            ..standing
        })
    }
}
