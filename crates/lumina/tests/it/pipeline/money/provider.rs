//! A provider that does what a test says: it takes what is sent, answers as it was told to, and counts.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use jiff::Timestamp;
use lumina_fullenrich::{BoxFuture, Transport, TransportError};
use lumina_workflow::Runtime;
use lumina_workflow::deterministic::DeterministicRuntime;
use serde_json::{Value, json};

/// What becomes of a POST.
#[derive(Debug, Clone)]
pub enum Fate {
    /// It is accepted, and the caller is told.
    Accepted,
    /// It is accepted, and the caller never hears of it.
    AcceptedUnheard,
    /// The same, and the caller is left waiting.
    AcceptedHeld,
    /// It is lost on the way, and the caller cannot know.
    Lost,
    /// It is not accepted, and this is said.
    Answered(u16, Value),
}

impl Fate {
    /// What 500, 502 and 504 come after, nobody knows.
    fn is_heard(&self) -> bool {
        match self {
            Self::Accepted => true,
            Self::Answered(status, _) => ![500, 502, 504].contains(status),
            Self::AcceptedUnheard | Self::AcceptedHeld | Self::Lost => false,
        }
    }
}

/// A POST that came in.
#[derive(Debug, Clone)]
pub struct Post {
    /// The id that its batch was given, if it was accepted.
    pub id: Option<String>,
    /// Whether the caller knows what became of it.
    pub is_heard: bool,
    pub at: Timestamp,
    pub request: Value,
}

/// The provider.
pub struct Provider {
    runtime: DeterministicRuntime,
    desk: Mutex<Desk>,
}

struct Desk {
    fates: VecDeque<Fate>,
    posts: Vec<Post>,
    /// What a GET of a batch answers; it is running when nothing is here.
    results: BTreeMap<String, (u16, Value)>,
    gets: usize,
    balance: f64,
    key_is_good: bool,
    reads_fail: bool,
    refused: Option<String>,
}

impl Provider {
    pub fn new(runtime: &DeterministicRuntime) -> Arc<Self> {
        let desk = Desk {
            fates: VecDeque::new(),
            posts: Vec::new(),
            results: BTreeMap::new(),
            gets: 0,
            balance: 5_000.0,
            key_is_good: true,
            reads_fail: false,
            refused: None,
        };
        Arc::new(Self {
            runtime: runtime.clone(),
            desk: Mutex::new(desk),
        })
    }

    /// What becomes of the next POSTs; of those after them, they are accepted.
    pub fn next(&self, fates: impl IntoIterator<Item = Fate>) {
        self.desk().fates.extend(fates);
    }

    /// Everything that was sent, refused calls included.
    pub fn posts(&self) -> Vec<Post> {
        self.desk().posts.clone()
    }

    /// Everything that was accepted.
    pub fn accepted(&self) -> Vec<Post> {
        let posts = self.posts();
        posts.into_iter().filter(|post| post.id.is_some()).collect()
    }

    pub fn set_result(&self, id: &str, status: u16, body: Value) {
        self.desk().results.insert(id.to_owned(), (status, body));
    }

    pub fn set_key(&self, is_good: bool) {
        self.desk().key_is_good = is_good;
    }

    /// Whether a GET of a batch brings a result.
    pub fn set_reads(&self, work: bool) {
        self.desk().reads_fail = !work;
    }

    pub fn set_balance(&self, credits: u32) {
        self.desk().balance = credits.into();
    }

    /// A batch with this address is refused.
    pub fn refuse(&self, email: &str) {
        self.desk().refused = Some(email.to_owned());
    }

    /// How often results were asked for.
    pub fn gets(&self) -> usize {
        self.desk().gets
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }

