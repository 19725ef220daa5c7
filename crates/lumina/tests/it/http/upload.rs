//! `POST /api/upload`.

use lumina_workflow::store::{RunQuery, RunStatus};
use serde_json::{Value, json};

use crate::support::{Form, TestApp, post};

const FILE: &str = "Email,First Name,status\n\
    sarah@gmail.com,Sarah,active\n\
    sarah+again@gmail.com,Sarah,active\n\
    bob@acme-corp.com,Bob,active\n\
    gone@gmail.com,Gone,unsubscribed\n\
    nonsense,,active\n";

async fn upload(test: &TestApp, form: Form) -> Value {
    test.send(form.call().authorized()).await.ok()
}

/// So many personal addresses.
fn people(count: usize) -> String {
    let rows: String = (0..count)
        .map(|number| format!("somebody{number}@gmail.com\n"))
        .collect();
    format!("email\n{rows}")
}

fn files_in(test: &TestApp) -> usize {
    std::fs::read_dir(test.upload_folder()).map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_file_is_taken_in_as_import_does() {
    let test = TestApp::new().await;
    let answer = upload(&test, Form::new().file("spring list.csv", FILE)).await;
    let message = &answer["errors"][0]["message"];
    assert_eq!(
        answer,
        json!({
            "totalRows": 5, "newSubscribers": 2, "duplicatesSkipped": 1, "skippedUnsubscribed": 1,
            "errors": [{"line": 6, "code": "INVALID_EMAIL", "message": message}],
            "jobs": 1,
        })
    );
    assert_eq!(
        test.count("SELECT count(*) FROM subscriber WHERE source = 'spring list.csv'")
            .await,
        2
    );
    assert_eq!(files_in(&test), 0, "the file is deleted afterwards");
}

#[tokio::test]
async fn what_is_bought_is_what_was_asked_for() {
    type Fields = &'static [(&'static str, &'static str)];
    let rows: [(usize, Fields, u64, bool); 11] = [
        (100, &[], 100, false),
        (101, &[], 0, true),
        (101, &[("enrich", "yes")], 101, false),
        (101, &[("enrich", "no")], 0, false),
        (5, &[("enrich", "no")], 0, false),
        (150, &[("limit", "20")], 20, false),
        (150, &[("limit", "100")], 100, false),
        (150, &[("limit", "101")], 0, true),
        (150, &[("enrich", "yes"), ("limit", "120")], 120, false),
        (150, &[("limit", "120"), ("enrich", "no")], 0, false),
        (5, &[("limit", "0")], 0, false),
    ];
    for (count, fields, jobs, is_told) in rows {
        let test = TestApp::new().await;
        let form = fields
            .iter()
            .fold(Form::new(), |form, (name, value)| form.text(name, value));
        let answer = upload(&test, form.file("list.csv", &people(count))).await;
        let told = format!("{count} with {fields:?}: {answer}");
        assert_eq!(answer["newSubscribers"], count, "{told}");
        assert_eq!(answer["jobs"], jobs, "{told}");
        assert_eq!(
            test.count("SELECT count(*) FROM enrichment_job").await,
            jobs as i64,
            "{told}"
        );
        assert_eq!(answer["note"].is_string(), is_told, "{told}");
        if is_told {
            let note = answer["note"].as_str().unwrap();
            assert!(
                note.contains("stored without lookups") && note.contains("lumina enrich"),
                "{note}"
            );
        }
    }
}

/// What was declined has no job, so that nothing can buy it behind anybody's back.
#[tokio::test]
async fn what_was_declined_is_not_started_later() {
    let test = TestApp::new().await;
    upload(&test, Form::new().text("enrich", "no").file("list.csv", &people(3))).await;
    let started = test.send(post("/api/enrichment/batches").authorized()).await.ok();
    assert_eq!(started, json!({"workflowIds": [], "jobs": 0}));
}

#[tokio::test]
async fn two_hundred_and_fifty_lookups_are_three_batches() {
    let test = TestApp::new().await;
    upload(&test, Form::new().text("enrich", "yes").file("list.csv", &people(250))).await;
    let query = RunQuery {
        statuses: vec![RunStatus::Pending],
        limit: 10,
        ..RunQuery::default()
    };
    assert_eq!(test.app.engine.runs(query).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn malformed_forms_and_files_name_the_field_and_store_nothing() {
    let test = TestApp::new().await;
    let file = || Form::new().file("list.csv", "email\na@gmail.com\n");
    let rows = [
        (Form::new(), "file: it is missing"),
        (Form::new().text("enrich", "yes"), "file: it is missing"),
        (file().text("enrich", "maybe"), "enrich: it must be yes or no"),
        (file().text("enrich", ""), "enrich: it must be yes or no"),
        (file().text("limit", "many"), "limit: it must be a whole number"),
        (file().text("limit", "-1"), "limit: it must be a whole number"),
        (file().text("limit", &"1".repeat(65)), "limit: it is too long"),
        (file().text("limit", "1").text("limit", "2"), "limit: it is given twice"),
        (
            file().file("again.csv", "email\nb@gmail.com\n"),
            "file: it is given twice",
        ),
        (file().text("enrch", "no"), "enrch: there is no such field"),
        (Form::new().file("empty.csv", ""), "file: the file is empty"),
        (
            Form::new().file("names.csv", "name,age\nBob,7\n"),
            "file: no column holds e-mail addresses",
        ),
        (Form::new().file("list.xlsx", "PK\u{3}\u{4}\0\0\0\0"), "file: "),
    ];
    for (form, message) in rows {
        test.send(form.call().authorized())
            .await
            .assert_refused(400, "INVALID_PAYLOAD", message);
        assert_eq!(files_in(&test), 0, "{message}");
    }
    let cut = Form::empty_call().body(file().begun());
    let plain = post("/api/upload")
        .header("content-type", "text/csv")
        .body("email\na@gmail.com\n");
    for (call, message) in [
        (cut, "body: it is no complete form"),
        (plain, "body: it must be a form"),
    ] {
        test.send(call.authorized())
            .await
            .assert_refused(400, "INVALID_PAYLOAD", message);
    }
    assert_eq!(test.count("SELECT count(*) FROM subscriber").await, 0);
    assert_eq!(files_in(&test), 0);
}

/// A process that died while it read an upload left it there.
#[tokio::test]
async fn what_a_former_process_left_is_deleted_at_the_start() {
    let mut left_over = std::path::PathBuf::new();
    let test = TestApp::with(|settings| {
        std::fs::create_dir(&settings.upload_folder).unwrap();
        left_over = settings.upload_folder.join("left-over.upload");
        std::fs::write(&left_over, "email\na@gmail.com\n").unwrap();
    })
    .await;
    assert!(!left_over.exists());
    upload(&test, Form::new().file("list.csv", &people(1))).await;
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_can_look_into_the_folder() {
    use std::os::unix::fs::PermissionsExt;
    let test = TestApp::new().await;
    upload(&test, Form::new().file("list.csv", &people(1))).await;
    let mode = std::fs::metadata(test.upload_folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
