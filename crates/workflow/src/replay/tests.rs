//! A history that has gone back tells what it would if nothing of what is superseded had ever been written.

use proptest::prelude::*;

use super::*;
use crate::history::StepRef;
use crate::id::{Epoch, WorkerId};
use crate::step::StepKey;

/// A step of each kind, by its ordinal.
const KINDS: [StepKind; 5] = [
    StepKind::Action,
    StepKind::Effect,
    StepKind::Wait,
    StepKind::Child,
    StepKind::Action,
];

fn record(ordinal: Option<u32>, what: What) -> Record {
    let step = ordinal.map(|ordinal| StepRef {
        ordinal,
        name: format!("step-{ordinal}"),
        key: StepKey::Occurrence(1),
        kind: KINDS[ordinal as usize - 1],
    });
    Record {
        phase: Phase::Main,
        step,
        what,
        started_at: Timestamp::UNIX_EPOCH,
        ended_at: Timestamp::UNIX_EPOCH,
        worker: WorkerId(uuid::Uuid::nil()),
        epoch: Epoch(1),
    }
}

fn failed(kind: FailureKind) -> What {
    let failure = Failure {
        kind,
        ..Failure::new("no")
    };
    What::Failed {
        failure,
        reason: String::new(),
    }
}

/// What may be written of a step next, of which history knows this.
fn next_of(ordinal: u32, known: Option<&Known>, choice: u8) -> Option<What> {
    if known.is_some_and(|known| !known.is_live()) {
        return None;
    }
    let attempt = known.map_or(0, |known| known.attempts) + 1;
    let done = || What::Completed {
        attempt,
        payload: Some(Payload::null()),
    };
    let retried = || What::AttemptFailed {
        attempt,
        error: StepError::retry("busy"),
        delay: std::time::Duration::ZERO,
        next_at: Timestamp::UNIX_EPOCH,
        reason: String::new(),
    };
    let begun =
        known.is_some_and(|known| known.unresolved.is_some() || known.opened.is_some() || known.child.is_some());
    let ends = |choice: u8| match choice % 4 {
        0 => done(),
        1 => failed(FailureKind::Failed),
        2 => failed(FailureKind::Unknown),
        _ => What::Abandoned,
    };
    Some(match KINDS[ordinal as usize - 1] {
        StepKind::Action if choice.is_multiple_of(2) => retried(),
        StepKind::Action => ends(choice / 2),
        StepKind::Effect if !begun => What::AttemptStarted { attempt },
        StepKind::Effect if choice.is_multiple_of(2) => retried(),
        StepKind::Effect => ends(choice / 2),
        StepKind::Child if !begun => What::ChildStarted {
            run: RunId(uuid::Uuid::from_u128(choice.into())),
        },
        StepKind::Child => ends(choice),
        _ if !begun => What::Opened {
            deadline: Timestamp::UNIX_EPOCH,
        },
        _ if choice.is_multiple_of(2) => What::TimedOut,
        _ => What::Abandoned,
    })
}

/// Steps go on, one at a time, and now and then somebody sends the run back to one of them.
fn history() -> impl Strategy<Value = Vec<Record>> {
    let move_ = (1..=5u32, any::<u8>(), 0..12u8, any::<u8>());
    prop::collection::vec(move_, 1..40).prop_map(|moves| {
        let mut records = Vec::new();
        for (ordinal, choice, turn, back) in moves {
            let replay = Replay::fold(&records, Phase::Main);
            let known = replay.steps.get(&ordinal);
            match known {
                Some(known) if turn == 0 => {
                    let later = records.len() as u64 + 1 - known.first.0;
                    let at = Seq(known.first.0 + u64::from(back) % later);
                    let by = "ada".to_owned();
                    records.push(record(None, What::Rewound { by, step: ordinal, at }));
                }
                known => {
                    let next = next_of(ordinal, known, choice);
                    records.extend(next.map(|what| record(Some(ordinal), what)));
                }
            }
        }
        records
    })
}

/// What it says of each step, but for where that began: of a step that is open from its beginning nothing is left.
fn told(mut replay: Replay) -> String {
    let untouched = format!(
        "{:?}",
        Known::new(record(Some(1), What::TimedOut).step.expect("it has one"), Seq(0))
    );
    let (_, untouched) = untouched.split_once("attempts").expect("it counts attempts");
    replay.steps.values_mut().for_each(|known| known.first = Seq(0));
    replay
        .steps
        .retain(|_, known| !format!("{known:?}").ends_with(untouched));
    format!("{replay:#?}")
}

proptest! {
    #[test]
    fn what_is_superseded_counts_no_more(records in history()) {
        let gone = superseded(&records);
        let placed = (1..).map(Seq).zip(&records);
        let live = placed.filter(|(place, record)| {
            !gone.contains(place) && !matches!(record.what, What::Rewound { .. })
        });
        let (all, left) = (Replay::fold(&records, Phase::Main), Replay::fold_placed(live, Phase::Main));
        prop_assert_eq!(told(all), told(left));
    }
}
