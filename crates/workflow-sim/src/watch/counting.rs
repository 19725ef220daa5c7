//! What of a history still counts after its run was sent back: written from what a rewind is said to do, not from how
//! the engine does it.

use std::collections::BTreeMap;

use lumina_workflow::{Epoch, FailureKind, Phase, Record, What};

/// A step of the main function since it was reached, and not sent back to before that.
struct Reached {
    /// The place of its first record, counted or not, from 1.
    first: u64,
    /// The places of its records that count.
    counted: Vec<u64>,
}

/// A history as it counted until somebody sent the run back, or as it counts at last.
pub(crate) struct Era {
    /// The epoch with which the next one begins.
    pub until: Option<Epoch>,
    /// What counted.
    pub records: Vec<Record>,
}

/// The eras of a whole history, of which there is at least one.
pub(crate) fn eras(records: &[Record]) -> Vec<Era> {
    let turns = (0..records.len()).filter(|index| matches!(records[*index].what, What::Rewound { .. }));
    let ended = turns.map(|index| (index, Some(records[index].epoch)));
    let all = ended.chain([(records.len(), None)]);
    all.map(|(end, until)| Era {
        until,
        records: counted(&records[..end]),
    })
    .collect()
}

/// The records that count.
pub(super) fn counted(records: &[Record]) -> Vec<Record> {
    let counting = records.iter().zip(counting(records));
    let counting = counting.filter_map(|(record, counts)| counts.then_some(record));
    counting.cloned().collect()
}

/// Of each record whether it counts.
pub(super) fn counting(records: &[Record]) -> Vec<bool> {
    let mut counts = vec![true; records.len()];
    let mut reached: BTreeMap<u32, Reached> = BTreeMap::new();
    for (place, record) in (1..).zip(records) {
        match (&record.what, &record.step) {
            (What::Rewound { step, at, .. }, _) => {
                let before = History { records, end: place };
                let gone = before.go_back(*step, at.0, &mut reached);
                gone.into_iter().for_each(|place| counts[index(place)] = false);
            }
            (What::Patched { .. }, _) | (_, None) => {}
            (_, Some(of)) if record.phase == Phase::Main => {
                let (first, counted) = (place, Vec::new());
                let step = reached.entry(of.ordinal).or_insert(Reached { first, counted });
                step.counted.push(place);
            }
            _ => {}
        }
    }
    counts
}

fn index(place: u64) -> usize {
    usize::try_from(place - 1).expect("a place in a slice is a usize")
}

/// A history before a place.
struct History<'h> {
    records: &'h [Record],
    end: u64,
}

impl History<'_> {
    /// The places that count no more. Some of them did not before.
    fn go_back(&self, step: u32, at: u64, reached: &mut BTreeMap<u32, Reached>) -> Vec<u64> {
        let mut gone: Vec<u64> = (1..self.end)
            .filter(|place| self.ends_with_the_run(*place, at))
            .collect();
        reached.retain(|ordinal, of| {
            let stays = *ordinal != step && of.first < at;
            if !stays {
                gone.append(&mut of.counted);
            }
            stays
        });
        for of in reached.values_mut() {
            gone.extend(self.open_again(of, at));
        }
        gone
    }

    fn what(&self, place: u64) -> &What {
        &self.records[index(place)].what
    }

    /// The error handler is gone with what it was there for, and so are the ways that were taken since.
    fn ends_with_the_run(&self, place: u64, at: u64) -> bool {
        let handler = self.records[index(place)].phase == Phase::OnFailure;
        match self.what(place) {
            What::Failing { .. } | What::CancelRequested { .. } => true,
            What::Patched { .. } => handler || place >= at,
            _ => handler,
        }
    }

    /// Of a step that stays: that it was dropped since, or has failed for good since, does not.
    fn open_again(&self, of: &mut Reached, at: u64) -> Vec<u64> {
        let since = |is: fn(&What) -> bool| of.counted.iter().any(|place| *place >= at && is(self.what(*place)));
        let (dropped, failed) = (since(is_dropped), since(has_failed));
        let goes = |place: &u64| match self.what(*place) {
            What::Abandoned => *place >= at,
            What::Failed { .. } | What::AttemptStarted { .. } | What::AttemptFailed { .. } => failed,
            What::ChildStarted { .. } => dropped || failed,
            _ => false,
        };
        let (gone, counted) = of.counted.iter().copied().partition(goes);
        of.counted = counted;
        gone
    }
}

fn is_dropped(what: &What) -> bool {
    *what == What::Abandoned
}

/// What is unknown, or was late, stays.
fn has_failed(what: &What) -> bool {
    matches!(what, What::Failed { failure, .. } if failure.kind == FailureKind::Failed)
}
