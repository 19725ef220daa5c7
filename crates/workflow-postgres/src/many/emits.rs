//! Events for runs that are there, in three statements.

use std::collections::BTreeSet;

use lumina_workflow::store::{Change, Delivery, EVENT_BUFFER_LIMIT, Member, MemberResult, Outcome, RunStatus};
use lumina_workflow::{NewEvent, RunId, Target};
use uuid::Uuid;

use super::Known;
use super::rows::Row;
use crate::column::{from_int, later, scope, string};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::Param;
use crate::text as stored;

/// An event on its way to a run that is locked.
struct Letter<'m> {
    place: usize,
    event: &'m NewEvent,
    scope: (String, String),
    to: RunId,
    row: &'m Row,
}

/// Delivers those whose run is there and takes them. The others are left to be looked at one by one.
pub(super) async fn apply<'m>(
    group: &Group,
    members: &'m [Member],
    alone: &[usize],
    known: &'m Known<'m>,
    answers: &mut [Option<MemberResult>],
) -> Result<(), Fault> {
    let letter = |place: &usize| match &members[*place].change {
        Change::Emit(event) => address(*place, event, known),
        _ => None,
    };
    let letters: Vec<Letter<'_>> = alone.iter().filter_map(letter).collect();
    if letters.is_empty() {
        return Ok(());
    }
    let new = remember(group, &letters).await?;
    let (letters, again): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| new.contains(&letter.id()));
    for letter in again {
        answers[letter.place] = Some(Ok(Outcome::Emitted(Delivery::Duplicate)));
    }
    put_in(group, &letters).await?;
    arrive(group, &letters).await?;
    for letter in letters {
        answers[letter.place] = Some(Ok(Outcome::Emitted(Delivery::Routed(letter.to))));
    }
    Ok(())
}

fn address<'m>(place: usize, event: &'m NewEvent, known: &'m Known<'m>) -> Option<Letter<'m>> {
    let to = match &event.target {
        Target::Run(run) => *run,
        Target::Key(key) => *known.holders.get(key)?,
    };
    let row = known.rows.get(&to)?;
    let full = from_int(row.buffered) >= EVENT_BUFFER_LIMIT;
    if row.status.is_end() || full || (row.keyed && wakes(row)) {
        return None;
    }
    let (scope, key) = scope(&event.target);
    Some(Letter {
        place,
        event,
        scope: (scope, key.into_owned()),
        to,
        row,
    })
}

/// Whether the run becomes ready because of an event.
fn wakes(row: &Row) -> bool {
    row.status == RunStatus::Waiting && row.rank.is_none() && !row.held
}

impl Letter<'_> {
    fn id(&self) -> (String, String, String) {
        (self.scope.0.clone(), self.scope.1.clone(), self.event.id.clone())
    }
}

/// Columns of letters.
fn texts<'l>(letters: &'l [Letter<'_>], of: impl Fn(&'l Letter<'_>) -> Option<&'l str>) -> Param<'l> {
    Param::Texts(letters.iter().map(|letter| of(letter).map(stored::write)).collect())
}

/// Notes their ids; answers those that were not known.
async fn remember(group: &Group, letters: &[Letter<'_>]) -> Result<BTreeSet<(String, String, String)>, Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_event_id (scope, scope_key, id, run) \
         SELECT t.scope, t.scope_key, t.id, t.run FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[]) \
         AS t(scope, scope_key, id, run) ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING RETURNING scope, scope_key, id";
    let keyed = |letter: &Letter<'_>| matches!(letter.event.target, Target::Key(_)).then_some(letter.to.0);
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
         t.payload, $1, t.expires_at, t.sent_by FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], \
         $7::text[], $8::text[], $9::bigint[], $10::text[]) \
         AS t(run, id, scope, scope_key, name, key, payload, expires_at, sent_by)";
    let payloads: Result<Vec<_>, Fault> = letters
        .iter()
        .map(|letter| Ok(Some(stored::write_cow(group.payloads().write(&letter.event.payload)?))))
        .collect();
    let expiries: Vec<i64> = letters
        .iter()
        .map(|letter| later(group.now, letter.event.kept_for))
        .collect();
    let params = [
        Param::from(group.now),
        runs(letters),
        texts(letters, |letter| Some(&letter.event.id)),
        texts(letters, |letter| Some(&letter.scope.0)),
        texts(letters, |letter| Some(&letter.scope.1)),
        texts(letters, |letter| Some(&letter.event.name)),
        texts(letters, |letter| letter.event.key.as_deref()),
        Param::Texts(payloads?),
        Param::from(expiries),
        texts(letters, |letter| letter.event.by.as_deref()),
    ];
    group.execute(SQL, &params).await?;
    Ok(())
}

fn runs<'l>(letters: &[Letter<'_>]) -> Param<'l> {
    Param::from(letters.iter().map(|letter| letter.to.0).collect::<Vec<Uuid>>())
}

/// Counts what came in: a waiting run is ready, an executing one is told.
async fn arrive(group: &Group, letters: &[Letter<'_>]) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_run AS r SET inbox = r.inbox + 1, buffered = r.buffered + 1, updated_at = $1, \
         ready_rank = coalesce(t.rank, r.ready_rank), wake_at = CASE WHEN t.rank IS NULL THEN r.wake_at END \
         FROM unnest($2::uuid[], $3::bigint[]) AS t(run, rank) WHERE r.id = t.run";
    let ranks = letters.iter().map(|letter| {
        if letter.row.status == RunStatus::Running {
            group.note_inbox(letter.to);
        }
        wakes(letter.row).then(|| {
            group.note_ready();
            let rank = group.next_rank();
            letter.row.wake_at.map_or(rank, |wake_at| wake_at.min(rank))
        })
    });
    let params = [Param::from(group.now), runs(letters), Param::Ints(ranks.collect())];
    group.execute(SQL, &params).await?;
    Ok(())
}
