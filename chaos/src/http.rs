//! A small HTTP client: one request a connection.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A request in the making.
#[derive(Clone, Debug)]
pub struct Request {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    patience: Duration,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Nothing that is asked for takes longer, unless it says so.
const PATIENCE: Duration = Duration::from_secs(5);

impl Request {
    /// With this method.
    #[must_use]
    pub fn new(method: &'static str, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// With one header more.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With a body of JSON.
    #[must_use]
    pub fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json").body(body.to_string())
    }

    /// A form: fields, and a file by its name in the field `file`.
    #[must_use]
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

    /// Given up after so long.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sends it, and reads the answer to its end.
    ///
    /// # Errors
    /// No connection, no answer in time, or half of one.
    pub fn send(&self, address: SocketAddr) -> io::Result<Answer> {
        let mut stream = TcpStream::connect_timeout(&address, self.patience)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        stream.write_all(&self.to_bytes(address))?;
        let (head, body) = read_answer(&mut stream)?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no HTTP answer: {head:?}")))?;
        Ok(Answer { status, body })
    }

    fn to_bytes(&self, host: SocketAddr) -> Vec<u8> {
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
    /// Whether it is a 2xx.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body of a 2xx.
    ///
    /// # Errors
    /// Another status, or a body that is no JSON.
    pub fn json(&self) -> anyhow::Result<Value> {
        anyhow::ensure!(
            self.is_success(),
            "answered {}: {}",
            self.status,
            String::from_utf8_lossy(&self.body)
        );
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// A head, and a body as long as it says; without a length it lasts until the connection ends.
fn read_answer(stream: &mut impl Read) -> io::Result<(String, Vec<u8>)> {
    let mut all = Vec::new();
    let end = loop {
        if let Some(at) = all.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if !read_more(stream, &mut all)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = all.split_off(end);
    let head = String::from_utf8(all).map_err(io::Error::other)?;
    let length = find_length(&head)?;
    while length.is_none_or(|length| body.len() < length) {
        if !read_more(stream, &mut body)? {
            return match length {
                Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
                None => Ok((head, body)),
            };
        }
    }
    Ok((head, body))
}

fn read_more(stream: &mut impl Read, into: &mut Vec<u8>) -> io::Result<bool> {
    let mut part = [0; 8192];
    let read = stream.read(&mut part)?;
    into.extend_from_slice(&part[..read]);
    Ok(read > 0)
}

fn find_length(head: &str) -> io::Result<Option<usize>> {
    let field = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    field.map(str::parse).transpose().map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_long_as_they_say() {
        let table: [(&str, Option<&str>); 4] = [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Some("{}")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Some("")),
            ("HTTP/1.1 200 OK\r\n\r\nall of it", Some("all of it")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhal", None),
        ];
        for (sent, body) in table {
            let read = read_answer(&mut sent.as_bytes()).ok();
            assert_eq!(
                read.map(|(_, body)| body),
                body.map(|body| body.as_bytes().to_vec()),
                "{sent}"
            );
        }
        assert!(read_answer(&mut "HTTP/1.1 200 OK\r\n".as_bytes()).is_err());
    }
}
