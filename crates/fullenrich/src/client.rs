//! The four calls.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, header};
use secrecy::{ExposeSecret, SecretString};

use crate::outcome::{Balance, CallError, ReadOutcome, StartOutcome, Workspace};
use crate::reply::Reply;
use crate::request::is_web_address;
use crate::{BatchRequest, EnrichmentId, Limiter, Permit, Transport, TransportError, classify};

/// Where FullEnrich's v2 API lives.
pub const DEFAULT_BASE_URL: &str = "https://app.fullenrich.com/api/v2";

const BULK: &str = "/contact/reverse/email/bulk";

/// A client with one API key. Cheap to clone; clones share transport and limiter.
///
/// Each call takes a [`Permit`] of the limiter it was built with and makes one request, never two. A 429 closes the
/// limiter by itself: until the end of the permit's minute, or for the Retry-After that came with it.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    base_url: String,
    authorization: HeaderValue,
    limiter: Arc<Limiter>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.base_url)
            .finish_non_exhaustive()
    }
}

/// Settings from which no client can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The base URL is not one.
    #[error("'{url}' is no base URL for FullEnrich: give a full http:// or https:// URL without ? and #")]
    BaseUrl {
        /// The URL as given.
        url: String,
    },
    /// The key is empty.
    #[error("the FullEnrich API key is empty: copy it from FullEnrich's settings")]
    EmptyKey,
    /// The key holds what no header can carry.
    #[error("the FullEnrich API key holds a line break or another character that no key has: copy it again")]
    MalformedKey,
}

impl Client {
    /// A client that calls `base_url` (see [`DEFAULT_BASE_URL`]; a trailing slash does not matter) with `api_key`.
    ///
    /// # Errors
    /// [`ClientError`] when the URL is no plain http or https URL, or the key is empty or cannot be sent.
    pub fn new(
        transport: Arc<dyn Transport>,
        base_url: &str,
        api_key: &SecretString,
        limiter: Arc<Limiter>,
    ) -> Result<Self, ClientError> {
        if !is_web_address(base_url) || base_url.contains(['?', '#']) {
            return Err(ClientError::BaseUrl {
                url: base_url.to_owned(),
            });
        }
        let base_url = base_url.trim_end_matches('/').to_owned();
        let authorization = authorization(api_key)?;
        Ok(Self {
            transport,
            base_url,
            authorization,
            limiter,
        })
    }

    /// The limiter whose permits the calls take.
    #[must_use]
    pub fn limiter(&self) -> &Arc<Limiter> {
        &self.limiter
    }

    /// Asks whether the key is valid (`GET /account/keys/verify`).
    ///
    /// # Errors
    /// [`CallError::Refused`] with [`RefusalKind::Unauthorized`](crate::RefusalKind::Unauthorized) when it is not;
    /// [`CallError::NotAnswered`] when FullEnrich did not say.
    pub async fn verify_key(&self, permit: Permit) -> Result<Workspace, CallError> {
        classify::workspace(self.get(permit, "/account/keys/verify").await)
    }

    /// Asks for the balance (`GET /account/credits`), which costs nothing but the call.
    ///
    /// # Errors
    /// [`CallError`] when FullEnrich refused or did not say.
    pub async fn credits(&self, permit: Permit) -> Result<Balance, CallError> {
        classify::balance(self.get(permit, "/account/credits").await)
    }

    /// Starts a batch (`POST /contact/reverse/email/bulk`). **Every call that is accepted is a new batch and is
    /// charged**; what may be done after any other answer is in the [`StartOutcome`].
    pub async fn start_batch(&self, permit: Permit, batch: &BatchRequest) -> StartOutcome {
        classify::start_outcome(self.call(permit, Method::POST, BULK, batch.to_body()).await)
    }

    /// Reads a batch (`GET /contact/reverse/email/bulk/{id}`), whatever its state. FullEnrich asks that a batch is
    /// read no more often than every 5 minutes.
    pub async fn read_batch(&self, permit: Permit, id: &EnrichmentId) -> ReadOutcome {
        classify::read_outcome(id, self.get(permit, &format!("{BULK}/{id}")).await)
    }

    async fn get(&self, permit: Permit, path: &str) -> Result<Reply, TransportError> {
        self.call(permit, Method::GET, path, Bytes::new()).await
    }

    async fn call(&self, permit: Permit, method: Method, path: &str, body: Bytes) -> Result<Reply, TransportError> {
        let request = self.request(method, path, body)?;
        let response = self.transport.send(request).await?;
        let reply = Reply::from_response(response, permit.granted_at());
        self.note_limit(&permit, &reply);
        Ok(reply)
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Bytes>, TransportError> {
        let mut builder = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base_url))
            .header(header::AUTHORIZATION, self.authorization.clone())
            .header(header::ACCEPT, "application/json");
        if !body.is_empty() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        builder.body(body).map_err(|error| TransportError::NotSent {
            detail: error.to_string(),
        })
    }

    /// The client knows no time but the permit's. An answer takes seconds, so a Retry-After counted from the permit
    /// ends a little early; the caller, who knows when the answer came, waits for the rest.
    fn note_limit(&self, permit: &Permit, reply: &Reply) {
        if reply.code != 429 {
            return;
        }
        match reply.retry_after {
            Some(delay) => self.limiter.exhausted_for(permit.granted_at(), delay),
            None => self.limiter.exhausted_until_next_minute(permit.granted_at()),
        };
    }
}

fn authorization(api_key: &SecretString) -> Result<HeaderValue, ClientError> {
    let key = api_key.expose_secret();
    if key.trim().is_empty() {
        return Err(ClientError::EmptyKey);
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| ClientError::MalformedKey)?;
    value.set_sensitive(true);
    Ok(value)
}
