//! Runs as people and programs look for them.

use lumina_workflow::store::{Page, RunQuery, RunRow, RunStatus};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::column::{limit, run_columns, run_row};
use crate::fault::Fault;
use crate::payloads::Payloads;

/// The runs that fit, newest first.
pub(crate) fn read(conn: &Connection, payloads: &Payloads, query: &RunQuery) -> Result<Page<RunRow>, Fault> {
    let (sql, params) = statement(query);
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(params))?;
    let mut items = Vec::new();
    while let Some(row) = rows.next()? {
        items.push(run_row(row, payloads)?);
    }
    let more = items.len() > query.limit;
    items.truncate(query.limit);
    let next = items.last().map(|run| run.id).filter(|_| more);
    Ok(Page { items, next })
}

fn statement(query: &RunQuery) -> (String, Vec<Value>) {
    let mut conditions = vec!["1"];
    let mut params = Vec::new();
    let mut add = |condition, values: Vec<Value>| {
        conditions.push(condition);
        params.extend(values);
    };
    if let Some(id) = query.id {
        add("id = ?", vec![blob(id)]);
    }
    if let Some(key) = &query.key {
        add(
            "id = (SELECT run FROM workflow_key WHERE namespace = ? AND key = ?)",
            vec![key.namespace.clone().into(), key.key.clone().into()],
        );
    }
    if let Some(parent) = query.parent {
        add("parent = ?", vec![blob(parent)]);
    }
    if let Some(workflow) = &query.workflow {
        add("workflow = ?", vec![workflow.clone().into()]);
    }
    for workflow in &query.without {
        add("workflow <> ?", vec![workflow.clone().into()]);
    }
    if let Some(before) = query.before {
        add("id < ?", vec![blob(before)]);
    }
    if query.throttled {
        add("held_in IS NOT NULL", Vec::new());
    }
    let statuses = statuses(query);
    if !statuses.is_empty() {
        add(&statuses, Vec::new());
    }
    let conditions = conditions.join(" AND ");
    let sql = format!(
        "SELECT {} FROM workflow_run WHERE {conditions} ORDER BY id DESC LIMIT ?",
        run_columns!()
    );
    params.push(Value::Integer(limit(query.limit.saturating_add(1))));
    (sql, params)
}

/// The statuses as a condition. Those that stand out have small indices of their own, which
/// find them among a million others.
fn statuses(query: &RunQuery) -> String {
    let asked = &query.statuses;
    if asked.is_empty() {
        return String::new();
    }
    let words: Vec<_> = asked.iter().map(|status| format!("'{status}'")).collect();
    let listed = format!("status IN ({})", words.join(", "));
    let all = |of: &[RunStatus]| asked.iter().all(|status| of.contains(status));
    if all(&[RunStatus::Blocked]) {
        return format!("blocked IS NOT NULL AND {listed}");
    }
    if all(&[RunStatus::Failed, RunStatus::Cancelled]) {
        return format!("failure IS NOT NULL AND {listed}");
    }
    listed
}

fn blob(id: lumina_workflow::RunId) -> Value {
    Value::Blob(id.0.as_bytes().to_vec())
}
