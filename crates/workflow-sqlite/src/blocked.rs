//! Which looks at blocked runs are worth making.
//!
//! A blocked run is due once for each other definition hash, so a worker whose hashes were
//! all tried finds nothing until another run is blocked. That is remembered here, and a claim
//! then costs nothing for blocked runs, however many there are.

use std::sync::Arc;

use lumina_workflow::DefinitionHash;

/// The definitions of one worker.
type Definitions = Arc<[(String, DefinitionHash)]>;

/// More than a few sets of definitions in one process are a test's doing.
const REMEMBERED: usize = 8;

/// Sets of definitions for which no blocked run was left.
#[derive(Default)]
pub(crate) struct Searched(Vec<Definitions>);

impl Searched {
    /// Whether a claim with these definitions should look.
    pub(crate) fn is_worth_it(&self, definitions: &Definitions) -> bool {
        !self
            .0
            .iter()
            .any(|known| Arc::ptr_eq(known, definitions) || known == definitions)
    }

    /// A claim with these has looked, and found fewer runs than it would have taken.
    pub(crate) fn found_no_more(&mut self, definitions: &Definitions) {
        self.0.truncate(REMEMBERED - 1);
        self.0.insert(0, definitions.clone());
    }

    /// A run was blocked: those with another hash for its workflow have to look again.
    pub(crate) fn note(&mut self, workflow: &str, hash: DefinitionHash) {
        let concerns = |known: &Definitions| known.iter().any(|(name, own)| name == workflow && *own != hash);
        self.0.retain(|known| !concerns(known));
    }
}
