//! The transport over real sockets: what a failure on the wire is taken for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use lumina_fullenrich::{
    Client, Limiter, MAX_RESPONSE_BYTES, ReadOutcome, ReqwestOptions, ReqwestTransport, StartOutcome, Transport,
    TransportError,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::golden;
use crate::scripted::{NOON, at, batch_of_one};

/// Long enough that no busy machine runs into it in a test that is not about it.
const GENEROUS: Duration = Duration::from_secs(60);

fn transport(connect_timeout: Duration, timeout: Duration) -> ReqwestTransport {
    let options = ReqwestOptions {
        connect_timeout,
        timeout,
        ..ReqwestOptions::default()
    };
    ReqwestTransport::new(&options).expect("TLS and client can be set up")
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("loopback has a free port");
    let address = listener.local_addr().expect("a bound socket has an address");
    (listener, address.to_string())
}

/// Reads one request, head and body.
async fn read_request(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.expect("the client sends");
        assert_ne!(count, 0, "the client sends a whole request");
        read.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&read);
        if let Some((head, body)) = text.split_once("\r\n\r\n")
            && body.len() >= content_length(head)
        {
            return text.into_owned();
        }
    }
}

fn content_length(head: &str) -> usize {
    let line = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    line.map_or(0, |value| value.parse().expect("a length is a number"))
}

async fn post(transport: &ReqwestTransport, scheme: &str, address: &str) -> Result<Response<Bytes>, TransportError> {
    let request = Request::post(format!("{scheme}://{address}/bulk")).body(Bytes::from_static(b"{\"data\":[]}"));
    transport.send(request.expect("the request is well formed")).await
}

/// What a server does with the first connection after it has read the request.
#[derive(Clone, Copy, Debug)]
enum Reply {
    CloseUnread,
    Close,
    Text(&'static str),
    TextThenSilence(&'static str),
    Endless,
}

fn serve_once(listener: TcpListener, reply: Reply) -> JoinHandle<Option<TcpStream>> {
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("the client connects");
        if matches!(reply, Reply::CloseUnread) {
            return None;
        }
        read_request(&mut stream).await;
        match reply {
            Reply::CloseUnread | Reply::Close => None,
            Reply::Text(text) => {
                stream.write_all(text.as_bytes()).await.expect("the client reads");
                None
            }
            Reply::TextThenSilence(text) => {
                stream.write_all(text.as_bytes()).await.expect("the client reads");
                Some(stream)
            }
            Reply::Endless => {
                write_endlessly(&mut stream).await;
                None
            }
        }
    })
}

/// Writes until the client has had enough.
async fn write_endlessly(stream: &mut TcpStream) {
    let head = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
    head.expect("the client reads the head");
    let block = vec![b' '; 1 << 20];
    let mut written = 0;
    while stream.write_all(&block).await.is_ok() {
        written += block.len();
        assert!(written <= 4 * MAX_RESPONSE_BYTES, "the client must stop reading");
    }
}

#[tokio::test]
async fn what_fails_before_the_first_byte_was_not_sent() {
    let (listener, address) = listen().await;
    drop(listener);
    let patient = transport(GENEROUS, GENEROUS);
    for scheme in ["http", "https"] {
        let error = post(&patient, scheme, &address).await.expect_err("nobody listens");
        assert!(matches!(error, TransportError::NotSent { .. }), "{scheme}: {error:?}");
        assert!(
            error.to_string().to_lowercase().contains("connection refused"),
            "{error}"
        );
    }
    // No resolver takes a name with an empty label, so this asks no network.
    let error = post(&patient, "http", "no..such..name:80")
        .await
        .expect_err("there is no such name");
    assert!(matches!(error, TransportError::NotSent { .. }), "{error:?}");
}

#[tokio::test]
async fn a_failed_tls_handshake_was_not_sent() {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("the client connects");
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .expect("the client reads");
    });
    let error = post(&transport(GENEROUS, GENEROUS), "https", &address)
        .await
        .expect_err("this is no TLS");
    assert!(matches!(error, TransportError::NotSent { .. }), "{error:?}");
    server.await.expect("the server ends well");
}

#[tokio::test]
async fn a_tls_handshake_that_takes_too_long_was_not_sent() {
    let (listener, address) = listen().await;
    let hurried = transport(Duration::from_millis(150), GENEROUS);
    let error = post(&hurried, "https", &address)
        .await
        .expect_err("nobody shakes hands");
    assert!(matches!(error, TransportError::NotSent { .. }), "{error:?}");
    drop(listener);
}

