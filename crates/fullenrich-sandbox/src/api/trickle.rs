//! Bodies that come in pieces.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt};

use crate::sandbox::Sandbox;

/// A body in pieces, with pauses before them.
pub(super) fn in_pieces(sandbox: &Arc<Sandbox>, body: impl Into<Bytes>) -> Body {
    in_pieces_then(sandbox, body, || ())
}

/// The same; what is given is done when the last piece has been taken.
pub(super) fn in_pieces_then(
    sandbox: &Arc<Sandbox>,
    body: impl Into<Bytes>,
    then: impl FnOnce() + Send + 'static,
) -> Body {
    let (clock, trickle) = (sandbox.clock().clone(), sandbox.trickle());
    let pieces = stream::iter(trickle.cut(body.into())).then(move |piece| {
        let pause = clock.sleep(trickle.pause);
        async move {
            pause.await;
            Ok::<_, Infallible>(piece)
        }
    });
    let end = stream::once(async move {
        then();
        Ok(Bytes::new())
    });
    Body::from_stream(pieces.chain(end))
}
