//! Plans, and what of them grows with a table.

use lumina_workflow_postgres::tokio_postgres::{Client, SimpleQueryMessage};

/// Tables that stay as small as an application is.
const SMALL: [&str; 2] = ["workflow_schedule", "workflow_migration"];

/// What of a plan reads a table that grows from one end to the other.
pub fn reads_all(plan: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (place, line) in plan.iter().enumerate() {
        let (_, node) = line.split_once("->").unwrap_or(("", line));
        let table = node
            .split(" on ")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next());
        let Some(table) = table.filter(|table| table.starts_with("workflow_") && !SMALL.contains(table)) else {
            continue;
        };
        let details = plan[place + 1..].iter().take_while(|line| !line.contains("->"));
        let by_condition = details.clone().any(|line| line.contains("Index Cond"));
        // A partial index holds what it is for, and no more.
        let whole = node.contains("_pkey") || node.contains("_start_key") || node.contains("_target");
        if node.contains("Seq Scan") || (node.contains("Index") && whole && !by_condition) {
            found.push(format!("{table}: {}", node.trim()));
        }
    }
    found
}

#[test]
fn a_plan_that_reads_all_is_recognised() {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let bad = [
        "Limit\n  ->  Seq Scan on workflow_run r",
        "Hash Join\n  ->  Index Only Scan using workflow_run_pkey on workflow_run r\n  ->  Hash",
    ];
    let good = [
        "Limit\n  ->  Index Scan using workflow_run_ready on workflow_run r",
        "Index Scan using workflow_run_pkey on workflow_run r\n  Index Cond: (id = $1)",
        "Seq Scan on workflow_schedule",
    ];
    assert!(bad.iter().all(|plan| reads_all(&lines(plan)).len() == 1));
    assert!(good.iter().all(|plan| reads_all(&lines(plan)).is_empty()));
}

/// The plan of a statement that is prepared, whatever its parameters.
pub async fn plan(client: &Client, settings: &str, sql: &str) -> Vec<String> {
    explain(client, settings, sql, "EXPLAIN", &["NULL"; 20]).await
}

/// How many pages a statement reads with these parameters, or the first of them.
pub async fn pages(client: &Client, settings: &str, sql: &str, params: &[&str]) -> u64 {
    let how = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF)";
    let lines = explain(client, settings, sql, how, params).await;
    let told = lines.iter().find(|line| line.trim().starts_with("Buffers:"));
    let told = told.unwrap_or_else(|| panic!("{lines:#?}"));
    let numbers = told.split_whitespace().filter_map(|word| word.split_once('='));
    let read = numbers.filter(|(what, _)| ["hit", "read"].contains(what));
    read.map(|(_, number)| number.parse::<u64>().unwrap()).sum()
}

async fn explain(client: &Client, settings: &str, sql: &str, how: &str, params: &[&str]) -> Vec<String> {
    let count = (1..=20)
        .rev()
        .find(|number| sql.contains(&format!("${number}")))
        .unwrap_or(0);
    let call = match count {
        0 => String::new(),
        _ => format!("({})", params[..count].join(", ")),
    };
    let text =
        format!("BEGIN; {settings}; PREPARE asked AS {sql}; {how} EXECUTE asked{call}; DEALLOCATE asked; COMMIT");
    let answers = client.simple_query(&text).await;
    let answers = answers.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let lines = answers.iter().filter_map(|answer| match answer {
        SimpleQueryMessage::Row(row) => row.try_get("QUERY PLAN").ok().flatten().map(str::to_owned),
        _ => None,
    });
    lines.collect()
}
