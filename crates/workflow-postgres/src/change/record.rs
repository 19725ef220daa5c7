//! Rows of history.

use std::borrow::Cow;

use lumina_workflow::store::StoredRecord;
use lumina_workflow::{
    Epoch, Payload, Record, RunId, Seq, StepKey, StepKind, StepRef, What, WhatRow, WorkerId, truncate,
};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::column::{
    flag, int, limit, number, optional_int, optional_text, phase, phase_word, small, text, time, to_int,
};
use crate::fault::Fault;
use crate::group::Group;
use crate::param::{Param, params};
use crate::payloads::Payloads;
use crate::session::Session;
use crate::text as stored;

/// Records on their way in, column by column.
#[derive(Default)]
pub(super) struct Entries<'r> {
    runs: Vec<Option<Uuid>>,
    seqs: Vec<Option<i64>>,
    ordinals: Vec<Option<i64>>,
    attempts: Vec<Option<i64>>,
    started: Vec<Option<i64>>,
    ended: Vec<Option<i64>>,
    epochs: Vec<Option<i64>>,
    workers: Vec<Option<Uuid>>,
    phases: Vec<Option<Cow<'r, str>>>,
    steps: Vec<Option<Cow<'r, str>>>,
    keys: Vec<Option<Cow<'r, str>>>,
    kinds: Vec<Option<Cow<'r, str>>>,
    whats: Vec<Option<Cow<'r, str>>>,
    payloads: Vec<Option<Cow<'r, str>>>,
    details: Vec<Option<Cow<'r, str>>>,
}

