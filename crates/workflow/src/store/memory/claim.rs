//! Who may execute which run: claims, leases, and when the next claim is worth it.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::state::{Place, Run, State, later};
use crate::id::{DefinitionHash, Epoch, RunId, Seq};
use crate::store::{CLAIMED_EVENTS, CLAIMED_RECORDS, Claim, Claimed, Lease, RunStatus};

/// The order of claims: priority, since when it is ready, in which order it became so.
pub(super) type Turn = (Reverse<i16>, Timestamp, u64, RunId);

impl State {
    pub fn claim(&mut self, claim: &Claim, now: Timestamp) -> Vec<Claimed> {
        let turns = self.turns(claim, now);
        turns
            .into_iter()
            .map(|(.., id)| self.hand_over(id, claim, now))
            .collect()
    }

    /// The runs that the claim gets, in their order.
    pub fn turns(&self, claim: &Claim, now: Timestamp) -> Vec<Turn> {
        let mut turns = self.ready_turns(claim);
        turns.extend(self.due_turns(claim, now));
        turns.extend(self.blocked_turns(claim));
        turns.sort_unstable();
        turns.truncate(claim.limit);
        turns
    }

    fn ready_turns(&self, claim: &Claim) -> Vec<Turn> {
        let fitting = self.ready.iter().filter(|((.., id), ())| self.fits(*id, claim));
        fitting.take(claim.limit).map(|(turn, ())| *turn).collect()
    }

    fn due_turns(&self, claim: &Claim, now: Timestamp) -> Vec<Turn> {
        let end = if claim.takeover { Timestamp::MAX } else { now };
        let due = self
            .due
            .range(..=(end, RunId(Uuid::max())))
            .map(|((time, id), ())| (*time, *id));
        let taken_over = |id: &RunId| self.runs.get(id).is_some_and(|run| is_running_for_another(run, claim));
        let due = due.filter(|(time, id)| *time <= now || taken_over(id));
        let turn = |(time, id): (Timestamp, RunId)| (self.priority(id), time.min(now), 0, id);
        due.filter(|(_, id)| self.fits(*id, claim)).map(turn).collect()
    }

    fn blocked_turns(&self, claim: &Claim) -> Vec<Turn> {
        let blocked = self
            .blocked
            .iter()
            .map(|(id, ())| *id)
            .filter(|id| self.fits(*id, claim));
        let since = |id: &RunId| match self.runs.get(id).map(|run| run.place) {
            Some(Place::Blocked { since }) => since,
            _ => Timestamp::MAX,
        };
        blocked.map(|id| (self.priority(id), since(&id), 0, id)).collect()
    }

    fn priority(&self, id: RunId) -> Reverse<i16> {
        Reverse(self.runs.get(&id).map_or(0, |run| run.row.priority))
    }

    fn fits(&self, id: RunId, claim: &Claim) -> bool {
        let Some(run) = self.runs.get(&id) else { return false };
        let mut hashes = hashes_of(claim, &run.row.workflow);
        if run.row.status == RunStatus::Blocked {
            return hashes.any(|hash| !run.misfits.contains(&hash));
        }
        let newer = claim.known_since > run.known_since;
        newer || hashes.any(|hash| run.any_hash || hash == run.row.hash)
    }

    fn hand_over(&mut self, id: RunId, claim: &Claim, now: Timestamp) -> Claimed {
        let mut run = self.run(id).expect("candidates exist");
        let lease = Lease {
            run: id,
            epoch: Epoch(run.row.epoch.0 + 1),
        };
        let until = later(now, claim.lease);
        run.row.hash = executing_hash(&run, claim);
        run.known_since = run.known_since.max(claim.known_since);
        run.any_hash = false;
        run.row.status = RunStatus::Running;
        run.row.blocked = None;
        run.row.epoch = lease.epoch;
        run.row.worker = Some(claim.worker);
        run.row.due_at = Some(until);
        run.row.updated_at = now;
        run.place = Place::Due(until);
        let row = run.view();
        self.save(run);
        Claimed {
            lease,
            run: row,
            records: self.history(id, Seq(0), CLAIMED_RECORDS),
            events: self.inbox_events(id, 0, CLAIMED_EVENTS),
            now,
        }
    }

    pub fn renew(&mut self, held: &[Lease], by: Duration, now: Timestamp) -> Vec<RunId> {
        let until = later(now, by);
        let mut lost = Vec::new();
        for lease in held {
            match self
                .run(lease.run)
                .filter(|run| is_running(run) && run.row.epoch == lease.epoch)
            {
                Some(mut run) => {
                    run.row.due_at = Some(until);
                    run.place = Place::Due(until);
                    self.save(run);
                }
                None => lost.push(lease.run),
            }
        }
        lost
    }

    pub fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let timer = self.due.first().map(|(time, _)| *time);
        let ready = self.ready.first().map(|_| now);
        timer.into_iter().chain(ready).min()
    }
}

fn is_running(run: &Run) -> bool {
    run.row.status == RunStatus::Running
}

fn is_running_for_another(run: &Run, claim: &Claim) -> bool {
    is_running(run) && run.row.worker != Some(claim.worker)
}

fn hashes_of<'a>(claim: &'a Claim, workflow: &'a str) -> impl Iterator<Item = DefinitionHash> + 'a {
    claim
        .definitions
        .iter()
        .filter(move |(name, _)| name == workflow)
        .map(|(_, hash)| *hash)
}

/// The definition that this worker executes the run with: the same if it has it and it may
/// fit, else another of its own, one that was not tried in vain if there is one; without any,
/// the hash stays as it is.
fn executing_hash(run: &Run, claim: &Claim) -> DefinitionHash {
    let own = run.row.hash;
    let all = || hashes_of(claim, &run.row.workflow);
    let hashes = || all().filter(|hash| !run.misfits.contains(hash));
    let same = hashes().find(|hash| *hash == own);
    same.or_else(|| hashes().next()).or_else(|| all().next()).unwrap_or(own)
}
