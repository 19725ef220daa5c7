//! Events for runs that are there, and for keys that nobody has registered yet, in a few statements.

use std::collections::BTreeSet;

use lumina_workflow::store::{Change, Delivery, EVENT_BUFFER_LIMIT, Member, MemberResult, Outcome, RunStatus};
use lumina_workflow::{NewEvent, RunId, Target};
use uuid::Uuid;

use super::rows::Row;
use super::{Known, aside};
use crate::column::{from_int, later, scope, string};
use crate::fault::{self, Fault};
use crate::group::Group;
use crate::param::Param;
use crate::text as stored;

/// An event on its way.
pub(super) struct Letter<'m> {
    pub place: usize,
    pub event: &'m NewEvent,
    pub scope: (String, String),
    /// The run that takes it, which is locked; none while nobody has registered its key, and nobody can.
    to: Option<(RunId, &'m Row)>,
}

/// Delivers those whose run is there and takes them, and sets those aside for whose key nobody is there. The others are
/// left to be looked at one by one.
pub(super) async fn apply<'m>(
    group: &Group,
    members: &'m [Member],
    alone: &[usize],
    known: &'m Known<'m>,
    answers: &mut [Option<MemberResult>],
) -> Result<(), Fault> {
    let letter = |place: &usize| match &members[*place].change {
        Change::Emit(event) => address(group, *place, event, known),
        _ => None,
    };
    let mut letters: Vec<Letter<'_>> = alone.iter().filter_map(letter).collect();
    // What nobody takes is kept in the order in which it came.
    if alone.iter().filter(|place| sends(&members[**place])).count() > letters.len() {
        letters.retain(|letter| !letter.is_for_nobody());
    }
    let letters = aside::with_room(group, letters).await?;
    if letters.is_empty() {
        return Ok(());
    }
    let new = remember(group, &letters).await?;
    let (letters, again): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| new.contains(&letter.id()));
    for letter in again {
        answers[letter.place] = Some(Ok(Outcome::Emitted(Delivery::Duplicate)));
    }
    for letter in &letters {
        let delivery = letter.to.map_or(Delivery::Unrouted, |(run, _)| Delivery::Routed(run));
        answers[letter.place] = Some(Ok(Outcome::Emitted(delivery)));
    }
    let (there, nobody): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| letter.to.is_some());
    let arriving = fault::together(put_in(group, &there), arrive(group, &there));
    fault::together(arriving, aside::set_aside(group, &nobody)).await?;
    Ok(())
}

fn sends(member: &Member) -> bool {
    match &member.change {
        Change::Emit(_) => true,
        Change::Advance(step) => !step.emits.is_empty(),
        _ => false,
    }
}

fn address<'m>(group: &Group, place: usize, event: &'m NewEvent, known: &'m Known<'m>) -> Option<Letter<'m>> {
    let to = match &event.target {
        Target::Run(run) => Some(*run),
        Target::Key(key) => known.holders.get(key).copied(),
    };
    let to = match (to, &event.target) {
        (Some(run), _) => Some((run, known.rows.get(&run).filter(|row| takes(row))?)),
        (None, Target::Key(key)) if group.is_reserved(key) => None,
        (None, _) => return None,
    };
    let (scope, key) = scope(&event.target);
    Some(Letter {
        place,
        event,
        scope: (scope, key.into_owned()),
        to,
    })
}

/// Whether there is nothing out of the ordinary about that it takes an event.
fn takes(row: &Row) -> bool {
    let full = from_int(row.buffered) >= EVENT_BUFFER_LIMIT;
    let by_itself = row.keyed && wakes(row);
    !(row.status.is_end() || full || by_itself)
}

/// Whether the run becomes ready because of an event.
fn wakes(row: &Row) -> bool {
    row.status == RunStatus::Waiting && row.rank.is_none() && !row.held
}

impl Letter<'_> {
    fn id(&self) -> (String, String, String) {
        (self.scope.0.clone(), self.scope.1.clone(), self.event.id.clone())
    }

    pub(super) fn is_for_nobody(&self) -> bool {
        self.to.is_none()
    }
}

/// Columns of letters.
pub(super) fn texts<'l>(letters: &'l [Letter<'_>], of: impl Fn(&'l Letter<'_>) -> Option<&'l str>) -> Param<'l> {
    Param::Texts(letters.iter().map(|letter| of(letter).map(stored::write)).collect())
}

