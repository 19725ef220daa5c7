//! The floors write the rows they are named after, with the settings they promise.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;

use lumina_bench_floor::{FloorError, event_floor, import_floor, rows_floor, run_floor};
use rusqlite::Connection;
use tempfile::TempDir;

/// A folder and a path in it where a floor can make its database.
fn fresh() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("floor.db");
    (folder, path)
}

fn number(path: &PathBuf, query: &str) -> i64 {
    Connection::open(path)
        .unwrap()
        .query_row(query, [], |row| row.get(0))
        .unwrap()
}

#[test]
fn runs_end_completed_with_four_records_each() {
    // In flight and group sizes that do not divide the number of runs: the rest must be driven home as well.
    for (runs, in_flight, per_commit) in [(1, 1, 1), (7, 3, 2), (530, 100, 40), (50, 1000, 200)] {
        let (_folder, path) = fresh();
        let speed = run_floor(&path, runs, in_flight, per_commit).unwrap();
        assert!(speed.per_second.is_finite() && speed.per_second > 0.0);
        let runs = i64::try_from(runs).unwrap();
        assert_eq!(number(&path, "SELECT count(*) FROM run WHERE status = 4"), runs);
        assert_eq!(number(&path, "SELECT count(*) FROM record"), runs * 4);
        assert_eq!(number(&path, "SELECT count(*) FROM event"), 0);
        assert_eq!(number(&path, "SELECT count(*) FROM correlation"), 0);
    }
}

#[test]
fn a_run_needs_five_commits_when_it_is_alone() {
    let (_folder, path) = fresh();
    assert_eq!(run_floor(&path, 1, 1, 200).unwrap().commits, 5);
}

#[test]
fn transitions_share_commits_up_to_the_limit() {
    let (_folder, path) = fresh();
    assert_eq!(run_floor(&path, 400, 400, 200).unwrap().commits, 400 * 5 / 200);
}

#[test]
fn the_file_keeps_the_page_size_and_the_log() {
    let (_folder, path) = fresh();
    run_floor(&path, 10, 10, 10).unwrap();
    assert_eq!(number(&path, "PRAGMA page_size"), 8192);
    let mode: String = Connection::open(&path)
        .unwrap()
        .query_row("PRAGMA journal_mode", [], |row| row.get(0))
        .unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn an_import_leaves_subscribers_and_jobs_for_half_of_them() {
    for (rows, jobs, commits) in [(1, 1, 1), (1_000, 500, 1), (2_001, 1_001, 3)] {
        let (_folder, path) = fresh();
        assert_eq!(import_floor(&path, rows).unwrap().commits, commits);
        assert_eq!(
            number(&path, "SELECT count(*) FROM subscriber"),
            i64::try_from(rows).unwrap()
        );
        assert_eq!(
            number(&path, "SELECT count(*) FROM job JOIN subscriber s ON s.id = subscriber"),
            jobs
        );
    }
}

#[test]
fn a_second_open_job_for_one_address_is_refused() {
    let (_folder, path) = fresh();
    import_floor(&path, 1).unwrap();
    let again = "INSERT INTO job SELECT x'00', subscriber, dedupe_key, email, 2, run, 0, 0 FROM job";
    let refused = Connection::open(&path).unwrap().execute(again, []).unwrap_err();
    assert_eq!(
        refused.sqlite_error_code(),
        Some(rusqlite::ErrorCode::ConstraintViolation)
    );
}

#[test]
fn the_rows_of_another_database_are_written_as_they_are() {
    let (_folder, source) = fresh();
    import_floor(&source, 2_500).unwrap();
    let (_other, path) = fresh();
    // 2,500 subscribers and 1,250 jobs, by thousands.
    assert_eq!(rows_floor(&path, &source, 2_500).unwrap().commits, 3 + 2);
    let joined = Connection::open(&path).unwrap();
    joined
        .execute("ATTACH ? AS source", [source.to_str().unwrap()])
        .unwrap();
    for table in ["subscriber", "job"] {
        let missing = format!("SELECT count(*) FROM (SELECT * FROM source.{table} EXCEPT SELECT * FROM main.{table})");
        let missing: i64 = joined.query_row(&missing, [], |row| row.get(0)).unwrap();
        assert_eq!(missing, 0, "{table}");
    }
    let made = "SELECT count(*) FROM sqlite_schema WHERE sql IS NOT NULL";
    assert_eq!(
        number(&path, made),
        number(&source, made),
        "the indices are there as well"
    );
}

#[test]
fn a_lone_commit_has_a_median_and_a_tail() {
    let (_folder, path) = fresh();
    let latency = event_floor(&path, 20).unwrap();
    assert!(!latency.p50.is_zero() && latency.p50 <= latency.p99);
    assert_eq!(number(&path, "SELECT seq FROM run"), 20);
}

#[test]
fn an_argument_of_zero_is_refused_by_name() {
    let (_folder, path) = fresh();
    let refusals = [
        (run_floor(&path, 0, 1, 1).map(|_| ()), "runs"),
        (run_floor(&path, 1, 0, 1).map(|_| ()), "in_flight"),
        (run_floor(&path, 1, 1, 0).map(|_| ()), "per_commit"),
        (import_floor(&path, 0).map(|_| ()), "rows"),
        (rows_floor(&path, &path, 0).map(|_| ()), "units"),
        (event_floor(&path, 0).map(|_| ()), "commits"),
    ];
    for (refused, name) in refusals {
        assert!(
            matches!(refused, Err(FloorError::Nothing { argument }) if argument == name),
            "{name}"
        );
    }
}

#[test]
fn a_database_that_is_there_already_is_refused() {
    let (_folder, path) = fresh();
    import_floor(&path, 1).unwrap();
    assert!(matches!(import_floor(&path, 1), Err(FloorError::Sqlite(_))));
}
