//! What happens when two changes meet: each pair in every order that the trait can show, and
//! in flight at once.
//!
//! Whatever the order, an event is found: in the inbox of a run that is ready or executed, or
//! unrouted; never in that of a run that sleeps over it.

use futures_util::future::join;

use super::endings::completing;
use super::samples::{HOUR, ToMember, bare, cancel, claim, event, key, park, record};
use super::stage::{holds, ids, same};
use super::{Stage, block_on};
use crate::history::What;
use crate::id::RunId;
use crate::store::{Advance, Delivery, Lease, Member, MemberResult, Next, Outcome, Refusal, RunStatus};

/// How two changes meet.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Meeting {
    FirstThenSecond,
    SecondThenFirst,
    OneGroup,
    OneGroupReversed,
    InFlight,
    InFlightReversed,
}

impl Meeting {
    const ALL: [Self; 6] = [
        Self::FirstThenSecond,
        Self::SecondThenFirst,
        Self::OneGroup,
        Self::OneGroupReversed,
        Self::InFlight,
        Self::InFlightReversed,
    ];

    /// Which goes first, when that is certain.
    fn first_wins(self) -> Option<bool> {
        match self {
            Self::FirstThenSecond | Self::OneGroup => Some(true),
            Self::SecondThenFirst | Self::OneGroupReversed => Some(false),
            Self::InFlight | Self::InFlightReversed => None,
        }
    }
}

fn meet(stage: &Stage<'_>, how: Meeting, first: Member, second: Member) -> (MemberResult, MemberResult) {
    match how {
        Meeting::FirstThenSecond => {
            let first = stage.apply(first);
            (first, stage.apply(second))
        }
        Meeting::OneGroup => pair(stage.group([first, second])),
        Meeting::InFlight => fly(stage, first, second),
        Meeting::SecondThenFirst => swap(meet(stage, Meeting::FirstThenSecond, second, first)),
        Meeting::OneGroupReversed => swap(meet(stage, Meeting::OneGroup, second, first)),
        Meeting::InFlightReversed => swap(meet(stage, Meeting::InFlight, second, first)),
    }
}

fn fly(stage: &Stage<'_>, first: Member, second: Member) -> (MemberResult, MemberResult) {
    let commit = |member: Member| stage.store().commit([member].into());
    let (first, second) = block_on(join(commit(first), commit(second)));
    pair(
        [first, second]
            .map(|answers| answers.expect("the store commits").remove(0))
            .into(),
    )
}

fn pair(mut answers: Vec<MemberResult>) -> (MemberResult, MemberResult) {
    let second = answers.remove(1);
    (answers.remove(0), second)
}

fn swap<T>((first, second): (T, T)) -> (T, T) {
    (second, first)
}

/// Plays a case in every meeting, each with a key of its own.
fn in_every_meeting(stage: &Stage<'_>, play: impl Fn(Meeting, &str)) {
    for (number, how) in Meeting::ALL.into_iter().enumerate() {
        play(how, &format!("k{number}"));
        stage.claim_as(claim());
    }
}

fn has_once(stage: &Stage<'_>, how: Meeting, run: RunId) {
    same(
        &format!("the event is in the inbox once ({how:?})"),
        stage.inbox_ids(run),
        ids(["e"]),
    );
    same(&format!("it has counted once ({how:?})"), stage.row(run).inbox, 1);
    same(
        &format!("it is not unrouted as well ({how:?})"),
        stage.unrouted_ids(),
        Vec::<String>::new(),
    );
}

/// A run that registers a key and goes on finds the event, whichever comes first; the answer's
/// counter tells when it was there already.
pub fn register_meets_emit(stage: &Stage<'_>) {
    in_every_meeting(stage, |how, text| {
        let lease = stage.running();
        let register = Advance {
            keys: vec![key(text)],
            ..bare(lease, 0)
        };
        let (registered, emitted) = meet(stage, how, register.member(), event("e", key(text)).member());
        has_once(stage, how, lease.run);
        let Ok(Outcome::Advanced { inbox, .. }) = registered else {
            panic!("registering is applied: {registered:?}")
        };
        let routed = emitted == Ok(Outcome::Emitted(Delivery::Routed(lease.run)));
        same(
            &format!("one of the two knows of the other ({how:?})"),
            (inbox == 0, routed),
            (routed, routed),
        );
        if let Some(registered_first) = how.first_wins() {
            same(&format!("the order is kept ({how:?})"), routed, registered_first);
        }
    });
}

