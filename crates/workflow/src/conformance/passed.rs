//! Claims that pass over what is for others: nothing is hidden by it.

use super::Stage;
use super::samples::{OTHER_HASH, SECOND, ToMember, WORKFLOW, bare, claim, claim_under, claim_with, moment};
use super::stage::{holds, same};
use crate::flow::Flow;
use crate::store::{Advance, Claim, NewRun, Next, RunStatus};

/// Runs for other code, however long they have been in front, hide nothing that takes its turn
/// before or among them.
pub fn work_for_others_hides_nothing(stage: &Stage<'_>) {
    let strangers: Vec<_> = (0..3)
        .map(|_| {
            stage.start(NewRun {
                hash: OTHER_HASH,
                known_since: moment(10),
                ..stage.new_run()
            })
        })
        .collect();
    same("they are for others", stage.claim_ids(claim()), vec![]);
    stage.pass(SECOND);
    let plain = stage.start_many(1, None);
    let first = stage.start_many(2, Some("a"));
    let late = stage.start(NewRun {
        delay: SECOND,
        flow_key: Some("b".to_owned()),
        ..stage.new_run()
    });
    same("new ones are found", stage.claim_ids(claim()), [first, plain].concat());
    same("and no others", stage.claim_ids(claim()), vec![]);
    stage.pass(SECOND);
    same("a timer's turn is found", stage.claim_ids(claim()), vec![late]);
    let code = Claim {
        limit: 2,
        ..claim_with(&[(WORKFLOW, OTHER_HASH)], 0)
    };
    same("others find theirs", stage.claim_ids(code), strangers[..2].to_vec());
    same(
        "newer code as well",
        stage.claim_ids(claim_with(&[], 11)),
        strangers[2..].to_vec(),
    );
}

/// One that shares its place with a run for other code is found though it was not taken when
/// both were looked at.
pub fn a_shared_place_is_not_passed_over(stage: &Stage<'_>) {
    let early = stage.running();
    let wake_at = Some(stage.now() + SECOND);
    stage.advanced(Advance {
        next: Next::Park { wake_at },
        ..bare(early, 0)
    });
    stage.pass(2 * SECOND);
    stage.start(NewRun {
        hash: OTHER_HASH,
        known_since: moment(10),
        priority: i16::MAX,
        ..stage.new_run()
    });
    let shared = stage.start(NewRun {
        flow_key: Some("a".to_owned()),
        priority: i16::MAX,
        ..stage.new_run()
    });
    let one = || Claim { limit: 1, ..claim() };
    same("the timer is first", stage.claim_ids(one()), vec![early.run]);
    same("then it", stage.claim_ids(one()), vec![shared]);
}

/// What is behind ever so many that have no place is found, if not by the first claim.
pub fn what_is_behind_many_is_found(stage: &Stage<'_>) {
    let new = || NewRun {
        flow_key: Some("a".to_owned()),
        ..stage.new_run()
    };
    for _ in 0..5 {
        let starts: Vec<_> = (0..500).map(|_| new().member()).collect();
        stage.group(starts);
    }
    let behind = stage.start(NewRun {
        priority: -1,
        ..stage.new_run()
    });
    let limited = || claim_under(Flow::none().in_flight_per_key(1));
    let claims = (0..9)
        .map(|_| stage.claim_ids(limited()))
        .take_while(|runs| !runs.contains(&behind));
    let before: Vec<_> = claims.flatten().collect();
    holds(
        "it is found",
        before.len() <= 1 && stage.row(behind).status == RunStatus::Running,
    );
    same("and all others are held", stage.whole().throttled, 2_499);
}
