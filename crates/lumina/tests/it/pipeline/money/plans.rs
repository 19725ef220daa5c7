//! No statement about money reads more the longer Lumina has been running: what it has done is in tables that grow.

use std::path::Path;

use rusqlite::Connection;

/// The files whose statements are executed again and again; those of the others answer what people ask.
const WORKING: [&str; 18] = [
    "answers",
    "applying",
    "asking",
    "batches",
    "deliveries",
    "intake",
    "leads",
    "money",
    "open_batch",
    "pauses",
    "places",
    "posts",
    "resends",
    "sent",
    "settling",
    "subscribers",
    "sweep",
    "unapplied",
];

/// What may be read from one end to the other: small tables, and indices that only have what is open.
const SMALL: [&str; 8] = [
    "ROW",
    "open_batch",
    "pause",
    "counter",
    "batch_holding",
    "batch_open",
    "batch_waiting",
    "enrichment_job_unowned",
];

/// The texts in Rust source that are statements.
fn statements(source: &str) -> Vec<&str> {
    let is_statement = |text: &&str| {
        ["SELECT ", "UPDATE ", "DELETE ", "INSERT "]
            .iter()
            .any(|verb| text.starts_with(verb))
    };
    source.split('"').filter(is_statement).collect()
}

/// What of a statement's plan reads a table or an index from one end to the other.
fn find_scans(connection: &Connection, sql: &str) -> Vec<String> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let params = rusqlite::params_from_iter(vec![0; explain.parameter_count()]);
    let steps = explain.query_map(params, |row| row.get::<_, String>(3)).unwrap();
    let scanned = |step: String| {
        step.strip_prefix("SCAN ")
            .map(|what| what.replace("b USING", "batch USING"))
    };
    let scans = steps.map(Result::unwrap).filter_map(scanned);
    // A scan names its table, or its table and at its end the index.
    scans
        .filter(|what| !SMALL.iter().any(|small| what.ends_with(small)))
        .collect()
}

#[test]
fn no_statement_reads_what_grows() {
    let connection = Connection::open_in_memory().unwrap();
    for (_, sql) in lumina::records::sqlite::MIGRATIONS {
        connection.execute_batch(sql).unwrap();
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/records/sql");
    for name in WORKING {
        let source = std::fs::read_to_string(folder.join(name).with_extension("rs")).unwrap();
        let statements = statements(&source);
        assert!(!statements.is_empty(), "{name} has no statements");
        for sql in statements {
            let scans = find_scans(&connection, sql);
            assert!(scans.is_empty(), "{name}: {sql}: {scans:?}");
        }
    }
}