/// A run that registers a key and parks in one change does not sleep over the event.
pub fn register_and_park_meets_emit(stage: &Stage<'_>) {
    in_every_meeting(stage, |how, text| {
        let lease = stage.running();
        let wake_at = Some(stage.now() + HOUR);
        let register = Advance {
            keys: vec![key(text)],
            guard: Some(0),
            next: Next::Park { wake_at },
            ..bare(lease, 0)
        };
        let (parked, _) = meet(stage, how, register.member(), event("e", key(text)).member());
        holds(&format!("registering and parking is applied ({how:?})"), parked.is_ok());
        has_once(stage, how, lease.run);
        same(
            &format!("the run does not sleep over it ({how:?})"),
            stage.claim_ids(claim()),
            vec![lease.run],
        );
    });
}

/// A run that parks with a guard either does not park, or is ready again.
pub fn park_meets_emit(stage: &Stage<'_>) {
    in_every_meeting(stage, |how, _| {
        let lease = stage.running();
        let parks = Advance {
            guard: Some(0),
            ..park(lease)
        };
        let (parked, emitted) = meet(stage, how, parks.member(), event("e", lease.run).member());
        same(
            "the event is routed",
            emitted,
            Ok(Outcome::Emitted(Delivery::Routed(lease.run))),
        );
        has_once(stage, how, lease.run);
        wakes_or_stays(stage, how, lease, &parked);
    });
}

/// A cancel is not slept over either. (In one group the two cannot meet: a run is the subject of
/// at most one member.)
pub fn park_meets_cancel(stage: &Stage<'_>) {
    let together = |how: &Meeting| matches!(how, Meeting::OneGroup | Meeting::OneGroupReversed);
    for how in Meeting::ALL.into_iter().filter(|how| !together(how)) {
        let lease = stage.running();
        let parks = Advance {
            guard: Some(0),
            ..park(lease)
        };
        let (parked, _) = meet(stage, how, parks.member(), cancel(lease.run).member());
        wakes_or_stays(stage, how, lease, &parked);
        same(
            "the wish is kept",
            stage.row(lease.run).cancel_by.as_deref(),
            Some("ada"),
        );
        stage.claim_as(claim());
    }
}

fn wakes_or_stays(stage: &Stage<'_>, how: Meeting, lease: Lease, parked: &MemberResult) {
    let status = stage.row(lease.run).status;
    if let Some(parked_first) = how.first_wins() {
        same(&format!("the order is kept ({how:?})"), parked.is_ok(), parked_first);
    }
    match parked {
        Ok(_) => same(
            &format!("a parked run is ready ({how:?})"),
            stage.claim_ids(claim()),
            vec![lease.run],
        ),
        Err(refusal) => {
            same(
                "the refusal tells the counter",
                refusal.clone(),
                Refusal::InboxChanged { inbox: 1 },
            );
            same(
                &format!("a run that did not park is executed ({how:?})"),
                status,
                RunStatus::Running,
            );
        }
    }
}

/// A wait that runs out is recorded only if no event is there: the event wins.
pub fn timeout_meets_emit(stage: &Stage<'_>) {
    in_every_meeting(stage, |how, _| {
        let lease = stage.running();
        let expires = Advance {
            records: vec![record(lease, 1, What::TimedOut)],
            guard: Some(0),
            ..bare(lease, 0)
        };
        let (expired, _) = meet(stage, how, expires.member(), event("e", lease.run).member());
        has_once(stage, how, lease.run);
        let recorded = stage.history(lease.run).len();
        same(
            &format!("a refused timeout is not recorded ({how:?})"),
            recorded,
            usize::from(expired.is_ok()),
        );
        if let Some(expired_first) = how.first_wins() {
            same(&format!("the order is kept ({how:?})"), expired.is_ok(), expired_first);
        }
    });
}

/// A run that is being started finds the event, whichever comes first.
pub fn start_meets_emit(stage: &Stage<'_>) {
    in_every_meeting(stage, |how, _| {
        let new = stage.new_run();
        let (started, _) = meet(stage, how, new.clone().member(), event("e", new.id).member());
        same("the run is started", started, Ok(Outcome::Started));
        has_once(stage, how, new.id);
    });
}

