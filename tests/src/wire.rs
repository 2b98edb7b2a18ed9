//! HTTP/1.1, by hand for requests that no decent client sends: bytes beyond ASCII in a header, and
//! bodies so large that the other side hangs up in the middle.

use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use shared::fetch::{Request, Response};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Sends a request over a connection of its own. Whoever hangs up without an answer has refused,
/// which is told as a `413`.
pub fn exchange(request: &Request) -> Response {
    try_exchange(request).expect("somebody listens")
}

/// The same; none when nobody listens.
pub fn try_exchange(request: &Request) -> Option<Response> {
    let host = request.uri().authority().expect("a whole URL").as_str();
    let mut stream = TcpStream::connect(host).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut head = format!("{} {path} HTTP/1.1\r\n", request.method()).into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        head.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    };
    if !request.headers().contains_key(HOST) {
        line("host", host.as_bytes());
    }
    for (name, value) in request.headers() {
        line(name.as_str(), value.as_bytes());
    }
    line(CONTENT_LENGTH.as_str(), request.body().len().to_string().as_bytes());
    line("connection", b"close");
    head.extend(b"\r\n");

    // An answer may come before the body is through; then writing fails and reading does not.
    let _ = stream.write_all(&head).and_then(|()| stream.write_all(request.body()));
    let mut answer = Vec::new();
    let mut part = [0; 8192];
    while let Ok(length @ 1..) = stream.read(&mut part) {
        answer.extend(&part[..length]);
    }
    Some(parse(&answer).unwrap_or_else(|| {
        let mut refused = Response::default();
        *refused.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        refused
    }))
}

/// Sends a request as a decent client does, through `agent`; by hand when that would not have it.
pub fn through(agent: &ureq::Agent, mut request: Request) -> Response {
    /// The most that the issuer reads of a body.
    const LARGEST: usize = idp::ask::LARGEST_BODY;
    let ascii = request.headers().values().all(|value| value.to_str().is_ok());
    if !ascii || request.body().len() > LARGEST {
        return exchange(&request);
    }
    let needs_length = [Method::POST, Method::PUT].contains(request.method());
    if request.body().is_empty() && needs_length {
        let headers = request.headers_mut();
        headers.insert("content-length", HeaderValue::from_static("0"));
    }
    let what = format!("{} {}", request.method(), request.uri().path());
    let (parts, body) = request.into_parts();
    let answer = if body.is_empty() {
        agent.run(http::Request::from_parts(parts, ()))
    } else {
        agent.run(http::Request::from_parts(parts, body))
    };
    let answer = answer.unwrap_or_else(|error| panic!("{what}: {error}"));
    let (parts, mut body) = answer.into_parts();
    let body = body.read_to_vec().unwrap_or_else(|error| panic!("{what}: {error}"));
    Response::from_parts(parts, body)
}

fn parse(answer: &[u8]) -> Option<Response> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&answer[..end]).ok()?, &answer[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?;
    let mut response = Response::default();
    *response.status_mut() = StatusCode::from_bytes(status.as_bytes()).ok()?;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        response.headers_mut().append(name, HeaderValue::from_str(value.trim()).ok()?);
    }
    let chunked = response.headers().contains_key(TRANSFER_ENCODING);
    *response.body_mut() = if chunked { unchunk(body)? } else { body.to_vec() };
    Some(response)
}

/// RFC 9112 §7.1.
fn unchunk(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|two| two == b"\r\n")?;
        let length = std::str::from_utf8(&body[..end]).ok()?;
        let length = usize::from_str_radix(length.trim(), 16).ok()?;
        body = &body[end + 2..];
        if length == 0 {
            return Some(whole);
        }
        whole.extend(body.get(..length)?);
        body = body.get(length + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9112_7_1_chunks_are_joined() {
        let answer = b"HTTP/1.1 400 Bad\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        let response = parse(answer).unwrap();
        assert_eq!((response.status().as_u16(), &response.body()[..]), (400, &b"abcd"[..]));
        assert!(parse(b"HTTP/1.1 200").is_none());
    }
}
