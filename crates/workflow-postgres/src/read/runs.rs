//! Runs as people and programs look for them.

use lumina_workflow::store::{Page, RunQuery, RunRow, RunStatus};

use crate::column::{limit, run_columns, run_row};
use crate::fault::Fault;
use crate::param::Param;
use crate::payloads::Payloads;
use crate::session::Session;

/// The runs that fit, newest first.
pub(crate) async fn read(db: &Session, payloads: &Payloads, query: &RunQuery) -> Result<Page<RunRow>, Fault> {
    let (sql, params) = statement(query);
    let rows = db.query(sql, &params).await?;
    let mut items: Vec<RunRow> = rows
        .iter()
        .map(|row| run_row(row, payloads))
        .collect::<Result<_, _>>()?;
    let more = items.len() > query.limit;
    items.truncate(query.limit);
    let next = items.last().map(|run| run.id).filter(|_| more);
    Ok(Page { items, next })
}

/// A statement with as many conditions as there are wishes.
struct Conditions<'q> {
    sql: String,
    params: Vec<Param<'q>>,
}

impl<'q> Conditions<'q> {
    /// One more; `?` is its parameter.
    fn add(&mut self, condition: &str, param: impl Into<Param<'q>>) {
        self.params.push(param.into());
        let place = format!("${}", self.params.len());
        self.say(&condition.replace('?', &place));
    }

    fn say(&mut self, condition: &str) {
        self.sql.push_str(if self.sql.is_empty() { " WHERE " } else { " AND " });
        self.sql.push_str(condition);
    }
}

fn statement(query: &RunQuery) -> (String, Vec<Param<'_>>) {
    let mut all = Conditions {
        sql: String::new(),
        params: Vec::new(),
    };
    if let Some(id) = query.id {
        all.add("r.id = ?", id);
    }
    if let Some(key) = &query.key {
        all.add(
            "r.id = (SELECT k.run FROM lumina.workflow_key AS k WHERE k.namespace = ?",
            &key.namespace,
        );
        all.add("k.key = ?)", &key.key);
    }
    if let Some(parent) = query.parent {
        all.add("r.parent = ?", parent);
    }
    if let Some(workflow) = &query.workflow {
        all.add("r.workflow = ?", workflow);
    }
    for workflow in &query.without {
        all.add("r.workflow <> ?", workflow);
    }
    if let Some(before) = query.before {
        all.add("r.id < ?", before);
    }
    if query.throttled {
        all.say("r.held_in IS NOT NULL");
    }
    if let Some(statuses) = statuses(&query.statuses) {
        all.say(&statuses);
    }
    all.params.push(limit(query.limit.saturating_add(1)).into());
    let (columns, conditions, last) = (run_columns!(), all.sql, all.params.len());
    let sql = format!("SELECT {columns} FROM lumina.workflow_run AS r{conditions} ORDER BY r.id DESC LIMIT ${last}");
    (sql, all.params)
}

/// The statuses as a condition. Those that stand out have small indices of their own, which
/// find them among a million others.
fn statuses(asked: &[RunStatus]) -> Option<String> {
    if asked.is_empty() {
        return None;
    }
    let words: Vec<_> = asked.iter().map(|status| format!("'{status}'")).collect();
    let listed = format!("r.status IN ({})", words.join(", "));
    let all = |of: &[RunStatus]| asked.iter().all(|status| of.contains(status));
    Some(match () {
        () if all(&[RunStatus::Blocked]) => format!("r.blocked IS NOT NULL AND {listed}"),
        () if all(&[RunStatus::Failed, RunStatus::Cancelled]) => format!("r.failure IS NOT NULL AND {listed}"),
        () => listed,
    })
}
