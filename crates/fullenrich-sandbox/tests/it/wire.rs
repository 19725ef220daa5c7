//! Moods that only a real connection can show: resets, answers that never come, and bodies in pieces.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use lumina_fullenrich_sandbox::{
    CallbackSender, HttpCallbackSender, Mood, Moods, PostAnswer, Sandbox, SandboxConfig, TokioClock, Trickle,
};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::world::{BULK, KEY, batch, config};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

struct Place {
    sandbox: Arc<Sandbox>,
    address: SocketAddr,
}

impl Place {
    async fn open(moods: Moods) -> Self {
        let settings = SandboxConfig {
            moods,
            ..config().with_lookup_delay(Duration::from_millis(10))
        };
        let clock = Arc::new(TokioClock::new(tokio::runtime::Handle::current()));
        let sandbox = Sandbox::open(settings, None, clock, Arc::new(HttpCallbackSender::new())).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(Arc::clone(&sandbox).serve(listener, std::future::pending()));
        Self { sandbox, address }
    }

    /// Writes a whole request, and leaves the answer to be read.
    async fn begin(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: sandbox\r\nauthorization: Bearer {KEY}\r\n\
             content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    }

    async fn post(&self) -> TcpStream {
        self.begin("POST", BULK, &batch(&["a@readers.example"]).to_string())
            .await
    }

    async fn call(&self, method: &str, path: &str, body: &Value) -> String {
        let stream = self.begin(method, path, &body.to_string()).await;
        read(stream).await.expect("it is answered").concat()
    }

    /// Waits until something is so of the ledger's first batch.
    async fn until(&self, what: &str, is_so: impl Fn(&lumina_fullenrich_sandbox::BatchLine) -> bool) {
        let wait = async {
            while !self.sandbox.report().batches.first().is_some_and(&is_so) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("{what}"));
    }
}

/// The pieces in which everything arrived, or how the connection broke.
async fn read(mut stream: TcpStream) -> Result<Vec<String>, ErrorKind> {
    let mut pieces = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = tokio::time::timeout(PATIENCE, stream.read(&mut buffer))
            .await
            .expect("something comes")
            .map_err(|error| error.kind())?;
        if count == 0 {
            return Ok(pieces);
        }
        pieces.push(String::from_utf8(buffer[..count].to_vec()).unwrap());
    }
}

#[tokio::test]
async fn a_reset_is_one() {
    for (mood, accepted) in [(Mood::ResetBefore, 0), (Mood::ResetAfter, 1)] {
        let place = Place::open(Moods::always([mood])).await;
        assert_eq!(
            read(place.post().await).await,
            Err(ErrorKind::ConnectionReset),
            "{mood}"
        );
        assert_eq!(place.sandbox.totals().batch_count, accepted);
        let other = place.call("GET", "/api/v2/account/credits", &Value::Null).await;
        assert!(
            other.starts_with("HTTP/1.1 200"),
            "only that connection is reset: {other}"
        );
    }
}

