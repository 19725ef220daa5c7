//! Requests and their answers.

use axum::body::Body;
use http::{HeaderMap, Method, Request};
use serde_json::{Value, json};

use super::{NOW, TOKEN};

/// A request in the making.
#[derive(Clone)]
pub struct Call {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

pub fn get(path: &str) -> Call {
    Call::new("GET", path)
}

pub fn post(path: &str) -> Call {
    Call::new("POST", path)
}

impl Call {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.parse().unwrap(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn authorized(self) -> Self {
        self.header("authorization", &format!("Bearer {TOKEN}"))
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub fn build(self) -> Request<Body> {
        let body = Body::from(self.body.clone());
        self.with_body(body)
    }

    /// With a body that need not be there yet.
    pub fn with_body(self, body: Body) -> Request<Body> {
        let mut request = Request::builder().method(self.method).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(body).unwrap()
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The body of an answer that is JSON.
    pub fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// A refusal in the one shape that there is, with a message that says this.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str, message: &str) {
        let body = self.json();
        let told = body["error"].as_str().unwrap_or_default().to_owned();
        assert_eq!(body, json!({"error": told, "code": code, "timestamp": NOW}));
        assert_eq!(self.status, status, "{body}");
        assert!(told.contains(message), "{told:?} does not say {message:?}");
        let comes_back = matches!(code, "OVERLOADED" | "UNAVAILABLE");
        assert_eq!(self.header("retry-after").is_some(), comes_back, "{self:?}");
        let wants_token = (code == "UNAUTHORIZED").then_some("Bearer realm=\"lumina\"");
        assert_eq!(self.header("www-authenticate"), wants_token);
    }
}
