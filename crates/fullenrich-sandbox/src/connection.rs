//! Connections that can be reset.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::{fmt, io};

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::{IncomingStream, Listener};
use http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// An extension of a response: nobody is to see it, because the connection is reset.
///
/// [`Sandbox::serve`](crate::Sandbox::serve) does that. Who calls the router within one process makes an error of a
/// response that has this extension, for its status and body say nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset;

impl Reset {
    /// The response that stands for a reset.
    pub(crate) fn response() -> Response {
        let mut response = StatusCode::BAD_GATEWAY.into_response();
        response.extensions_mut().insert(Self);
        response
    }

    /// Whether a response stands for a reset.
    #[must_use]
    pub fn is_meant<T>(response: &http::Response<T>) -> bool {
        response.extensions().get::<Self>().is_some()
    }
}

/// A listener whose connections can be cut.
pub(crate) struct CutListener(pub(crate) TcpListener);

/// A connection that can be cut.
pub(crate) struct CutStream {
    stream: TcpStream,
    cutter: Cutter,
}

/// Cuts one connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cutter(Arc<AtomicBool>);

impl Listener for CutListener {
    type Io = CutStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CutStream, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        let cutter = Cutter::default();
        (CutStream { stream, cutter }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, CutListener>> for Cutter {
    fn connect_info(stream: IncomingStream<'_, CutListener>) -> Self {
        stream.io().cutter.clone()
    }
}

/// Cuts the connection of a call whose response stands for that.
pub(crate) async fn cut(ConnectInfo(cutter): ConnectInfo<Cutter>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    if Reset::is_meant(&response) {
        cutter.0.store(true, Ordering::Release);
    }
    response
}

impl CutStream {
    /// An error instead of the next byte. What the system has not sent yet is thrown away with the connection, and
    /// the other side is told so by a reset.
    fn check(&self) -> io::Result<()> {
        if !self.cutter.0.load(Ordering::Acquire) {
            return Ok(());
        }
        self.stream.set_zero_linger()?;
        Err(io::ErrorKind::ConnectionReset.into())
    }
}

impl fmt::Debug for CutStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.stream.fmt(f)
    }
}

impl AsyncRead for CutStream {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check()?;
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
