//! The sandbox behind a socket.

use std::future::Future;
use std::io;
use std::sync::Arc;

use axum::middleware;
use tokio::net::TcpListener;

use crate::connection::{CutListener, Cutter, cut};
use crate::sandbox::Sandbox;

impl Sandbox {
    /// Serves [`router`](Sandbox::router) on `listener` until `shutdown` ends and open calls are answered. Those that
    /// hang on purpose are then reset.
    ///
    /// # Errors
    /// The listener fails for good.
    pub async fn serve(
        self: Arc<Self>,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let router = self.router().layer(middleware::from_fn(cut));
        let connections = router.into_make_service_with_connect_info::<Cutter>();
        let closing = Arc::clone(&self);
        let shutdown = async move {
            shutdown.await;
            closing.close();
        };
        axum::serve(CutListener(listener), connections)
            .with_graceful_shutdown(shutdown)
            .await
    }
}
