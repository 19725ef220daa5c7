//! The transport over reqwest and rustls.

use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use rustls::{ClientConfig, RootCertStore};

use super::{BoxFuture, MAX_RESPONSE_BYTES, Transport, TransportError};

/// What can be chosen about a [`ReqwestTransport`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReqwestOptions {
    /// The longest time for name lookup, connection and TLS handshake together. What it ends was not sent, so it is
    /// better much shorter than `timeout`. Default: 10 s.
    pub connect_timeout: Duration,
    /// The longest time for the whole exchange, from the lookup to the last byte of the answer. Default: 45 s, so that
    /// it ends before an attempt of a minute is ended from outside.
    pub timeout: Duration,
    /// An HTTP proxy for `https` addresses, such as `http://proxy.internal:3128`. Plain `http` ones are always reached
    /// directly, and no proxy is taken from the environment. Default: none.
    pub https_proxy: Option<String>,
}

impl Default for ReqwestOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(45),
            https_proxy: None,
        }
    }
}

/// The network, over HTTP/1.1 and rustls with ring.
///
/// Certificates are checked against the system's roots, or against the bundled Mozilla roots where the system has
/// none. Every request gets a connection of its own: at 60 calls a minute a handshake costs nothing, while a request
/// on a kept connection that the server is just closing would leave a paid batch's fate unknown.
///
/// It must be used inside a tokio runtime with I/O and time.
#[derive(Clone, Debug)]
pub struct ReqwestTransport {
    client: reqwest::Client,
}

/// A transport that could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be set up: {detail}")]
pub struct TransportSetupError {
    detail: String,
}

impl ReqwestTransport {
    /// Sets the transport up; no connection is made yet.
    ///
    /// # Errors
    /// [`TransportSetupError`] when the proxy's address is none, or TLS cannot be set up.
    pub fn new(options: &ReqwestOptions) -> Result<Self, TransportSetupError> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(configure_tls()?)
            .http1_only()
            .user_agent(concat!("lumina/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(options.connect_timeout)
            .timeout(options.timeout)
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy();
        if let Some(proxy) = &options.https_proxy {
            builder = builder.proxy(reqwest::Proxy::https(proxy).map_err(|e| setup_error(&e))?);
        }
        Ok(Self {
            client: builder.build().map_err(|e| setup_error(&e))?,
        })
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(|error| TransportError::NotSent {
            detail: describe(&error),
        })?;
        let mut answer = self
            .client
            .execute(request)
            .await
            .map_err(|error| classify_send_error(&error))?;
        let body = read_body(&mut answer).await?;
        let mut response = Response::new(body);
        *response.status_mut() = answer.status();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }
}

impl Transport for ReqwestTransport {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        Box::pin(self.exchange(request))
    }
}

fn configure_tls() -> Result<ClientConfig, TransportSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| setup_error(&e))?
        .with_root_certificates(load_roots())
        .with_no_client_auth();
    Ok(config)
}

fn load_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    // A certificate of the system's that cannot be read is no reason to trust none of them.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

async fn read_body(answer: &mut reqwest::Response) -> Result<Bytes, TransportError> {
    let status = Some(answer.status().as_u16());
    let mut body = BytesMut::new();
    loop {
        let chunk = answer.chunk().await;
        let chunk = chunk.map_err(|error| TransportError::Unknown {
            detail: describe(&error),
            status,
        })?;
        let Some(chunk) = chunk else { return Ok(body.freeze()) };
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let detail = format!("the answer is larger than {MAX_RESPONSE_BYTES} bytes");
            return Err(TransportError::Unknown { detail, status });
        }
        body.extend_from_slice(&chunk);
    }
}

/// Only what reqwest calls a connect or a builder error happened before the first byte. A connect error covers the
/// name, the connection, the proxy's tunnel, the TLS handshake and the time limit over these; every other kind,
/// present or future, may have come later.
fn classify_send_error(error: &reqwest::Error) -> TransportError {
    let detail = describe(error);
    if error.is_connect() || error.is_builder() {
        TransportError::NotSent { detail }
    } else {
        TransportError::Unknown { detail, status: None }
    }
}

fn setup_error(error: &dyn StdError) -> TransportSetupError {
    TransportSetupError {
        detail: describe(error),
    }
}

/// reqwest's own text names only the outermost layer; the reason is at the end of the chain.
fn describe(error: &dyn StdError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        source = inner.source();
    }
    text
}