/// A run that ends while an event comes leaves it unrouted: it is never lost with the run.
pub fn finish_meets_emit(stage: &Stage<'_>) {
    for how in Meeting::ALL {
        let lease = stage.running();
        let id = format!("{how:?}");
        let (finished, _) = meet(
            stage,
            how,
            completing(lease, 0).member(),
            event(&id, lease.run).member(),
        );
        holds("the run ends", finished.is_ok());
        same(
            "an ended run has an empty inbox",
            stage.inbox_ids(lease.run),
            Vec::<String>::new(),
        );
        holds(
            &format!("the event is unrouted ({how:?})"),
            stage.unrouted_ids().contains(&id),
        );
    }
}

/// Of two runs that register one key, one gets it, and the other is told who has it.
pub fn register_meets_register(stage: &Stage<'_>) {
    in_every_meeting(stage, |how, text| {
        let (one, two) = (stage.running(), stage.running());
        let register = |lease| {
            Advance {
                keys: vec![key(text)],
                ..bare(lease, 0)
            }
            .member()
        };
        let (first, second) = meet(stage, how, register(one), register(two));
        let taken = |by: Lease| {
            Err(Refusal::KeyTaken {
                key: key(text),
                by: by.run,
            })
        };
        let one_wins = first.is_ok() && second == taken(one);
        let two_wins = second.is_ok() && first == taken(two);
        holds(&format!("exactly one gets the key ({how:?})"), one_wins != two_wins);
        if let Some(first_wins) = how.first_wins() {
            same(&format!("the order is kept ({how:?})"), one_wins, first_wins);
        }
    });
}

/// A run that ends frees its key for one that registers it, before or after, but not both hold it.
pub fn finish_meets_register(stage: &Stage<'_>) {
    in_every_meeting(stage, |how, text| {
        let (holder, heir) = (stage.running(), stage.running());
        let register = |lease| {
            Advance {
                keys: vec![key(text)],
                ..bare(lease, 0)
            }
            .member()
        };
        holds("the key is free", stage.apply(register(holder)).is_ok());
        let (_, registered) = meet(stage, how, completing(holder, 0).member(), register(heir));
        let owner = stage.emit(event("e", key(text)));
        match registered {
            Ok(_) => same("the heir has the key", owner, Delivery::Routed(heir.run)),
            Err(refusal) => {
                same(
                    "the key was taken",
                    refusal,
                    Refusal::KeyTaken {
                        key: key(text),
                        by: holder.run,
                    },
                );
                same("and is free afterwards", owner, Delivery::Unrouted);
            }
        }
    });
}

/// So often a claim is tried before an event that other threads send must have come.
const CLAIMS: usize = 500_000;

/// Many threads emit while a run parks again and again: in the end every event was found, and
/// none was slept over.
pub fn many_emit_while_a_run_parks(stage: &Stage<'_>) {
    const THREADS: usize = 4;
    const EVENTS: usize = 25;
    let mut lease = stage.running();
    let run = lease.run;
    let store = stage.store();
    let mut found = 0;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for number in 0..EVENTS {
                    let sent = event(&format!("{thread}-{number}"), run).member();
                    block_on(store.commit([sent].into())).expect("the store commits");
                }
            });
        }
        while found < THREADS * EVENTS {
            found += consume_all(stage, lease);
            lease = park_and_claim(stage, lease, found == THREADS * EVENTS).unwrap_or(lease);
        }
    });
    same("every event was found once", found, THREADS * EVENTS);
    same("each has counted once", stage.row(run).inbox, (THREADS * EVENTS) as u64);
}

fn consume_all(stage: &Stage<'_>, lease: Lease) -> usize {
    let consumed: Vec<u64> = stage
        .inbox(Some(lease.run))
        .events
        .iter()
        .map(|event| event.seq)
        .collect();
    let count = consumed.len();
    stage.advanced(Advance {
        consumed,
        ..bare(lease, 0)
    });
    count
}

/// Parks if nothing came in since the inbox was found empty, and waits until it is ready again.
fn park_and_claim(stage: &Stage<'_>, lease: Lease, last: bool) -> Option<Lease> {
    let inbox = stage.inbox(Some(lease.run));
    if last || !inbox.events.is_empty() {
        return None;
    }
    stage
        .apply(Advance {
            guard: Some(inbox.counter),
            ..park(lease)
        })
        .ok()?;
    for _ in 0..CLAIMS {
        if let Some(claimed) = stage.claim_as(claim()).pop() {
            return Some(claimed.lease);
        }
        std::thread::yield_now();
    }
    panic!("this promise does not hold: a parked run is ready when an event comes; {CLAIMS} claims found nothing");
}
