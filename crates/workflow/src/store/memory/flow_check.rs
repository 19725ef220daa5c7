//! What holds of counters, whatever has happened.

use jiff::Timestamp;

use super::flow::{Lot, Touched, flow_key};
use super::state::{Admitted, Place, Run, State};
use crate::id::RunId;
use crate::store::Claim;

impl State {
    /// Runs that are held though the claimer could have them and no limit stands in their way.
    pub fn held_in_vain(&self, claim: &Claim, now: Timestamp) -> Vec<RunId> {
        let held = self.held.iter().map(|((.., id), ())| *id);
        let mine = held.filter(|id| self.fits(*id, claim));
        let runs = mine
            .filter_map(|id| self.runs.get(&id))
            .filter(|run| claim.has(&run.row.workflow));
        let free = runs.filter(|run| self.throttle(run, claim, now, &mut Touched::new()).is_none());
        free.map(|run| run.row.id).collect()
    }

    /// The counters that do not say how many runs there are, each with what it says.
    pub fn miscounted(&self) -> Vec<String> {
        let wrong = self.flows.iter().filter(|((workflow, key), flow)| {
            let own = self.runs.iter().map(|(_, run)| run);
            let own = own.filter(|run| run.row.workflow == *workflow);
            let own: Vec<&Run> = own.filter(|run| key.is_empty() || flow_key(run) == Some(key)).collect();
            let count = |fits: &dyn Fn(&Run) -> bool| own.iter().filter(|run| fits(run)).count() as u64;
            let held_in = |run: &Run, wanted: &Lot| matches!(&run.place, Place::Held { lot, .. } if lot == wanted);
            let counter = &flow.counter;
            let lot = if key.is_empty() {
                Lot::Whole
            } else {
                Lot::Key(key.clone())
            };
            let promised = if key.is_empty() {
                0
            } else {
                count(&|run| held_in(run, &Lot::Whole))
            };
            let paused = if key.is_empty() {
                count(&|run| held_in(run, &Lot::Paused))
            } else {
                0
            };
            let in_flight = count(&|run| run.admitted == Admitted::Counted && !run.row.status.is_end());
            let told = (counter.in_flight, counter.held, counter.promised, counter.paused);
            told != (in_flight, count(&|run| held_in(run, &lot)), promised, paused)
        });
        wrong.map(|(id, flow)| format!("{id:?}: {flow:?}")).collect()
    }
}
