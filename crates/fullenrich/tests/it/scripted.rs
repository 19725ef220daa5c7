//! A transport that answers as it was told and remembers what it was asked.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use lumina_fullenrich::{
    BatchRequest, BoxFuture, Client, DEFAULT_BASE_URL, Limiter, LookupItem, Permit, ReadOutcome, StartOutcome,
    Transport, TransportError,
};

use crate::golden;

pub(crate) const NOON: &str = "2026-08-01T12:00:20Z";

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().expect("a test names real moments")
}

type Given = Result<Response<Bytes>, TransportError>;

pub(crate) struct Scripted {
    answer: Given,
    seen: Mutex<Vec<Request<Bytes>>>,
}

impl Transport for Scripted {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Given> {
        self.seen
            .lock()
            .expect("no test panics while it holds this")
            .push(request);
        Box::pin(async { self.answer.clone() })
    }
}

/// A client and the one thing that its transport answers.
pub(crate) struct Desk {
    pub(crate) client: Client,
    pub(crate) limiter: Arc<Limiter>,
    transport: Arc<Scripted>,
}

impl Desk {
    pub(crate) fn new(answer: Given) -> Self {
        let transport = Arc::new(Scripted {
            answer,
            seen: Mutex::default(),
        });
        let limiter = Arc::new(Limiter::default());
        let client = Client::new(
            transport.clone(),
            DEFAULT_BASE_URL,
            &"test-api-key-not-real".into(),
            limiter.clone(),
        )
        .expect("the settings are good");
        Self {
            client,
            limiter,
            transport,
        }
    }

    pub(crate) fn answering(status: u16, body: impl Into<Bytes>, headers: &[(&str, &str)]) -> Self {
        let mut builder = Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        Self::new(Ok(builder.body(body.into()).expect("the response is well formed")))
    }

    pub(crate) fn permit(&self) -> Permit {
        self.limiter.try_acquire(at(NOON)).expect("the limiter is new")
    }

    pub(crate) async fn start(&self) -> StartOutcome {
        self.client.start_batch(self.permit(), &batch_of_one()).await
    }

    pub(crate) async fn read(&self) -> ReadOutcome {
        self.client.read_batch(self.permit(), &golden::batch_id()).await
    }

    /// The one request that was made.
    pub(crate) fn request(&self) -> Request<Bytes> {
        let mut seen = self.transport.seen.lock().expect("no test panics while it holds this");
        assert_eq!(seen.len(), 1, "a call makes one request");
        seen.remove(0)
    }
}

pub(crate) fn batch_of_one() -> BatchRequest {
    let item = LookupItem::new("nobody@example.com").expect("an address");
    BatchRequest::new("Reverse Email Lookup", vec![item]).expect("a good batch")
}

pub(crate) fn not_sent() -> TransportError {
    TransportError::NotSent {
        detail: "connection refused".to_owned(),
    }
}

pub(crate) fn lost(status: Option<u16>) -> TransportError {
    TransportError::Unknown {
        detail: "connection reset".to_owned(),
        status,
    }
}

/// An outcome in a word or two, for tables.
pub(crate) fn start_label(outcome: &StartOutcome) -> String {
    match outcome {
        StartOutcome::Accepted { .. } => "accepted".to_owned(),
        StartOutcome::NotAccepted(_) => "not accepted".to_owned(),
        StartOutcome::Refused(refusal) => format!("refused {:?}", refusal.kind).to_lowercase(),
        StartOutcome::Unknown { .. } => "unknown".to_owned(),
    }
}

/// An outcome in a word or two, for tables.
pub(crate) fn read_label(outcome: &ReadOutcome) -> String {
    match outcome {
        ReadOutcome::Finished(_) => "finished".to_owned(),
        ReadOutcome::Running { .. } => "running".to_owned(),
        ReadOutcome::CreditsInsufficient(_) => "credits insufficient".to_owned(),
        ReadOutcome::Canceled(_) => "canceled".to_owned(),
        ReadOutcome::NotFound(_) => "not found".to_owned(),
        ReadOutcome::NotAnswered(_) => "not answered".to_owned(),
        ReadOutcome::Refused(refusal) => format!("refused {:?}", refusal.kind).to_lowercase(),
    }
}
