//! The sandbox as a real server, with real callbacks, on the machine's clock.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use lumina_fullenrich_sandbox::{
    CallbackSender, DeliveryError, HttpCallbackSender, SIGNATURE_HEADER, Sandbox, SandboxConfig, TokioClock, sign,
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use crate::world::{BULK, KEY, config, crowd};

type Arrivals = mpsc::UnboundedSender<(String, Bytes)>;

/// Takes the first callback badly, and the others in.
async fn receive(
    State((arrivals, refuse)): State<(Arrivals, mpsc::Sender<()>)>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    if refuse.try_send(()).is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let signature = headers[SIGNATURE_HEADER].to_str().unwrap().to_owned();
    arrivals.send((signature, body)).unwrap();
    StatusCode::OK
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_over_real_sockets() {
    let (arrived, mut arrivals) = mpsc::unbounded_channel();
    let (refuse, _kept) = mpsc::channel(1);
    let (inbox, inbox_url) = listen().await;
    let router = Router::new()
        .route("/hook", post(receive))
        .with_state((arrived, refuse));
    tokio::spawn(async move { axum::serve(inbox, router).await });

    let settings = SandboxConfig {
        callback_retry_every: Duration::from_millis(50),
        ..config().with_lookup_delay(Duration::from_millis(30))
    };
    let clock = Arc::new(TokioClock::new(tokio::runtime::Handle::current()));
    let sandbox = Sandbox::open(settings, None, clock, Arc::new(HttpCallbackSender::new())).unwrap();
    let (listener, address) = listen().await;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(Arc::clone(&sandbox).serve(listener, async move { drop(stopped.await) }));

    let data: Vec<Value> = crowd("r", 120)
        .iter()
        .take(100)
        .map(|email| json!({"email": email}))
        .collect();
    let body = json!({"name": "n", "webhook_url": format!("{inbox_url}/hook"), "data": data}).to_string();
    let request = Request::post(format!("{address}{BULK}")).header("authorization", format!("Bearer {KEY}"));
    let status = HttpCallbackSender::new()
        .send(request.body(Bytes::from(body)).unwrap())
        .await
        .unwrap();
    assert_eq!(status, StatusCode::OK);

    let (signature, body) = tokio::time::timeout(Duration::from_secs(30), arrivals.recv())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(signature, sign(KEY, &body));
    let result: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(
        (&result["status"], &result["cost"]["credits"]),
        (&json!("FINISHED"), &json!(100))
    );
    assert_eq!(
        sandbox.totals().callbacks.failed_attempts,
        1,
        "the first attempt was answered with 503"
    );
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(30), server)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_callback_to_nobody_or_over_tls_is_not_delivered() {
    let (listener, address) = listen().await;
    drop(listener);
    let sender = HttpCallbackSender::new();
    let to = |url: &str| Request::post(url).body(Bytes::from_static(b"{}")).unwrap();
    let nobody = sender.send(to(&address)).await;
    assert!(matches!(nobody, Err(DeliveryError::NoAnswer { .. })), "{nobody:?}");
    let tls = sender
        .send(to("https://inbox.example/hook"))
        .await
        .expect_err("it is not supported");
    assert!(
        matches!(tls, DeliveryError::UnsupportedScheme { .. }) && tls.to_string().contains("plain http"),
        "{tls}"
    );
}
