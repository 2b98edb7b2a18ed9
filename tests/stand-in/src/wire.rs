//! HTTP/1.1 as it stands on the wire: one request a connection.

use crate::reply::Response;
use http::header::{CONNECTION, CONTENT_LENGTH};
use http::{HeaderName, HeaderValue, Request};
use std::fmt::Write as _;
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::Duration;

/// No request needs more.
const LONGEST_HEAD: usize = 60_000;
const LONGEST_BODY: usize = 1_000_000;

/// The last byte of a request, which is still unread.
#[derive(Debug)]
#[must_use]
pub(crate) struct Unfinished;

impl Unfinished {
    /// Reads it.
    #[expect(clippy::unused_self, reason = "it is done once")]
    pub(crate) fn finish(self, stream: &mut TcpStream) -> io::Result<()> {
        stream.read_exact(&mut [0])
    }
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

/// Reads a request but for its last byte.
pub(crate) fn read(
    stream: &mut TcpStream,
    is_over: impl Fn() -> bool,
) -> io::Result<(Request<Vec<u8>>, Unfinished)> {
    let end = head_end(stream, is_over)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // The last byte of the head is a line feed, and tells nothing.
    let mut head = vec![0; end - 1];
    stream.read_exact(&mut head)?;
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut request = parse(&head)?;
    let value =
        |name| request.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let length = value("content-length").map_or(Ok(0), str::parse);
    let length: usize = length.map_err(|_| bad("content-length"))?;
    let is_chunked = value("transfer-encoding").is_some_and(|coding| coding.contains("chunked"));
    if length > LONGEST_BODY {
        return Err(bad("too long"));
    }
    if is_chunked {
        stream.read_exact(&mut [0])?;
        *request.body_mut() = chunks(stream)?;
    } else if length > 0 {
        stream.read_exact(&mut [0])?;
        let mut body = vec![0; length - 1];
        stream.read_exact(&mut body)?;
        let mut last = [0];
        stream.peek(&mut last)?;
        body.extend(last);
        *request.body_mut() = body;
    }
    Ok((request, Unfinished))
}

/// Where the head of the next request ends. Nothing is taken yet.
fn head_end(stream: &TcpStream, is_over: impl Fn() -> bool) -> io::Result<usize> {
    stream.set_read_timeout(Some(Duration::from_millis(100)))?;
    let mut seen = vec![0; LONGEST_HEAD];
    loop {
        let length = match stream.peek(&mut seen) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(length) => length,
            Err(error) if is_patience(&error) => 0,
            Err(error) => return Err(error),
        };
        let head = seen.get(..length).unwrap_or_default();
        if let Some(at) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            return Ok(at + 4);
        }
        if length == LONGEST_HEAD || is_over() {
            return Err(bad("no head"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

fn parse(head: &str) -> io::Result<Request<Vec<u8>>> {
    let mut lines = head.split("\r\n");
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(Vec::new())
        .map_err(|_| bad("request line"))?;
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad("header name"))?;
        let value = HeaderValue::from_str(value.trim()).map_err(|_| bad("header value"))?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// The chunks of a body, up to the last byte of the last line.
fn chunks(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.extend(byte);
        }
        let line = String::from_utf8_lossy(&line);
        let length = line.trim().split(';').next().unwrap_or_default().to_owned();
        let length = usize::from_str_radix(&length, 16).map_err(|_| bad("chunk"))?;
        if length == 0 {
            stream.read_exact(&mut [0])?;
            return Ok(body);
        }
        if body.len() + length > LONGEST_BODY {
            return Err(bad("too long"));
        }
        let mut chunk = vec![0; length + 2];
        stream.read_exact(&mut chunk)?;
        chunk.truncate(length);
        body.extend(chunk);
    }
}

/// The head of an answer that promises a body of this length.
pub(crate) fn head(response: &Response, promised: usize) -> Vec<u8> {
    let status = response.status();
    let mut text =
        format!("HTTP/1.1 {} {}\r\n", status.as_u16(), status.canonical_reason().unwrap_or("-"));
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        let _ = write!(text, "{name}: {value}\r\n");
    }
    // No body and no length belong to it.
    if status != 204 {
        let _ = write!(text, "{CONTENT_LENGTH}: {promised}\r\n");
    }
    let _ = write!(text, "{CONNECTION}: close\r\n\r\n");
    text.into_bytes()
}
