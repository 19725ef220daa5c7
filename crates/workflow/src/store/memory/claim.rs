//! Who may execute which run: claims, leases, and when the next claim is worth it.

use std::cmp::Reverse;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::flow::Touched;
use super::state::{Place, Run, State, later};
use crate::id::{DefinitionHash, Epoch, RunId, Seq};
use crate::store::{CLAIMED_EVENTS, CLAIMED_RECORDS, Claim, Claimed, Lease, RunStatus};

/// The order of claims: priority, then since when it is ready, or which place its key gave it.
pub(super) type Turn = (Reverse<i16>, i64, RunId);

impl State {
    pub fn claim(&mut self, claim: &Claim, now: Timestamp) -> Vec<Claimed> {
        self.ripen(now);
        let open = self.open_counters(claim, now);
        let (mut taken, mut touched) = (Vec::<Claimed>::new(), open.clone());
        while taken.len() < claim.limit {
            let wanted = claim.limit - taken.len();
            let mut turns = self.turns(claim, now, claim.limit);
            let released = self.released(&open, claim, now, wanted);
            turns.extend(
                released
                    .into_iter()
                    .map(|id| (self.priority(id), self.held_rank(id), id)),
            );
            turns.sort_unstable();
            turns.retain(|turn| taken.iter().all(|claimed| claimed.lease.run != turn.2));
            turns.truncate(wanted);
            let held = self.take_turns(&turns, claim, now, &mut taken, &mut touched);
            if held == 0 {
                break;
            }
        }
        self.settle(&touched, claim, now);
        taken
    }

    /// Hands over what no limit stands in the way of, and holds the rest; answers how many these were.
    fn take_turns(
        &mut self,
        turns: &[Turn],
        claim: &Claim,
        now: Timestamp,
        taken: &mut Vec<Claimed>,
        touched: &mut Touched,
    ) -> usize {
        let mut held = 0;
        for (_, rank, id) in turns {
            let run = self.run(*id).expect("candidates exist");
            match self.throttle(&run, claim, now, touched) {
                None => taken.push(self.hand_over(*id, claim, now, touched)),
                Some(limit) => {
                    held += 1;
                    self.hold(*id, limit, *rank, now, touched);
                }
            }
        }
        held
    }

    /// The runs that the claim gets if nothing throttles them, in their order.
    pub fn turns(&self, claim: &Claim, now: Timestamp, limit: usize) -> Vec<Turn> {
        let mut turns = self.ready_turns(claim, limit);
        turns.extend(self.due_turns(claim, now));
        turns.extend(self.blocked_turns(claim));
        turns.sort_unstable();
        turns.truncate(limit);
        turns
    }

    /// Since when a run that may be claimed is ready.
    #[cfg(feature = "conformance")]
    pub fn since(&self, id: RunId, now: Timestamp) -> Timestamp {
        match self.runs.get(&id).map(|run| &run.place) {
            Some(Place::Ready { since, .. }) => *since,
            Some(Place::Due(time)) => (*time).min(now),
            _ => now,
        }
    }

    fn ready_turns(&self, claim: &Claim, limit: usize) -> Vec<Turn> {
        let fitting = self.ready.iter().filter(|((.., id), ())| self.fits(*id, claim));
        fitting.take(limit).map(|(turn, ())| *turn).collect()
    }

    fn held_rank(&self, id: RunId) -> i64 {
        match self.runs.get(&id).map(|run| &run.place) {
            Some(Place::Held { rank, .. }) => *rank,
            _ => i64::MAX,
        }
    }

    fn due_turns(&self, claim: &Claim, now: Timestamp) -> Vec<Turn> {
        let end = if claim.takeover { Timestamp::MAX } else { now };
        let due = self
            .due
            .range(..=(end, RunId(Uuid::max())))
            .map(|((time, id), ())| (*time, *id));
        let taken_over = |id: &RunId| self.runs.get(id).is_some_and(|run| is_running_for_another(run, claim));
        let due = due.filter(|(time, id)| *time <= now || taken_over(id));
        let turn = |(time, id): (Timestamp, RunId)| (self.priority(id), time.min(now).as_microsecond(), id);
        due.filter(|(_, id)| self.fits(*id, claim)).map(turn).collect()
    }

    fn blocked_turns(&self, claim: &Claim) -> Vec<Turn> {
        let blocked = self
            .blocked
            .iter()
            .map(|(id, ())| *id)
            .filter(|id| self.fits(*id, claim) && !self.is_stopped(*id));
        let since = |id: &RunId| {
            self.runs
                .get(id)
                .map_or(i64::MAX, |run| run.row.updated_at.as_microsecond())
        };
        blocked.map(|id| (self.priority(id), since(&id), id)).collect()
    }

    pub fn priority(&self, id: RunId) -> Reverse<i16> {
        Reverse(self.runs.get(&id).map_or(0, |run| run.row.priority))
    }

    pub fn fits(&self, id: RunId, claim: &Claim) -> bool {
        let Some(run) = self.runs.get(&id) else { return false };
        let mut hashes = hashes_of(claim, &run.row.workflow);
        if run.row.status == RunStatus::Blocked {
            return hashes.any(|hash| !run.misfits.contains(&hash));
        }
        let newer = claim.known_since > run.known_since;
        newer || hashes.any(|hash| run.any_hash || hash == run.row.hash)
    }

    fn hand_over(&mut self, id: RunId, claim: &Claim, now: Timestamp, touched: &mut Touched) -> Claimed {
        let mut run = self.run(id).expect("candidates exist");
        self.admit(&mut run, claim, now, touched);
        let lease = Lease {
            run: id,
            epoch: Epoch(run.row.epoch.0 + 1),
        };
        let until = later(now, claim.lease);
        let hash = executing_hash(&run, claim);
        run.known_since = match hash == run.row.hash {
            true => run.known_since.max(claim.known_since),
            false => claim.known_since,
        };
        run.row.hash = hash;
        run.any_hash = false;
        run.row.status = RunStatus::Running;
        run.row.blocked = None;
        run.row.epoch = lease.epoch;
        run.row.worker = Some(claim.worker);
        run.row.due_at = Some(until);
        run.row.begun_at.get_or_insert(now);
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
        timer.into_iter().chain(ready).chain(self.next_release()).min()
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
