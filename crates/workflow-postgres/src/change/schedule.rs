//! Schedules: rows that are changed only as they were when it was decided.

use jiff::Timestamp;
use lumina_workflow::ScheduleSpec;
use lumina_workflow::store::{
    Attachment, Declaration, MemberResult, NewRun, Outcome, Refusal, ScheduleChange, ScheduleRow, Tick,
};

use super::start::{existing, start};
use crate::attachment;
use crate::column::to_int;
use crate::fault::Fault;
use crate::group::Group;
use crate::param::params;
use crate::read::schedules::find;

pub(super) async fn apply(
    group: &Group,
    change: &ScheduleChange,
    attach: Option<&Attachment>,
) -> Result<MemberResult, Fault> {
    lock(group, change.name()).await?;
    let row = find(&group.db, group.payloads(), change.name()).await?;
    let effective = match has_effect(group, change, row.as_ref()).await? {
        Ok(effective) => effective,
        Err(refusal) => return Ok(Err(refusal)),
    };
    if effective {
        if let Err(refusal) = attachment::run(group, attach).await? {
            return Ok(Err(refusal));
        }
        obey(group, change).await?;
        group.note_schedule();
    } else if let ScheduleChange::Declare(declaration) = change {
        keep_input(group, declaration).await?;
    }
    Ok(Ok(Outcome::Scheduled {
        effective: effective || matches!(change, ScheduleChange::Trigger { .. }),
    }))
}

/// One change of a schedule at a time, whether there is a row of it already or not.
async fn lock(group: &Group, name: &str) -> Result<(), Fault> {
    const SQL: &str = "SELECT 1 FROM pg_advisory_xact_lock(hashtextextended('lumina schedule ' || $1, 0))";
    group.db.one(SQL, params![name]).await?;
    Ok(())
}

async fn has_effect(
    group: &Group,
    change: &ScheduleChange,
    row: Option<&ScheduleRow>,
) -> Result<Result<bool, Refusal>, Fault> {
    let declared = row.filter(|row| row.removed_at.is_none());
    let changed = || Refusal::ScheduleChanged(change.name().to_owned());
    let unknown = || Ok(Err(Refusal::UnknownSchedule(change.name().to_owned())));
    Ok(match change {
        ScheduleChange::Declare(wanted) => {
            let same = |row: &ScheduleRow| row.workflow == wanted.workflow && row.spec == wanted.spec;
            Ok(declared.is_none_or(|row| !same(row)))
        }
        ScheduleChange::Remove { .. } => Ok(declared.is_some()),
        ScheduleChange::Tick(tick) => {
            let as_decided = row.is_some_and(|row| row.is_live() && row.revision == tick.revision);
            if as_decided { Ok(true) } else { Err(changed()) }
        }
        ScheduleChange::Pause { .. } => match declared {
            None => return unknown(),
            Some(row) => Ok(row.paused.is_none()),
        },
        ScheduleChange::Resume { revision, .. } => match declared {
            None => return unknown(),
            Some(row) if row.paused.is_some() && row.revision != *revision => Err(changed()),
            Some(row) => Ok(row.paused.is_some()),
        },
        ScheduleChange::Trigger { run, .. } => match declared {
            None => return unknown(),
            Some(_) if existing(group, run).await?.is_some() => Ok(false),
            Some(row) if row.workflow != run.workflow => Err(changed()),
            Some(_) => Ok(true),
        },
    })
}

async fn obey(group: &Group, change: &ScheduleChange) -> Result<(), Fault> {
    match change {
        ScheduleChange::Declare(declaration) => declare(group, declaration).await,
        ScheduleChange::Remove { name } => remove(group, name).await,
        ScheduleChange::Tick(tick) => advance(group, tick).await,
        ScheduleChange::Pause { name, by } => pause(group, name, by).await,
        ScheduleChange::Resume { name, by, next_at, .. } => resume(group, name, by, *next_at).await,
        ScheduleChange::Trigger { name, by, run } => trigger(group, name, by, run).await,
    }
}

