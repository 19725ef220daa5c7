//! Runs that begin, in one statement.

use std::collections::BTreeSet;

use lumina_workflow::store::{Change, Member, MemberResult, NewRun, Outcome};
use lumina_workflow::{RunId, Target};
use uuid::Uuid;

use crate::change;
use crate::column::{RUN_SCOPE, later, run_id, text};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::{Param, params};

const SQL: &str = "INSERT INTO lumina.workflow_run (id, epoch, seq, inbox, status, phase, priority, ready_rank, wake_at, \
     hash, known_since, answered, any_hash, created_at, updated_at, workflow, start_key, input, parent) \
     SELECT t.id, 0, 0, 0, 'pending', 'main', t.priority, t.ready_rank, t.wake_at, t.hash, t.known_since, 0, false, $1, $1, \
     t.workflow, t.start_key, t.input, t.parent \
     FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], \
     $10::text[], $11::uuid[]) \
     AS t(id, priority, ready_rank, wake_at, hash, known_since, workflow, start_key, input, parent) \
     ORDER BY t.id ON CONFLICT DO NOTHING RETURNING id";

/// The runs for which events wait. Whoever has just stored one has kept the run from being started until then.
const EXPECTED: &str =
    "SELECT DISTINCT scope_key FROM lumina.workflow_unrouted WHERE scope = $1 AND scope_key = ANY($2)";

/// Makes those that are not there yet. The others are left to be looked at one by one.
pub(super) async fn apply(
    group: &Group,
    members: &[Member],
    alone: &[usize],
    answers: &mut [Option<MemberResult>],
) -> Result<(), Fault> {
    let new = |place: &usize| match &members[*place].change {
        // Runs with a flow key take turns, each behind the one before it.
        Change::Start(new) if new.flow_key.is_none() => Some((*place, new)),
        _ => None,
    };
    let news: Vec<(usize, &NewRun)> = alone.iter().filter_map(new).collect();
    if news.is_empty() {
        return Ok(());
    }
    let (made, expected) = insert(group, news.iter().map(|(_, new)| *new).collect()).await?;
    for run in made.intersection(&expected) {
        change::deliver_unrouted(group, *run, &[Target::Run(*run)]).await?;
    }
    for (place, new) in news {
        if made.contains(&new.id) {
            answers[place] = Some(Ok(Outcome::Started));
        }
    }
    Ok(())
}

/// Answers which were made, and for which of all something had come in before they were there.
async fn insert(group: &Group, news: Vec<&NewRun>) -> Result<(BTreeSet<RunId>, BTreeSet<RunId>), Fault> {
    let wakes: Vec<Option<i64>> = news
        .iter()
        .map(|new| (!new.delay.is_zero()).then(|| later(group.now, new.delay)))
        .collect();
    let ranks = wakes
        .iter()
        .map(|wake_at| wake_at.is_none().then(|| group.next_rank()))
        .collect();
    let inputs: Result<Vec<_>, Fault> = news
        .iter()
        .map(|new| Ok(Some(crate::text::write_cow(group.payloads().write(&new.input)?))))
        .collect();
    let start_keys = news
        .iter()
        .map(|new| new.start_key.as_deref().map(crate::text::write))
        .collect();
    let params = [
        Param::from(group.now),
        Param::from(news.iter().map(|new| new.id.0).collect::<Vec<Uuid>>()),
        Param::from(news.iter().map(|new| i64::from(new.priority)).collect::<Vec<_>>()),
        Param::Ints(ranks),
        Param::Ints(wakes.clone()),
        Param::from(news.iter().map(|new| new.hash.0.cast_signed()).collect::<Vec<_>>()),
        Param::from(
            news.iter()
                .map(|new| new.known_since.as_microsecond())
                .collect::<Vec<_>>(),
        ),
        Param::from(news.iter().map(|new| new.workflow.as_str()).collect::<Vec<_>>()),
        Param::Texts(start_keys),
        Param::Texts(inputs?),
        Param::Uuids(news.iter().map(|new| new.parent.map(|parent| parent.0)).collect()),
    ];
    let names: Vec<String> = news.iter().map(|new| new.id.0.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (made, expected) = group
        .db
        .query_both((SQL, &params), (EXPECTED, params![RUN_SCOPE, names]))
        .await?;
    wakes.iter().for_each(|wake_at| match wake_at {
        Some(at) => group.note_timer(*at),
        None => group.note_ready(),
    });
    let made = made.iter().map(|row| run_id(row, 0)).collect::<Result<_, _>>()?;
    let expected = expected.iter().map(named).collect::<Result<_, _>>()?;
    Ok((made, expected))
}

fn named(row: &tokio_postgres::Row) -> Result<RunId, Fault> {
    let id = Uuid::parse_str(&text(row, 0)?);
    id.map(RunId)
        .map_err(|_| Fault::Broken("an event's run has no id".to_owned()))
}