/// Notes their ids; answers those that were not known.
async fn remember(group: &Group, letters: &[Letter<'_>]) -> Result<BTreeSet<(String, String, String)>, Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_event_id (scope, scope_key, id, run) \
         SELECT t.scope, t.scope_key, t.id, t.run FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) \
         AS t(scope, scope_key, id, run) ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING RETURNING scope, scope_key, id";
    let keyed = |letter: &Letter<'_>| {
        let to = letter.to.filter(|_| matches!(letter.event.target, Target::Key(_)));
        to.map(|(run, _)| run.0)
    };
    let params = [
        texts(letters, |letter| Some(&letter.scope.0)),
        texts(letters, |letter| Some(&letter.scope.1)),
        texts(letters, |letter| Some(&letter.event.id)),
        Param::Uuids(letters.iter().map(keyed).collect()),
    ];
    let rows = group.db.query(SQL, &params).await?;
    rows.iter()
        .map(|row| Ok((string(row, 0)?, string(row, 1)?, string(row, 2)?)))
        .collect()
}

async fn put_in(group: &Group, letters: &[Letter<'_>]) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_inbox (run, seq, id, scope, scope_key, name, key, payload, received_at, \
         expires_at, sent_by) SELECT t.run, nextval('lumina.workflow_event_seq'), t.id, t.scope, t.scope_key, t.name, t.key, \
         t.payload, $1, t.expires_at, t.sent_by FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], \
         $7::text[], $8::bigint[], $9::text[], $10::uuid[]) \
         AS t(id, scope, scope_key, name, key, payload, expires_at, sent_by, run)";
    if letters.is_empty() {
        return Ok(());
    }
    let mut params = what_they_say(group, letters)?;
    params.push(runs(letters));
    group.execute(SQL, &params).await?;
    Ok(())
}

/// The time, and columns of what they say: their ids, scopes, names, keys, payloads, how long they are kept, and who
/// has sent them.
pub(super) fn what_they_say<'l>(group: &Group, letters: &'l [Letter<'_>]) -> Result<Vec<Param<'l>>, Fault> {
    let payloads: Result<Vec<_>, Fault> = letters
        .iter()
        .map(|letter| Ok(Some(stored::write_cow(group.payloads().write(&letter.event.payload)?))))
        .collect();
    let expiries: Vec<i64> = letters
        .iter()
        .map(|letter| later(group.now, letter.event.kept_for))
        .collect();
    Ok(vec![
        Param::from(group.now),
        texts(letters, |letter| Some(&letter.event.id)),
        texts(letters, |letter| Some(&letter.scope.0)),
        texts(letters, |letter| Some(&letter.scope.1)),
        texts(letters, |letter| Some(&letter.event.name)),
        texts(letters, |letter| letter.event.key.as_deref()),
        Param::Texts(payloads?),
        Param::from(expiries),
        texts(letters, |letter| letter.event.by.as_deref()),
    ])
}

fn runs<'l>(letters: &[Letter<'_>]) -> Param<'l> {
    let runs = letters.iter().filter_map(|letter| letter.to);
    Param::from(runs.map(|(run, _)| run.0).collect::<Vec<Uuid>>())
}

/// Counts what came in: a waiting run is ready, an executing one is told.
async fn arrive(group: &Group, letters: &[Letter<'_>]) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_run AS r SET inbox = r.inbox + 1, buffered = r.buffered + 1, updated_at = $1, \
         ready_rank = coalesce(t.rank, r.ready_rank), wake_at = CASE WHEN t.rank IS NULL THEN r.wake_at END \
         FROM unnest($2::uuid[], $3::bigint[]) AS t(run, rank) WHERE r.id = t.run";
    if letters.is_empty() {
        return Ok(());
    }
    let ranks = letters.iter().filter_map(|letter| letter.to).map(|(run, row)| {
        if row.status == RunStatus::Running {
            group.note_inbox(run);
        }
        wakes(row).then(|| {
            group.note_ready();
            let rank = group.next_rank();
            row.wake_at.map_or(rank, |wake_at| wake_at.min(rank))
        })
    });
    let params = [Param::from(group.now), runs(letters), Param::Ints(ranks.collect())];
    group.execute(SQL, &params).await?;
    Ok(())
}
