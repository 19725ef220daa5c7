//! Who was given which run.

use std::time::Duration;

use jiff::Timestamp;
use lumina_workflow::store::{CLAIMED_RECORDS, Claim, Claimed, Lease};
use lumina_workflow::{Epoch, RunId};

use super::{Grant, Standing, State, Watch, Watched, Who};
use crate::trace::lock;

impl Watch {
    /// A claim was applied, and these runs were given away.
    pub fn claimed(&self, who: Who, at: Duration, claim: &Claim, given: &[Claimed]) {
        let mut state = lock(&self.state);
        for claimed in given {
            let problems = check(state.run(claimed.run.id), claim, claimed);
            problems.into_iter().for_each(|problem| state.blame(problem));
            give(&mut state, who, at, claim, claimed);
        }
    }

    /// A renewal was applied; `now` is the store's time.
    pub fn renewed(&self, at: Duration, now: Timestamp, held: &[Lease], by: Duration, lost: &[RunId]) {
        let mut state = lock(&self.state);
        for lease in held.iter().filter(|lease| !lost.contains(&lease.run)) {
            let run = state.run(lease.run);
            if lease.epoch.0 != run.epoch {
                let problem = format!(
                    "{}: epoch {} was renewed, {} is current",
                    run.name(),
                    lease.epoch.0,
                    run.epoch
                );
                state.blame(problem);
                continue;
            }
            if run.standing == Standing::Paused {
                let problem = format!("{}: was renewed while it was paused", run.name());
                state.blame(problem);
                continue;
            }
            if let Some(grant) = run.grants.get_mut(&lease.epoch) {
                (grant.at, grant.lease) = (at, by);
            }
            run.standing = Standing::Running { until: later(now, by) };
        }
    }
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    time.saturating_add(by).unwrap_or(Timestamp::MAX)
}

fn give(state: &mut State, who: Who, at: Duration, claim: &Claim, claimed: &Claimed) {
    let run = state.run(claimed.run.id);
    run.epoch = claimed.lease.epoch.0;
    let lease = claim.lease;
    run.grants.insert(
        Epoch(run.epoch),
        Grant {
            who,
            at,
            lease,
            given_back: false,
        },
    );
    run.standing = Standing::Running {
        until: later(claimed.now, lease),
    };
}

/// What is wrong with giving this run away so.
fn check(run: &Watched, claim: &Claim, claimed: &Claimed) -> Vec<String> {
    let mut problems = Vec::new();
    let name = run.name();
    if claimed.lease.epoch.0 != run.epoch + 1 {
        problems.push(format!(
            "{name}: epoch {} was claimed after {}",
            claimed.lease.epoch.0, run.epoch
        ));
    }
    match &run.standing {
        Standing::Paused => problems.push(format!("{name}: was claimed while it was paused")),
        Standing::Ended(_) => problems.push(format!("{name}: was claimed after its end")),
        Standing::Running { until } if *until > claimed.now && !claim.takeover => {
            problems.push(format!("{name}: was claimed while its lease had not run out"));
        }
        _ => {}
    }
    let shown = run.records.iter().take(CLAIMED_RECORDS);
    if claimed.run.seq.0 != run.records.len() as u64 || !claimed.records.iter().map(|stored| &stored.record).eq(shown) {
        problems.push(format!("{name}: the claim shows another history than was committed"));
        return problems;
    }
    let counts = claimed.records.iter().map(|stored| !stored.superseded);
    if !counts.eq(run.counts.iter().copied().take(CLAIMED_RECORDS)) {
        problems.push(format!(
            "{name}: the claim says of another record that it counts no more"
        ));
    }
    problems
}
