//! Which workflows have a counter: asked at every claim, since any process may have changed it.

use std::collections::BTreeMap;

use crate::column::{flag, string};
use crate::fault::Fault;
use crate::session::Session;

/// The workflows that have a counter, and whether they are paused.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub workflows: BTreeMap<String, bool>,
}

impl Standing {
    pub(crate) async fn read(db: &Session) -> Result<Self, Fault> {
        const SQL: &str = "SELECT workflow, paused_by IS NOT NULL FROM lumina.workflow_flow WHERE key = ''";
        let rows = db.query(SQL, &[]).await?;
        let workflows = rows.iter().map(|row| Ok::<_, Fault>((string(row, 0)?, flag(row, 1)?)));
        Ok(Self {
            workflows: workflows.collect::<Result<_, _>>()?,
        })
    }

    pub(crate) fn is_paused(&self, workflow: &str) -> bool {
        self.workflows.get(workflow) == Some(&true)
    }
}
