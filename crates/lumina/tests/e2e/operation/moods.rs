//! `lumina sandbox` in a mood.

use std::io::ErrorKind;
use std::net::SocketAddr;

use serde_json::json;

use crate::support::{Place, Request, SANDBOX_KEY, Signal, get, post};

const BULK: &str = "/api/v2/contact/reverse/email/bulk";

fn batch() -> Request {
    post(BULK)
        .header("authorization", &format!("Bearer {SANDBOX_KEY}"))
        .header("content-type", "application/json")
        .body(r#"{"name":"n","data":[{"email":"sarah.dev@gmail.com"}]}"#)
}

#[test]
fn moods_are_given_by_file_and_option_and_changed_while_it_runs() {
    let place = Place::bare();
    place.write("sandbox.toml", "[moods]\nreset_after = 0.5\nanswer_lost = 100\n");
    let mut process = place.spawn(&[
        "sandbox",
        "--address=127.0.0.1:0",
        "--settings=sandbox.toml",
        "--mood=reset_after=100",
    ]);
    let url = process.wait_for_line("FULLENRICH_BASE_URL=http://");
    let address = url.rsplit_once("//").unwrap().1.trim_end_matches("/api/v2");
    let address: SocketAddr = address.parse().unwrap();
    let moods = get("/sandbox/moods").send(address).unwrap().ok();
    assert_eq!(
        (&moods["settings"]["reset_after"], &moods["settings"]["answer_lost"]),
        (&json!(100.0), &json!(100.0))
    );
    let error = batch().send(address).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    let change = Request::new("PUT", "/sandbox/moods").body(r#"{"reset_after": 0}"#);
    let changed = change.send(address).unwrap().ok();
    assert_eq!(changed["occurred"]["reset_after"], 1);
    Request::new("DELETE", "/sandbox/moods").send(address).unwrap().ok();
    assert!(batch().send(address).unwrap().ok()["enrichment_id"].is_string());
    let ledger = get("/sandbox/ledger").send(address).unwrap().ok();
    assert_eq!(
        (&ledger["batches"][0]["answered"], &ledger["batches"][1]["answered"]),
        (&json!("reset"), &json!("ok"))
    );
    process.send(Signal::Terminate);
    assert!(process.wait().success());
}

#[test]
fn a_mood_that_is_none_is_named() {
    let place = Place::bare();
    for (mood, told) in [
        ("good=5", "`good` is no mood: there are rate_limited_burst, "),
        ("canceled=101", "101 is no percentage"),
        ("canceled=often", "`often` is no number"),
        ("canceled", "NAME=PERCENT"),
    ] {
        let failed = place.run(&["sandbox", "--mood", mood]);
        assert!(failed.code == Some(2) && failed.err.contains(told), "{failed:?}");
    }
}
