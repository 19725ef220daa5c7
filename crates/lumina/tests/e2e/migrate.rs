//! `lumina migrate`, on both kinds of database.

use lumina_workflow_postgres::testing::Database;
use serde_json::json;

use crate::support::Place;

/// What is missing is said, applied, and not applied again.
#[track_caller]
fn assert_migrates(url: &str) {
    let place = Place::bare();
    let run = |arguments: &[&str]| place.run(&[&["migrate", "--json", "--database-url", url], arguments].concat());
    let before = run(&["--check"]);
    assert_eq!(before.code, Some(1), "{before:?}");
    let before: serde_json::Value = serde_json::from_str(&before.out).unwrap();
    let missing = before["missing"].as_array().unwrap();
    assert_eq!(missing.first().unwrap(), "workflow/0001_engine");
    assert_eq!(missing.last().unwrap(), "lumina/0005_leaving");
    assert_eq!(run(&["--check"]).code, Some(1), "looking has changed nothing");
    assert_eq!(run(&[]).json()["applied"], before["missing"]);
    assert_eq!(run(&[]).json()["applied"], json!([]));
    assert_eq!(run(&["--check"]).json()["missing"], json!([]));
}

#[test]
fn a_file_is_brought_up_to_date() {
    assert_migrates("sqlite:./lumina.db");
}

#[test]
fn a_server_is_brought_up_to_date() {
    assert_migrates(&Database::fresh().url());
}
