//! A provider that takes every batch and says nothing more by itself.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response};
use lumina_fullenrich::{BoxFuture, Transport, TransportError};
use lumina_fullenrich_sandbox::sign;
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};

use super::{Call, post};

/// Pays for lookups and signs their answers.
pub const API_KEY: &str = "test-api-key-not-real";

pub struct CannedProvider {
    taken: AtomicU32,
    sent: Mutex<mpsc::UnboundedSender<Batch>>,
    batches: AsyncMutex<mpsc::UnboundedReceiver<Batch>>,
    held: watch::Sender<bool>,
    loses: AtomicBool,
}

/// A batch that was sent.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The id that it was given.
    pub id: String,
    /// What was sent.
    pub request: Value,
}

impl CannedProvider {
    pub fn new() -> Self {
        let (sent, batches) = mpsc::unbounded_channel();
        Self {
            taken: AtomicU32::new(0),
            sent: Mutex::new(sent),
            batches: AsyncMutex::new(batches),
            held: watch::Sender::new(false),
            loses: AtomicBool::new(false),
        }
    }

    /// From now on a batch that was taken is answered only when this says no more.
    pub fn hold(&self, on: bool) {
        self.held.send_replace(on);
    }

    /// From now on a batch is taken, and its answer is lost.
    pub fn lose_answers(&self) {
        self.loses.store(true, Ordering::SeqCst);
    }

    /// The next batch that is sent.
    pub async fn next_batch(&self) -> Batch {
        let mut batches = self.batches.lock().await;
        let next = tokio::time::timeout(std::time::Duration::from_secs(20), batches.recv()).await;
        next.expect("a batch is sent in time")
            .expect("the provider holds the sender")
    }

    fn take(&self, body: &Bytes) -> Value {
        let number = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
        let id = format!("00000000-0000-4000-8000-{number:012}");
        let batch = Batch {
            id: id.clone(),
            request: serde_json::from_slice(body).unwrap(),
        };
        self.sent.lock().unwrap().send(batch).unwrap();
        json!({ "enrichment_id": id })
    }

    fn answer(&self, request: &Request<Bytes>) -> Value {
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/api/v2/account/credits") => json!({"balance": 5000}),
            (&Method::GET, "/api/v2/account/keys/verify") => json!({"workspace_id": "w"}),
            (&Method::POST, "/api/v2/contact/reverse/email/bulk") => self.take(request.body()),
            (_, path) => {
                let id = path.rsplit('/').next().unwrap_or_default();
                json!({"id": id, "status": "IN_PROGRESS", "data": []})
            }
        }
    }
}

impl Transport for CannedProvider {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let answer = Bytes::from(self.answer(&request).to_string());
        let mut held = self.held.subscribe();
        Box::pin(async move {
            if request.method() == Method::POST {
                let released = held.wait_for(|held| !held).await;
                released.expect("the provider holds the sender");
                if self.loses.load(Ordering::SeqCst) {
                    let (detail, status) = ("the connection was reset".to_owned(), None);
                    return Err(TransportError::Unknown { detail, status });
                }
            }
            Ok(Response::new(answer))
        })
    }
}

impl Batch {
    /// The addresses in it.
    pub fn emails(&self) -> Vec<&str> {
        let items = self.request["data"].as_array().unwrap();
        items.iter().map(|item| item["email"].as_str().unwrap()).collect()
    }

    /// The answer when it is finished: `find` says who is behind an address.
    pub fn finished(&self, find: impl Fn(&str) -> Option<Value>) -> Value {
        self.answer("FINISHED", &self.emails(), find)
    }

    /// An answer about some of its addresses.
    pub fn answer(&self, status: &str, about: &[&str], find: impl Fn(&str) -> Option<Value>) -> Value {
        let items = self.request["data"].as_array().unwrap();
        let told = items
            .iter()
            .filter(|item| about.contains(&item["email"].as_str().unwrap()));
        let data: Vec<Value> = told
            .map(|item| {
                let profile = find(item["email"].as_str().unwrap());
                json!({"input": {"email": item["email"]}, "custom": item["custom"], "profile": profile})
            })
            .collect();
        let credits = data.iter().filter(|record| !record["profile"].is_null()).count();
        json!({"id": self.id, "name": self.request["name"], "status": status, "cost": {"credits": credits}, "data": data})
    }
}

/// A person with this title, in a company that fits.
pub fn person(name: &str, title: &str) -> Value {
    json!({
        "full_name": name,
        "social_profiles": {"professional_network": {"url": "https://www.linkedin.com/in/somebody"}},
        "employment": {"current": {
            "title": title,
            "is_current": true,
            "company": {
                "name": "Acme",
                "domain": "acme.example",
                "headcount": 120,
                "headcount_range": "51-200",
                "industry": {"main_industry": "Software Development"},
            },
        }},
    })
}

impl Call {
    /// A callback with this body, signed as the provider signs it.
    pub fn callback(path: &str, body: &Value) -> Self {
        let body = body.to_string();
        let signature = sign(API_KEY, body.as_bytes());
        post(path).header("x-signature-sha1", &signature).body(body)
    }
}
