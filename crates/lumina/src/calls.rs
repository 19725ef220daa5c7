//! Who may call the provider, and when: the limit of calls a minute is the key's, whoever makes them.

use std::fmt::Display;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lumina_fullenrich::{BoxFuture, CallKind, Limiter, Permit, Transport, TransportError, read_retry_after};
use lumina_workflow::Runtime;
use lumina_workflow::store::{Attachment, Change, Member, Outcome, Store, StoreError};

use crate::records::Records;

/// While the database does not answer, it is asked again after this time.
const AGAIN: Duration = Duration::from_secs(1);

/// The way to a call's permit. Clones are the same one.
#[derive(Clone)]
pub struct Calls {
    limiter: Arc<Limiter>,
    fleet: Option<Arc<Fleet>>,
}

/// There is no permit now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NoPermit {
    /// When to ask again.
    pub after: Duration,
    /// What is in the way.
    pub why: String,
}

/// Processes that count their calls in one database.
struct Fleet {
    store: Arc<dyn Store>,
    runtime: Arc<dyn Runtime>,
    calls_per_minute: NonZeroU32,
}

impl Calls {
    /// No other process calls with this key.
    #[must_use]
    pub fn alone(limiter: Arc<Limiter>) -> Self {
        Self { limiter, fleet: None }
    }

    /// All processes on this store call with one key. The limiter that a client is built with then counts nothing, and
    /// the transport tells the others when the provider says that it was called too often.
    #[must_use]
    pub fn shared(
        store: Arc<dyn Store>,
        runtime: Arc<dyn Runtime>,
        calls_per_minute: NonZeroU32,
        transport: Arc<dyn Transport>,
    ) -> (Self, Arc<dyn Transport>) {
        let fleet = Arc::new(Fleet {
            store,
            runtime,
            calls_per_minute,
        });
        let calls = Self {
            limiter: Arc::new(Limiter::new(NonZeroU32::MAX)),
            fleet: Some(fleet.clone()),
        };
        (calls, Arc::new(Telling { transport, fleet }))
    }

    /// What the client is to be built with.
    #[must_use]
    pub fn limiter(&self) -> Arc<Limiter> {
        self.limiter.clone()
    }

    /// Takes a permit for a call of this kind, which is made now.
    ///
    /// # Errors
    /// When there is none: the minute's calls are used up, the provider has said to wait, or the database in which
    /// they are counted does not answer.
    pub async fn permit(&self, kind: CallKind, now: Timestamp) -> Result<Permit, NoPermit> {
        // What this process knows of already is not asked for in vain.
        if let Some(fleet) = self.fleet.as_ref().filter(|_| self.limiter.remaining(now) > 0) {
            fleet.take(kind).await?;
        }
        let permit = self.limiter.try_acquire_for(kind, now);
        permit.map_err(|at| NoPermit::used_up(at.delay(now)))
    }
}

impl NoPermit {
    fn used_up(after: Duration) -> Self {
        Self {
            after,
            why: "this minute's calls are used up".to_owned(),
        }
    }

    fn unknown(why: &dyn Display) -> Self {
        Self {
            after: AGAIN,
            why: format!("calls cannot be counted: {why}"),
        }
    }
}

impl Fleet {
    async fn take(&self, kind: CallKind) -> Result<(), NoPermit> {
        let most = kind.share(self.calls_per_minute.get());
        let answered = self.write(Records::take_call(most)).await;
        let outcome = answered.map_err(|error| NoPermit::unknown(&error))?;
        let Outcome::Done { payload: Some(wait) } = outcome else {
            return Err(NoPermit::unknown(&"it was not answered"));
        };
        match wait
            .decode::<Option<Duration>>()
            .map_err(|error| NoPermit::unknown(&error))?
        {
            Some(wait) => Err(NoPermit::used_up(wait)),
            None => Ok(()),
        }
    }

    /// Past the engine's queue: a call waits for nothing else.
    async fn write(&self, attach: Attachment) -> Result<Outcome, StoreError> {
        let change = Change::Nothing {
            id: self.runtime.new_id(),
        };
        let attach = Some(attach);
        let answers = self.store.commit(Arc::new([Member { change, attach }])).await?;
        let first = answers.into_iter().next();
        match first {
            Some(Ok(outcome)) => Ok(outcome),
            refused => Err(StoreError::Broken(format!("a call was not counted: {refused:?}"))),
        }
    }
}

/// A transport that tells all processes to wait when the provider says so.
struct Telling {
    transport: Arc<dyn Transport>,
    fleet: Arc<Fleet>,
}

impl Transport for Telling {
    fn send(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> BoxFuture<'_, Result<http::Response<bytes::Bytes>, TransportError>> {
        Box::pin(async move {
            let response = self.transport.send(request).await?;
            if response.status() == http::StatusCode::TOO_MANY_REQUESTS {
                let pause = read_retry_after(response.headers(), self.fleet.runtime.now());
                if let Err(error) = self.fleet.write(Records::hold_calls(pause)).await {
                    tracing::warn!(%error, "other processes could not be told that the provider was called too often");
                }
            }
            Ok(response)
        })
    }
}
