//! A small HTTP client: one request a connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Nothing here takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

pub fn get(path: &str) -> Request {
    Request::new("GET", path)
}

pub fn post(path: &str) -> Request {
    Request::new("POST", path)
}

impl Request {
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.to_owned(),
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// A multipart form: fields, and a file by its name in the field `file`.
    pub fn form(self, fields: &[(&str, &str)], file_name: &str, file: &str) -> Self {
        const BOUNDARY: &str = "a-boundary-that-no-file-has";
        let mut body = String::new();
        for (name, value) in fields {
            body += &format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
        }
        body += &format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
             content-type: text/csv\r\n\r\n{file}\r\n--{BOUNDARY}--\r\n"
        );
        self.header("content-type", &format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(body)
    }

    /// Sends it, and reads the answer to its end.
    pub fn send(&self, address: SocketAddr) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&self.to_bytes(address))?;
        Answer::read(&mut stream)
    }

    pub fn to_bytes(&self, host: SocketAddr) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n",
            self.method, self.path
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", self.body.len());
        [head.as_bytes(), &self.body].concat()
    }
}

impl Answer {
    fn read(stream: &mut TcpStream) -> io::Result<Self> {
        let (head, body) = read_message(stream)?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer: {head:?}")))?;
        Ok(Self { status, body })
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body of a 200.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// A refusal in the one shape that there is, with a sentence that says this.
    #[track_caller]
    pub fn assert_refused(&self, status: u16, code: &str, told: &str) {
        let body = self.json();
        assert_eq!((self.status, body["code"].as_str()), (status, Some(code)), "{body}");
        let sentence = body["error"].as_str().unwrap_or_default();
        assert!(sentence.contains(told), "{sentence:?} does not say {told:?}");
        assert!(!sentence.contains('\n'), "{sentence:?} is one sentence");
        assert!(body["timestamp"].is_string(), "{body}");
    }
}

/// A head, and a body as long as it says. A message without a length has none, or lasts until the connection ends.
pub fn read_message(stream: &mut impl Read) -> io::Result<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).map_err(io::Error::other)?;
    let mut body = Vec::new();
    match find_header(&head, "content-length").map(str::parse::<usize>) {
        Some(length) => {
            body.resize(length.map_err(io::Error::other)?, 0);
            stream.read_exact(&mut body)?;
        }
        None if head.starts_with("HTTP/") => drop(stream.read_to_end(&mut body)?),
        None => {}
    }
    Ok((head, body))
}

pub fn find_header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    fields
        .find(|(field, _)| field.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
