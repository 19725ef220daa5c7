//! Callbacks over HTTP, for real use.

use std::convert::Infallible;
use std::error::Error;

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, StreamExt};
use http::{Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::callback::{CallbackSender, DeliveryError, Trickle};

/// How much of a callback's answer is read, so that its connection can be used again. Nobody looks at what it says.
const ANSWER_LIMIT: usize = 64 * 1024;

/// Delivers callbacks over HTTP/1.1 on tokio.
///
/// Plain `http` only: the sandbox and the program under trial live on one machine or in one network. A callback to
/// an `https` URL fails with [`DeliveryError::UnsupportedScheme`], which is logged, and goes through the retries.
#[derive(Clone, Debug)]
pub struct HttpCallbackSender {
    client: Client<HttpConnector, Body>,
}

impl HttpCallbackSender {
    /// A sender that keeps its connections for reuse.
    #[must_use]
    pub fn new() -> Self {
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
        }
    }
}

impl Default for HttpCallbackSender {
    fn default() -> Self {
        Self::new()
    }
}

impl CallbackSender for HttpCallbackSender {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'static, Result<StatusCode, DeliveryError>> {
        let client = self.client.clone();
        Box::pin(async move { deliver(&client, request).await })
    }
}

async fn deliver(client: &Client<HttpConnector, Body>, request: Request<Bytes>) -> Result<StatusCode, DeliveryError> {
    let url = request.uri().to_string();
    if request.uri().scheme_str() != Some("http") {
        return Err(DeliveryError::UnsupportedScheme { url });
    }
    let trickle = request.extensions().get::<Trickle>().copied();
    let request = request.map(|body| match trickle {
        Some(trickle) => in_pieces(body, trickle),
        None => Body::from(body),
    });
    let answer = match client.request(request).await {
        Ok(answer) => answer,
        Err(error) => {
            return Err(DeliveryError::NoAnswer {
                url,
                reason: innermost(&error),
            });
        }
    };
    let status = answer.status();
    // A body that is cut short or too long changes nothing: the status is the answer.
    drop(axum::body::to_bytes(Body::new(answer.into_body()), ANSWER_LIMIT).await);
    Ok(status)
}

fn in_pieces(body: Bytes, trickle: Trickle) -> Body {
    let pieces = stream::iter(trickle.cut(body)).then(move |piece| async move {
        tokio::time::sleep(trickle.pause).await;
        Ok::<_, Infallible>(piece)
    });
    Body::from_stream(pieces)
}

/// The deepest cause is the one that a person understands ("Connection refused").
fn innermost(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