    fn answer(&self, request: &Request<Bytes>) -> Result<(u16, Value), TransportError> {
        let mut desk = self.desk();
        if !desk.key_is_good {
            return Ok((
                401,
                json!({"code": "error.api.key", "message": "The API key is not valid"}),
            ));
        }
        match (request.method(), request.uri().path()) {
            (&Method::GET, "/api/v2/account/credits") => Ok((200, json!({"balance": desk.balance}))),
            (&Method::GET, "/api/v2/account/keys/verify") => Ok((200, json!({"workspace_id": "w"}))),
            (&Method::POST, _) => desk.take(self.runtime.now(), serde_json::from_slice(request.body()).unwrap()),
            (_, path) => {
                desk.gets += 1;
                if desk.reads_fail {
                    return Ok((500, json!({})));
                }
                let id = path.rsplit('/').next().unwrap_or_default();
                let running = (200, json!({"id": id, "status": "IN_PROGRESS"}));
                Ok(desk.results.get(id).cloned().unwrap_or(running))
            }
        }
    }
}

impl Desk {
    fn take(&mut self, at: Timestamp, request: Value) -> Result<(u16, Value), TransportError> {
        let fate = self.fates.pop_front().unwrap_or(Fate::Accepted);
        let is_refused = |item: &Value| self.refused.as_deref() == item["email"].as_str() && !item["email"].is_null();
        if request["data"].as_array().unwrap().iter().any(is_refused) {
            self.posts.push(Post {
                id: None,
                is_heard: !matches!(fate, Fate::AcceptedHeld),
                at,
                request,
            });
            let refusal = json!({"code": "error.reverse.email.invalid", "message": "One of the emails is not valid"});
            return Ok((400, refusal));
        }
        let is_accepted = !matches!(fate, Fate::Lost | Fate::Answered(..));
        let id = is_accepted.then(|| format!("00000000-0000-4000-8000-{:012}", self.posts.len() + 1));
        self.posts.push(Post {
            id: id.clone(),
            is_heard: fate.is_heard(),
            at,
            request,
        });
        match fate {
            Fate::Accepted => Ok((200, json!({"enrichment_id": id}))),
            Fate::Answered(status, body) => Ok((status, body)),
            Fate::AcceptedUnheard | Fate::AcceptedHeld | Fate::Lost => Err(TransportError::Unknown {
                detail: "the connection was reset".to_owned(),
                status: None,
            }),
        }
    }
}

impl Transport for Provider {
    fn send(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportError>> {
        let is_held = request.method() == Method::POST && matches!(self.desk().fates.front(), Some(Fate::AcceptedHeld));
        let answer = self.answer(&request).map(|(status, body)| {
            let mut response = Response::new(Bytes::from(body.to_string()));
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            response
        });
        Box::pin(async move {
            if is_held {
                std::future::pending::<()>().await;
            }
            answer
        })
    }
}

impl Post {
    pub fn id(&self) -> &str {
        self.id.as_deref().expect("it was accepted")
    }

    /// The addresses in it.
    pub fn emails(&self) -> Vec<String> {
        let items = self.request["data"].as_array().unwrap();
        items
            .iter()
            .map(|item| item["email"].as_str().unwrap().to_owned())
            .collect()
    }

    /// A body about its addresses with this status: `find` says what their record's profile is; without it there is no
    /// record.
    pub fn body(&self, status: &str, find: impl Fn(&str) -> Option<Value>) -> Value {
        let items = self.request["data"].as_array().unwrap().iter();
        let data: Vec<Value> = items
            .filter_map(|item| {
                let profile = find(item["email"].as_str().unwrap())?;
                Some(json!({"input": {"email": item["email"]}, "custom": item["custom"], "profile": profile}))
            })
            .collect();
        let credits = data.iter().filter(|record| record["profile"].is_object()).count();
        json!({"id": self.id, "name": self.request["name"], "status": status, "cost": {"credits": credits}, "data": data})
    }

    /// Everybody is found.
    pub fn finished(&self) -> Value {
        self.body("FINISHED", |email| Some(person(email)))
    }
}

/// The person behind an address: named like it.
pub fn person(email: &str) -> Value {
    let name = email.split('@').next().unwrap();
    json!({"full_name": name, "social_profiles": {"professional_network": {"url": format!("https://www.linkedin.com/in/{name}")}}})
}
