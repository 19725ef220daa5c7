//! Real sockets.

use std::future::pending;

use axum::Router;
use axum::routing::post;
use lumina::http::serve;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{TOKEN, TestApp};

struct Served {
    address: std::net::SocketAddr,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<std::io::Result<()>>,
}

async fn start(router: Router) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel();
    let until = async move {
        if stopped.await.is_err() {
            pending::<()>().await;
        }
    };
    let ended = tokio::spawn(serve(listener, router, until));
    Served { address, stop, ended }
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    text
}

#[tokio::test]
async fn it_answers_over_a_socket() {
    let test = TestApp::new().await;
    let served = start(test.router()).await;
    let rows = [
        (
            "GET /healthz HTTP/1.1".to_owned(),
            "HTTP/1.1 200 OK",
            "{\"status\":\"ok\"}",
        ),
        (
            "HEAD /api/webhooks/subscribe HTTP/1.1".to_owned(),
            "HTTP/1.1 200 OK",
            "",
        ),
        (
            "GET /api/leads HTTP/1.1".to_owned(),
            "HTTP/1.1 401 Unauthorized",
            "UNAUTHORIZED",
        ),
        (
            format!("GET /api/leads HTTP/1.1\r\nAuthorization: Bearer {TOKEN}"),
            "HTTP/1.1 200 OK",
            "{\"leads\":[],\"nextCursor\":null}",
        ),
        (
            "GET /nowhere HTTP/1.1".to_owned(),
            "HTTP/1.1 404 Not Found",
            "NOT_FOUND",
        ),
        ("nonsense".to_owned(), "HTTP/1.1 400 Bad Request", ""),
    ];
    for (request, status, body) in rows {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream
            .write_all(format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let answer = read_to_end(stream).await;
        assert!(answer.starts_with(status), "{request}: {answer}");
        assert!(answer.contains(body), "{request}: {answer}");
    }
}

/// A request that has begun when the shutdown begins is answered, and then nobody listens any more.
#[tokio::test]
async fn a_shutdown_answers_what_was_begun() {
    let test = TestApp::new().await;
    let served = start(test.router()).await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut begun = TcpStream::connect(served.address).await.unwrap();
    let body = json!({"any": "thing"}).to_string();
    let head = format!(
        "POST /api/webhooks/subscribe HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        body.len()
    );
    begun.write_all(head.as_bytes()).await.unwrap();
    // Somebody asks for the body: the request is being answered.
    let mut asked = [0; 25];
    begun.read_exact(&mut asked).await.unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
    let (first, second) = body.as_bytes().split_at(5);
    begun.write_all(first).await.unwrap();

    served.stop.send(()).unwrap();
    let idle = read_to_end(idle).await;
    assert!(
        idle.starts_with("HTTP/1.1 200 OK"),
        "an idle connection is closed: {idle}"
    );
    begun.write_all(second).await.unwrap();
    let answer = read_to_end(begun).await;
    assert!(
        answer.contains("401 Unauthorized") && answer.contains("MISSING_SIGNATURE"),
        "{answer}"
    );
    served.ended.await.unwrap().unwrap();
    assert!(
        TcpStream::connect(served.address).await.is_err(),
        "nobody listens any more"
    );
}

/// Strangers hold connections only as long as they use them. The clock is tokio's, which jumps when nobody is busy.
#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let served = start(Router::new()).await;
    for begun in ["", "GET /", "GET / HTTP/1.1\r\nHost: x\r\n"] {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();
        let began = tokio::time::Instant::now();
        let answer = read_to_end(stream).await;
        assert!(!answer.contains("200"), "{begun:?}: {answer}");
        assert_eq!(began.elapsed().as_secs(), 30, "{begun:?}");
    }
}

/// Whoever does not end in time is cut off, so that a shutdown ends.
#[tokio::test(start_paused = true)]
async fn a_shutdown_does_not_wait_for_ever() {
    let router = Router::new().route("/", post(|body: axum::body::Bytes| async move { body }));
    let served = start(router).await;
    let mut begun = TcpStream::connect(served.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
    begun.write_all(head.as_bytes()).await.unwrap();
    let mut asked = [0; 25];
    begun.read_exact(&mut asked).await.unwrap();
    let began = tokio::time::Instant::now();
    served.stop.send(()).unwrap();
    served.ended.await.unwrap().unwrap();
    assert_eq!(began.elapsed().as_secs(), 10);
}