impl<'r> Entries<'r> {
    /// Adds a run's records, the first of them at this place. `computed` is what the attachment returned, for the
    /// record that waits for it.
    pub(super) fn add(
        &mut self,
        payloads: &Payloads,
        (run, first): (RunId, Seq),
        records: &'r [Record],
        computed: Option<&'r Payload>,
    ) -> Result<(), Fault> {
        for (place, record) in records.iter().enumerate() {
            self.push(payloads, (run, first.plus(place)), record, computed)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        payloads: &Payloads,
        (run, seq): (RunId, Seq),
        record: &'r Record,
        computed: Option<&'r Payload>,
    ) -> Result<(), Fault> {
        let row = record.what.to_row();
        let given = match &row.payload {
            Some(payload) => Some(payloads.write(payload)?.into_owned().into()),
            None => payloads.write_optional(computed.filter(|_| awaits_payload(record)))?,
        };
        let step = record.step.as_ref();
        self.runs.push(Some(run.0));
        self.seqs.push(Some(to_int(seq.0)));
        self.ordinals.push(step.map(|step| i64::from(step.ordinal)));
        self.attempts.push(Some(i64::from(row.attempt)));
        self.started.push(Some(record.started_at.as_microsecond()));
        self.ended.push(Some(record.ended_at.as_microsecond()));
        self.epochs.push(Some(to_int(record.epoch.0)));
        self.workers.push(Some(record.worker.0));
        self.phases.push(Some(phase_word(record.phase).into()));
        self.steps.push(step.map(|step| stored::write(&step.name)));
        self.keys
            .push(step.map(|step| stored::write_cow(step.key.to_string().into())));
        self.kinds.push(step.map(|step| step.kind.as_str().into()));
        self.whats.push(Some(row.what.into()));
        self.payloads.push(given.map(stored::write_cow));
        self.details
            .push(row.detail.map(|detail| stored::write_cow(detail.into())));
        Ok(())
    }

    /// Inserts them all.
    pub(super) async fn insert(self, group: &Group) -> Result<(), Fault> {
        const SQL: &str = "INSERT INTO lumina.workflow_record (run, seq, ordinal, attempt, started_at, ended_at, epoch, worker, \
             phase, step, key, kind, what, payload, detail) SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], \
             $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::uuid[], $9::text[], $10::text[], $11::text[], \
             $12::text[], $13::text[], $14::text[], $15::text[])";
        if self.runs.is_empty() {
            return Ok(());
        }
        let params = [
            Param::Uuids(self.runs),
            Param::Ints(self.seqs),
            Param::Ints(self.ordinals),
            Param::Ints(self.attempts),
            Param::Ints(self.started),
            Param::Ints(self.ended),
            Param::Ints(self.epochs),
            Param::Uuids(self.workers),
            Param::Texts(self.phases),
            Param::Texts(self.steps),
            Param::Texts(self.keys),
            Param::Texts(self.kinds),
            Param::Texts(self.whats),
            Param::Texts(self.payloads),
            Param::Texts(self.details),
        ];
        group.execute(SQL, &params).await?;
        Ok(())
    }
}

/// Inserts a run's records, the first of them at this place.
pub(super) async fn insert_all(
    group: &Group,
    run: RunId,
    first: Seq,
    records: &[Record],
    computed: Option<&Payload>,
) -> Result<(), Fault> {
    let mut entries = Entries::default();
    entries.add(group.payloads(), (run, first), records, computed)?;
    entries.insert(group).await
}

/// Whether its payload comes from the attachment.
pub(super) fn awaits_payload(record: &Record) -> bool {
    matches!(record.what, What::Completed { payload: None, .. })
}

/// The columns of [`decode`], in its order; the run behind them.
macro_rules! record_columns {
    () => {
        "r.seq, r.phase, r.ordinal, r.step, r.key, r.kind, r.what, r.attempt, r.payload, r.detail, r.started_at, \
         r.ended_at, r.worker, r.epoch, r.superseded, r.run"
    };
}

/// The place of the run in a record's columns.
pub(crate) const RUN: usize = 15;

/// The first records of many runs.
pub(crate) const OF_RUNS: &str = concat!(
    "SELECT ",
    record_columns!(),
    " FROM unnest($1::uuid[]) AS w(run) CROSS JOIN LATERAL (SELECT * FROM lumina.workflow_record AS one \
     WHERE one.run = w.run ORDER BY one.seq LIMIT $2) AS r ORDER BY r.run, r.seq"
);

/// A run's records after a place, oldest first.
pub(crate) async fn read(
    db: &Session,
    payloads: &Payloads,
    run: RunId,
    after: Seq,
    count: usize,
) -> Result<Vec<StoredRecord>, Fault> {
    const SQL: &str = concat!(
        "SELECT ",
        record_columns!(),
        " FROM lumina.workflow_record AS r WHERE r.run = $1 AND r.seq > $2 ORDER BY r.seq LIMIT $3"
    );
    let rows = db.query(SQL, params![run, to_int(after.0), limit(count)]).await?;
    rows.iter().map(|row| decode(row, payloads, run)).collect()
}

/// Reads a record.
pub(crate) fn decode(row: &Row, payloads: &Payloads, run: RunId) -> Result<StoredRecord, Fault> {
    decode_row(row, payloads).map_err(|fault| fault.within(|| format!("the history of run {run}")))
}

fn decode_row(row: &Row, payloads: &Payloads) -> Result<StoredRecord, Fault> {
    let detail = optional_text(row, 9)?;
    let payload = payloads.read_optional(row, 8)?;
    let what = What::from_row(&text(row, 6)?, small(row, 7)?, payload, detail.as_deref())?;
    let record = Record {
        phase: phase(row, 1)?,
        step: step(row)?,
        what,
        started_at: time(row, 10)?,
        ended_at: time(row, 11)?,
        worker: WorkerId(row.try_get(12)?),
        epoch: Epoch(number(row, 13)?),
    };
    Ok(StoredRecord {
        seq: Seq(number(row, 0)?),
        record,
        superseded: flag(row, 14)?,
    })
}

fn step(row: &Row) -> Result<Option<StepRef>, Fault> {
    if optional_int(row, 2)?.is_none() {
        return Ok(None);
    }
    let (key, kind) = (text(row, 4)?, text(row, 5)?);
    let unknown =
        |what: &str, word: &str| Fault::Broken(format!("`{word}` is no step's {what} that this version knows"));
    let ordinal = u32::try_from(int(row, 2)?).map_err(|_| unknown("ordinal", "that"))?;
    Ok(Some(StepRef {
        ordinal,
        name: text(row, 3)?.into_owned(),
        key: StepKey::parse(&key).ok_or_else(|| unknown("key", &key))?,
        kind: StepKind::parse(&kind).ok_or_else(|| unknown("kind", &kind))?,
    }))
}

/// Whether what is stored is what is to be written; with an attachment, payloads that it
/// computed are left out of the comparison.
pub(super) fn is_same(stored: &Record, new: &Record, attached: bool) -> bool {
    let computed = attached && awaits_payload(new);
    let parts = |record: &Record| {
        let row = record.what.to_row();
        WhatRow {
            payload: row.payload.filter(|_| !computed),
            ..row
        }
    };
    stored.phase == new.phase
        && stored.step == new.step
        && stored.worker == new.worker
        && stored.epoch == new.epoch
        && stored.started_at == truncate(new.started_at)
        && stored.ended_at == truncate(new.ended_at)
        && parts(stored) == parts(new)
}
