//! How large a body may be, how long it may take, and how many come at once.

use axum::body::Body;
use bytes::Bytes;
use futures_util::StreamExt;
use http::Request;
use lumina::http::BodyLimits;
use lumina_fullenrich_sandbox::sign;
use tokio::sync::mpsc;

use crate::support::{API_KEY, Call, Form, TestApp, add_any_source, post};

const MIB: usize = 1024 * 1024;

/// A JSON object of exactly this size.
fn filled(start: &str, size: usize) -> Vec<u8> {
    let end = "\"}";
    let filler = " ".repeat(size - start.len() - end.len());
    format!("{start}{filler}{end}").into_bytes()
}

fn subscribe(size: usize) -> Call {
    let start = r#"{"email":"a@gmail.com","source":"x","timestamp":"2026-08-01T11:59:58Z","filler":""#;
    Call::subscribe(filled(start, size))
}

fn newsletter(size: usize) -> Call {
    Call::any_source(filled(r#"{"email":"b@gmail.com","filler":""#, size))
}

fn enrichment(size: usize) -> Call {
    let body = filled(r#"{"id":"2db5ea61","status":"FINISHED","name":""#, size);
    post("/api/webhooks/enrichment")
        .header("x-signature-sha1", &sign(API_KEY, &body))
        .body(body)
}

/// Makes a valid delivery of this size.
type MakeCall = fn(usize) -> Call;

#[tokio::test]
async fn bodies_may_have_so_many_bytes_and_not_one_more() {
    let test = TestApp::with(add_any_source).await;
    let rows: [(&str, MakeCall, usize); 3] = [
        ("subscribe", subscribe, MIB),
        ("newsletters", newsletter, MIB),
        ("enrichment", enrichment, 32 * MIB),
    ];
    for (route, call, limit) in rows {
        let answer = test.send(call(limit)).await;
        assert_eq!(answer.status, 200, "{route}: {answer:?}");
        let expected = format!("larger than {limit} bytes");
        test.send(call(limit + 1))
            .await
            .assert_refused(413, "PAYLOAD_TOO_LARGE", &expected);
        let request = call(limit + 1).build();
        test.request(without_length(request))
            .await
            .assert_refused(413, "PAYLOAD_TOO_LARGE", &expected);
    }
    assert_eq!(BodyLimits::default().upload, 200 * MIB);
}

/// As a sender does who does not say beforehand how much will come.
fn without_length(request: Request<Body>) -> Request<Body> {
    request.map(|body| Body::from_stream(body.into_data_stream()))
}

#[tokio::test]
async fn a_file_may_have_so_many_bytes_and_not_one_more() {
    let head = "email\na@gmail.com\n";
    let limit = 100_000;
    let test = TestApp::with(|settings| settings.limits.upload = limit).await;
    let form = |size: usize| {
        let file = format!("{head}{}", "\n".repeat(size - head.len()));
        Form::new()
            .text("enrich", "no")
            .file("list.csv", &file)
            .call()
            .authorized()
    };
    assert_eq!(test.send(form(limit)).await.ok()["newSubscribers"], 1);
    let rows = [
        form(limit + 1).build(),
        without_length(form(limit + 1).build()),
        form(10 * limit).build(),
        without_length(form(10 * limit).build()),
    ];
    for request in rows {
        test.request(request)
            .await
            .assert_refused(413, "PAYLOAD_TOO_LARGE", "larger than 100000 bytes");
        assert_eq!(
            std::fs::read_dir(test.upload_folder()).unwrap().count(),
            0,
            "what has come is deleted"
        );
    }
}

/// A body of which the rest never comes. Each time somebody asks for more of it, the receiver hears.
fn never_ending(begun: impl Into<Bytes>) -> (Body, mpsc::UnboundedReceiver<()>) {
    let (asked, hears) = mpsc::unbounded_channel();
    let begun = futures_util::stream::iter([Ok::<_, std::io::Error>(begun.into())]);
    let rest = futures_util::stream::poll_fn(move |_| {
        // Nobody listens any more in a test that has heard enough.
        let _ = asked.send(());
        std::task::Poll::Pending
    });
    (Body::from_stream(begun.chain(rest)), hears)
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let test = TestApp::with(add_any_source).await;
    test.runtime.hurry(true);
    let form = Form::new().file("list.csv", "email\n").begun();
    let rows = [
        (newsletter(100), "{".to_owned()),
        (subscribe(200), "{".to_owned()),
        (enrichment(200), "{".to_owned()),
        (Form::empty_call().authorized(), form),
    ];
    for (call, begun) in rows {
        let (body, _hears) = never_ending(begun);
        test.request(call.with_body(body))
            .await
            .assert_refused(408, "REQUEST_TIMEOUT", "too slowly");
    }
    assert_eq!(std::fs::read_dir(test.upload_folder()).unwrap().count(), 0);
}

#[tokio::test]
async fn only_so_many_upload_at_once() {
    let test = TestApp::new().await;
    let mut uploads = Vec::new();
    for _ in 0..4 {
        let (body, mut hears) = never_ending(Form::new().file("list.csv", "email\n").begun());
        let request = Form::empty_call().authorized().with_body(body);
        let router = test.router();
        uploads.push(tokio::spawn(tower::ServiceExt::oneshot(router, request)));
        hears.recv().await.expect("the body is being read");
    }
    let form = || Form::new().file("list.csv", "email\na@gmail.com\n").call().authorized();
    test.send(form())
        .await
        .assert_refused(503, "OVERLOADED", "others are uploading");

    let hung_up = uploads.pop().unwrap();
    hung_up.abort();
    assert!(hung_up.await.unwrap_err().is_cancelled());
    assert_eq!(test.send(form()).await.ok()["newSubscribers"], 1);
    uploads.iter().for_each(tokio::task::JoinHandle::abort);
}