async fn declare(group: &Group, wanted: &Declaration) -> Result<(), Fault> {
    const SQL: &str = "INSERT INTO lumina.workflow_schedule (name, workflow, spec, input, revision, next_at, \
         started, skipped, missed, triggers, created_at, updated_at) \
         VALUES ($1, $2, $3, $4, 1, $5, 0, 0, 0, 0, $6, $6) \
         ON CONFLICT (name) DO UPDATE SET workflow = $2, spec = $3, input = $4, revision = workflow_schedule.revision + 1, next_at = $5, \
         removed_at = NULL, updated_at = $6";
    let (next_at, input) = (micros(wanted.next_at), group.payloads().write(&wanted.input)?);
    let spec = json(&wanted.spec);
    group
        .execute(
            SQL,
            params![&wanted.name, &wanted.workflow, &spec, input, next_at, group.now],
        )
        .await?;
    Ok(())
}

/// What its runs are started with may change while it keeps its time.
async fn keep_input(group: &Group, wanted: &Declaration) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_schedule SET input = $2 WHERE name = $1 AND input <> $2";
    group
        .execute(SQL, params![&wanted.name, group.payloads().write(&wanted.input)?])
        .await?;
    Ok(())
}

async fn remove(group: &Group, name: &str) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_schedule SET removed_at = $2, next_at = NULL, revision = revision + 1, \
         updated_at = $2 WHERE name = $1";
    group.execute(SQL, params![name, group.now]).await?;
    Ok(())
}

async fn advance(group: &Group, tick: &Tick) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_schedule SET revision = revision + 1, next_at = $2, started = started + $3, \
         skipped = skipped + $4, missed = missed + $5, last_tick = coalesce($6, last_tick), \
         last_run = coalesce($7, last_run), updated_at = $8 WHERE name = $1";
    let (mut started, mut last) = (0, None);
    for (at, new) in &tick.starts {
        let run = match start(group, new).await? {
            Outcome::Existing { run, .. } => run,
            _ => {
                started += 1;
                new.id
            }
        };
        last = Some((at.as_microsecond(), run.0));
    }
    let next_at = micros(tick.next_at);
    let (skipped, missed) = (to_int(tick.skipped), to_int(tick.missed));
    let (last_tick, last_run) = last.unzip();
    group
        .execute(
            SQL,
            params![
                &tick.name, next_at, started, skipped, missed, last_tick, last_run, group.now
            ],
        )
        .await?;
    Ok(())
}

async fn pause(group: &Group, name: &str, by: &str) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_schedule SET paused_by = $2, paused_at = $3, revision = revision + 1, \
         updated_at = $3 WHERE name = $1";
    group.execute(SQL, params![name, by, group.now]).await?;
    Ok(())
}

async fn resume(group: &Group, name: &str, by: &str, next_at: Option<Timestamp>) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_schedule SET paused_by = NULL, paused_at = NULL, resumed_by = $2, \
         resumed_at = $3, next_at = $4, revision = revision + 1, updated_at = $3 WHERE name = $1";
    group
        .execute(SQL, params![name, by, group.now, micros(next_at)])
        .await?;
    Ok(())
}

async fn trigger(group: &Group, name: &str, by: &str, run: &NewRun) -> Result<(), Fault> {
    const SQL: &str = "UPDATE lumina.workflow_schedule SET triggered_by = $2, triggered_at = $3, last_run = $4, \
         triggers = triggers + 1, revision = revision + 1, updated_at = $3 WHERE name = $1";
    start(group, run).await?;
    group.execute(SQL, params![name, by, group.now, run.id]).await?;
    Ok(())
}

fn micros(time: Option<Timestamp>) -> Option<i64> {
    time.map(Timestamp::as_microsecond)
}

fn json(spec: &ScheduleSpec) -> String {
    serde_json::to_string(spec).expect("a spec is plain data with a JSON form")
}
