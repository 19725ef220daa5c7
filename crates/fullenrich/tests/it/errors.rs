//! Every documented error body, for both calls that can meet it.

use lumina_fullenrich::{ReadOutcome, StartOutcome};
use serde_json::{Value, json};

use crate::golden;
use crate::scripted::{Desk, read_label, start_label};

#[tokio::test]
async fn every_documented_error_has_its_meaning() {
    let table: Vec<Value> = serde_json::from_slice(&golden::body("errors.json")).expect("the table is JSON");
    assert_eq!(table.len(), 14);
    for row in table {
        let status = row["status"]
            .as_u64()
            .and_then(|n| u16::try_from(n).ok())
            .expect("a row has a status");
        let body = json!({ "code": row["code"], "message": "in words" }).to_string();
        let started = Desk::answering(status, body.clone(), &[]).start().await;
        let read = Desk::answering(status, body, &[]).read().await;
        assert_eq!(start_label(&started), row["start"], "{row}");
        assert_eq!(read_label(&read), row["read"], "{row}");
        check_refusal(&row, &started, &read);
    }
}

fn check_refusal(row: &Value, started: &StartOutcome, read: &ReadOutcome) {
    if let StartOutcome::Refused(refusal) = started {
        assert_eq!(refusal.error_code.as_deref(), row["code"].as_str());
        assert_eq!(refusal.message.as_deref(), Some("in words"));
    }
    if let ReadOutcome::Refused(refusal) | ReadOutcome::NotFound(refusal) = read {
        assert_eq!(u64::from(refusal.code), row["status"]);
        assert_eq!(refusal.error_code.as_deref(), row["code"].as_str());
    }
}
