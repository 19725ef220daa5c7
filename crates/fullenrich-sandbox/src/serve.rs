//! The sandbox behind a socket.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::sandbox::Sandbox;

impl Sandbox {
    /// Serves [`router`](Sandbox::router) on `listener` until `shutdown` ends and open calls are answered.
    ///
    /// # Errors
    /// The listener fails for good.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(listener, self.router())
            .with_graceful_shutdown(shutdown)
            .await
    }
}