#[tokio::test]
async fn what_fails_after_the_first_byte_is_unknown() {
    let table = [
        (Reply::CloseUnread, GENEROUS, None),
        (Reply::Close, GENEROUS, None),
        (Reply::Text("HTTP/1.1 200 OK\r\nContent-Le"), GENEROUS, None),
        (Reply::Text("not HTTP at all\r\n\r\n"), GENEROUS, None),
        (
            Reply::Text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"enrichment"),
            GENEROUS,
            Some(200),
        ),
        (
            Reply::Text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"en"),
            GENEROUS,
            Some(200),
        ),
        (Reply::TextThenSilence(""), Duration::from_millis(300), None),
        (
            Reply::TextThenSilence("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"enrichment"),
            Duration::from_millis(300),
            Some(200),
        ),
        (Reply::Endless, GENEROUS, Some(200)),
    ];
    for (reply, timeout, expected) in table {
        let (listener, address) = listen().await;
        let server = serve_once(listener, reply);
        let error = post(&transport(GENEROUS, timeout), "http", &address)
            .await
            .expect_err("there is no whole answer");
        let TransportError::Unknown { status, .. } = error else {
            panic!("{reply:?}: {error:?}")
        };
        assert_eq!(status, expected, "{reply:?}");
        drop(server.await.expect("the server ends well"));
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (listener, address) = listen().await;
    let text = "HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    let server = serve_once(listener, Reply::Text(text));
    let response = post(&transport(GENEROUS, GENEROUS), "http", &address)
        .await
        .expect("a redirect is an answer");
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()[http::header::LOCATION], "/elsewhere");
    server.await.expect("the server ends well");
}

/// Answers each connection once and leaves it open, as a server does that keeps connections alive.
fn serve_kept_alive(listener: TcpListener, bodies: Vec<Bytes>) -> JoinHandle<Vec<String>> {
    tokio::spawn(async move {
        let (mut requests, mut open) = (Vec::new(), Vec::new());
        for body in bodies {
            let (mut stream, _) = listener
                .accept()
                .await
                .expect("each call makes a connection of its own");
            requests.push(read_request(&mut stream).await);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            stream
                .write_all(&[head.as_bytes(), &body].concat())
                .await
                .expect("the client reads");
            open.push(stream);
        }
        requests
    })
}

#[tokio::test]
async fn the_client_starts_and_reads_a_batch_over_a_real_socket() {
    let (listener, address) = listen().await;
    let server = serve_kept_alive(
        listener,
        vec![golden::body("accepted.json"), golden::body("finished.json")],
    );
    let limiter = Arc::new(Limiter::default());
    let permit = || limiter.try_acquire(at(NOON)).expect("the limiter is new");
    let transport = Arc::new(transport(GENEROUS, GENEROUS));
    let base_url = format!("http://{address}/api/v2/");
    let client = Client::new(transport, &base_url, &"test-api-key-not-real".into(), limiter.clone());
    let client = client.expect("the settings are good");

    let started = client.start_batch(permit(), &batch_of_one()).await;
    assert_eq!(
        started,
        StartOutcome::Accepted {
            enrichment_id: golden::batch_id()
        }
    );
    let read = client.read_batch(permit(), &golden::batch_id()).await;
    assert!(
        matches!(&read, ReadOutcome::Finished(answer) if answer.result().data.len() == 6),
        "{read:?}"
    );

    let requests = server.await.expect("the server ends well");
    assert!(
        requests[0].starts_with("POST /api/v2/contact/reverse/email/bulk HTTP/1.1\r\n"),
        "{}",
        requests[0]
    );
    assert!(requests[0].ends_with(r#"{"name":"Reverse Email Lookup","data":[{"email":"nobody@example.com"}]}"#));
    let get = format!("GET /api/v2/contact/reverse/email/bulk/{} HTTP/1.1\r\n", golden::BATCH);
    assert!(requests[1].starts_with(&get), "{}", requests[1]);
    for request in &requests {
        assert!(
            request.contains("authorization: Bearer test-api-key-not-real\r\n"),
            "{request}"
        );
        assert!(request.contains("user-agent: lumina/"), "{request}");
    }
}

#[test]
fn a_bad_proxy_is_refused_in_words() {
    let options = ReqwestOptions {
        https_proxy: Some("http://[".to_owned()),
        ..ReqwestOptions::default()
    };
    let error = ReqwestTransport::new(&options).expect_err("this is no proxy");
    assert!(
        error.to_string().starts_with("the HTTP client could not be set up: "),
        "{error}"
    );
}
