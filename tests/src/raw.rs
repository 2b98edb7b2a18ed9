//! HTTP/1.1 as it is written on the wire, for requests that no client library would send.

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use shared::fetch::Response;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The head of a request as it is written, and its body. Nothing is added but `Host`,
/// `Content-Length` and, unless there is one, `Connection: close`.
#[derive(Clone, Debug)]
pub struct Raw {
    /// The method, in any spelling.
    pub method: String,
    /// The request target: a path, or an absolute URL.
    pub target: String,
    /// Names in any spelling, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Raw {
    /// A request without headers and body.
    pub fn new(method: &str, target: &str) -> Self {
        let (headers, body) = (Vec::new(), Vec::new());
        Self { method: method.to_owned(), target: target.to_owned(), headers, body }
    }

    /// A GET.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With more headers.
    #[must_use]
    pub fn headers(self, lines: &[(&str, &str)]) -> Self {
        lines.iter().fold(self, |raw, (name, value)| raw.header(name, value))
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Its method, as a type.
    pub fn typed_method(&self) -> Method {
        Method::from_bytes(self.method.as_bytes()).expect("a method")
    }

    /// Its headers, as a map, which spells all names in lower case.
    pub fn map(&self) -> HeaderMap {
        let line = |(name, value): &(String, String)| {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
            (name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"))
        };
        self.headers.iter().map(line).collect()
    }

    fn has(&self, wanted: &str) -> bool {
        self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(wanted))
    }

    fn written(&self, authority: &str) -> Vec<u8> {
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {authority}\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            text.extend([name.as_str(), ": ", value, "\r\n"]);
        }
        if !self.body.is_empty() || ["POST", "PUT", "PATCH"].contains(&self.method.as_str()) {
            let length = self.body.len().to_string();
            text.extend(["Content-Length: ", &length, "\r\n"]);
        }
        if !self.has("connection") {
            text.push_str("Connection: close\r\n");
        }
        text.push_str("\r\n");
        [text.as_bytes(), &self.body].concat()
    }
}

/// What is still open after the head of an answer: its body, or a WebSocket.
pub type Connection = BufReader<TcpStream>;

/// Sends a request to `authority` (host and port) and reads the head of the answer.
pub fn open(authority: &str, raw: &Raw) -> (Response, Connection) {
    let address = authority.replace("localhost", "127.0.0.1");
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    stream.write_all(&raw.written(authority)).expect("the request goes out");
    let mut reader = BufReader::new(stream);
    let mut answer = Response::default();
    let status = line(&mut reader);
    let status = status.split(' ').nth(1).and_then(|code| code.parse().ok());
    *answer.status_mut() = status.unwrap_or_else(|| panic!("no answer to {raw:?}"));
    loop {
        let line = line(&mut reader);
        let Some((name, value)) = line.split_once(':') else { break };
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        answer.headers_mut().append(name, value.trim().parse().expect("a value"));
    }
    (answer, reader)
}

/// Sends a request to `authority` and reads the answer. A `101` is read up to its head.
pub fn exchange(authority: &str, raw: &Raw) -> Response {
    let (mut answer, mut reader) = open(authority, raw);
    let status = answer.status();
    let none = [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED, StatusCode::SWITCHING_PROTOCOLS];
    if raw.method != "HEAD" && !none.contains(&status) {
        *answer.body_mut() = body(answer.headers(), &mut reader);
    }
    answer
}

fn body(headers: &HeaderMap, reader: &mut Connection) -> Vec<u8> {
    let mut body = Vec::new();
    if headers.get(TRANSFER_ENCODING).is_some_and(|coding| coding == "chunked") {
        while let Some(chunk) = chunk(reader) {
            body.extend(chunk);
        }
    } else if let Some(length) = headers.get(CONTENT_LENGTH) {
        let length = length.to_str().expect("digits").parse().expect("digits");
        body.resize(length, 0);
        reader.read_exact(&mut body).expect("the whole body");
    } else {
        reader.read_to_end(&mut body).expect("the whole body");
    }
    body
}

/// The next chunk of a body; none at its end.
pub fn chunk(reader: &mut Connection) -> Option<Vec<u8>> {
    let length = usize::from_str_radix(line(reader).trim(), 16).expect("a chunk's length");
    let mut chunk = vec![0; length + 2];
    reader.read_exact(&mut chunk).expect("the whole chunk");
    chunk.truncate(length);
    (length > 0).then_some(chunk)
}

fn line(reader: &mut Connection) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("a line");
    line.trim_end_matches(['\r', '\n']).to_owned()
}
