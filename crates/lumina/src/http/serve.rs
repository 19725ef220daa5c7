//! The listener: connections of which each is bounded, and a shutdown that answers what was begun.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use futures_util::future::{Either, select};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Each holds a file descriptor, of which a process has 1,024 on many systems. Further ones wait to be accepted.
const CONNECTIONS: usize = 512;

/// How long the head of a request may take, from the end of the one before it on: so long a connection may be idle.
const HEAD_DEADLINE: Duration = Duration::from_secs(30);

/// How long a request that was begun may take to end in a shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// After an accept that failed for want of something, such as file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves HTTP/1.1 until `shutdown` ends; then accepts nothing more, answers what was begun, and returns.
///
/// # Errors
/// None so far: an accept that fails is tried again.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let connections = GracefulShutdown::new();
    let seats = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = accept_all(&listener, &router, &connections, &seats);
    match select(pin!(accepting), pin!(shutdown)).await {
        Either::Left((never, _)) => match never {},
        Either::Right(((), _)) => {}
    }
    drop(listener);
    if tokio::time::timeout(GRACE, connections.shutdown()).await.is_err() {
        tracing::warn!("some requests had not ended when the grace period was over; they are cut off");
    }
    Ok(())
}

async fn accept_all(
    listener: &TcpListener,
    router: &Router,
    connections: &GracefulShutdown,
    seats: &Arc<Semaphore>,
) -> std::convert::Infallible {
    loop {
        let seat = seats
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        let stream = accept(listener).await;
        let (router, watcher) = (router.clone(), connections.watcher());
        tokio::spawn(async move {
            converse(stream, router, watcher).await;
            drop(seat);
        });
    }
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The other side has gone again.
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "a connection could not be accepted; tried again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionRefused | Kind::ConnectionAborted | Kind::ConnectionReset
    )
}

async fn converse(stream: TcpStream, router: Router, watcher: Watcher) {
    // Answers are short; without it the last part of one may wait for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection stays as it is");
    }
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_DEADLINE)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke off");
    }
}
