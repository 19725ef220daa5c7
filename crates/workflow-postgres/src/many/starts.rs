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
    let made = insert(group, news.iter().map(|(_, new)| *new).collect()).await?;
    deliver(group, &made).await?;
    for (place, new) in news {
        if made.contains(&new.id) {
            answers[place] = Some(Ok(Outcome::Started));
        }
    }
    Ok(())
}

async fn insert(group: &Group, news: Vec<&NewRun>) -> Result<BTreeSet<RunId>, Fault> {
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
    let made = group.db.query(SQL, &params).await?;
    wakes.iter().for_each(|wake_at| match wake_at {
        Some(at) => group.note_timer(*at),
        None => group.note_ready(),
    });
    made.iter().map(|row| run_id(row, 0)).collect()
}

/// What had come in for them before they were there.
async fn deliver(group: &Group, made: &BTreeSet<RunId>) -> Result<(), Fault> {
    const SQL: &str =
        "SELECT DISTINCT scope_key FROM lumina.workflow_unrouted WHERE scope = $1 AND scope_key = ANY($2)";
    let names: Vec<String> = made.iter().map(|run| run.0.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for row in group.db.query(SQL, params![RUN_SCOPE, names]).await? {
        let id = Uuid::parse_str(&text(&row, 0)?).map_err(|_| Fault::Broken("an event's run has no id".to_owned()))?;
        change::deliver_unrouted(group, RunId(id), &[Target::Run(RunId(id))]).await?;
    }
    Ok(())
}
