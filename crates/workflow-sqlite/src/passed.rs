//! Which ready runs need not be looked at, because they are for other code.
//!
//! A ready run that a worker may not claim stays one until a worker that may has claimed it: its
//! definition does not change meanwhile. So whatever lies before the first run that the worker
//! could have had is passed over by its next claim, however much it is. Whoever becomes ready
//! later is told here.

use std::collections::BTreeMap;
use std::sync::Arc;

use lumina_workflow::DefinitionHash;
use lumina_workflow::store::Claim;

/// The places up to which nothing is for a claimer, by priority.
#[derive(Debug, Clone)]
pub(crate) struct Passed {
    definitions: Arc<[(String, DefinitionHash)]>,
    known_since: i64,
    up_to: BTreeMap<i64, i64>,
}

impl Passed {
    /// What is remembered of this claimer.
    pub(crate) fn of(remembered: Option<Self>, claim: &Claim) -> Self {
        let known_since = claim.known_since.as_microsecond();
        let same = |passed: &Self| passed.known_since == known_since && passed.definitions == claim.definitions;
        remembered.filter(same).unwrap_or_else(|| Self {
            definitions: claim.definitions.clone(),
            known_since,
            up_to: BTreeMap::new(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.up_to.is_empty()
    }

    /// The last place of this priority that is passed over.
    pub(crate) fn up_to(&self, priority: i64) -> i64 {
        self.up_to.get(&priority).copied().unwrap_or(i64::MIN)
    }

    /// Up to here nothing of this priority is for the claimer.
    pub(crate) fn pass(&mut self, priority: i64, rank: i64) {
        self.up_to.insert(priority, rank);
    }

    /// Here is the first that is for the claimer.
    pub(crate) fn stop_before(&mut self, priority: i64, rank: i64) {
        if let Some(up_to) = self.up_to.get_mut(&priority) {
            *up_to = (*up_to).min(rank.saturating_sub(1));
        }
    }

    /// Somebody has become ready at this place.
    pub(crate) fn go_back(&mut self, rank: i64) {
        for up_to in self.up_to.values_mut() {
            *up_to = (*up_to).min(rank.saturating_sub(1));
        }
    }
}