#[tokio::test]
async fn a_lost_answer_is_never_written_and_its_caller_may_go() {
    let place = Place::open(Moods::always([Mood::AnswerLost])).await;
    let (stays, goes) = (place.post().await, place.post().await);
    place
        .until("two batches", |_| place.sandbox.totals().batch_count == 2)
        .await;
    drop(goes);
    let page = place.call("DELETE", "/sandbox/moods", &Value::Null).await;
    assert!(page.contains(r#""answer_lost":2"#), "{page}");
    let answer = read(stays).await.unwrap().concat();
    assert!(answer.contains("enrichment_id"), "let go, it comes: {answer}");
    let told = place.sandbox.report().batches.into_iter().map(|line| line.answered);
    assert!(told.into_iter().any(|answered| answered == PostAnswer::Ok));
}

#[tokio::test]
async fn a_server_stops_though_answers_hang() {
    let settings = SandboxConfig {
        moods: Moods::always([Mood::AnswerLost]),
        ..config()
    };
    let clock = Arc::new(TokioClock::new(tokio::runtime::Handle::current()));
    let sandbox = Sandbox::open(settings, None, clock, Arc::new(HttpCallbackSender::new())).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(Arc::clone(&sandbox).serve(listener, async move { drop(stopped.await) }));
    let place = Place { sandbox, address };
    let hangs = place.post().await;
    let waits = place.begin("GET", "/sandbox/holds?wait=600000", "").await;
    place.until("a batch", |_| true).await;
    stop.send(()).unwrap();
    let ended = tokio::time::timeout(PATIENCE, server)
        .await
        .expect("nothing holds it up");
    ended.unwrap().unwrap();
    assert_eq!(read(hangs).await, Err(ErrorKind::ConnectionReset));
    drop(waits);
    assert_eq!(place.sandbox.report().batches[0].answered, PostAnswer::Lost);
}

#[tokio::test]
async fn a_held_post_is_seen_and_let_go() {
    for at in ["before", "accepted"] {
        let place = Place::open(Moods::default()).await;
        place.call("POST", "/sandbox/holds", &json!({"at": at})).await;
        let waiting = place.begin("GET", "/sandbox/holds?wait=30000", "").await;
        let dies = place.post().await;
        let seen = read(waiting).await.unwrap().concat();
        assert!(seen.contains(r#""name":"a batch""#), "{seen}");
        drop(dies);
        let gone = async {
            while !place
                .call("GET", "/sandbox/holds", &Value::Null)
                .await
                .contains(r#""held":null"#)
            {}
        };
        tokio::time::timeout(PATIENCE, gone)
            .await
            .expect("the hold ends with its caller");
        assert_eq!(place.sandbox.totals().batch_count, usize::from(at == "accepted"));
        place.call("POST", "/sandbox/holds", &json!({"at": at})).await;
        let waiting = place.begin("GET", "/sandbox/holds?wait=30000", "").await;
        let lives = place.post().await;
        read(waiting).await.unwrap();
        place.call("DELETE", "/sandbox/holds", &Value::Null).await;
        let answer = read(lives).await.unwrap().concat();
        assert!(answer.contains("enrichment_id"), "{answer}");
    }
}

#[tokio::test]
async fn bodies_arrive_in_pieces() {
    let moods = Moods {
        trickle_pause: Duration::from_millis(20),
        ..Moods::always([Mood::AnswerTrickled, Mood::BodiesTrickled])
    };
    let place = Place::open(moods).await;
    let answer = read(place.post().await).await.unwrap();
    assert!(
        answer.len() > 4 && answer.concat().starts_with("HTTP/1.1 200"),
        "{answer:?}"
    );
    place.until("the end", |line| line.ended_at.is_some()).await;
    let line = place.sandbox.report().batches.remove(0);
    assert_eq!(line.answered, PostAnswer::Ok);
    let got = place.begin("GET", &format!("{BULK}/{}", line.enrichment_id), "").await;
    let pieces = read(got).await.unwrap();
    assert!(pieces.len() > 4, "{pieces:?}");
}

#[tokio::test]
async fn a_callback_leaves_in_pieces() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = Request::post(format!("http://{}/hook", listener.local_addr().unwrap()))
        .body(Bytes::from_static(&[b'x'; 80]))
        .unwrap();
    request.extensions_mut().insert(Trickle {
        pieces: 8,
        pause: Duration::from_millis(20),
    });
    let sent = tokio::spawn(HttpCallbackSender::new().send(request));
    let (mut stream, _) = listener.accept().await.unwrap();
    let (mut pieces, mut whole) = (0, String::new());
    while !whole.ends_with("0\r\n\r\n") {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await.unwrap();
        whole.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        pieces += 1;
    }
    assert!(pieces > 4, "{pieces}");
    assert_eq!(whole.matches('x').count(), 80, "{whole}");
    stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(sent.await.unwrap().unwrap(), 204);
}
