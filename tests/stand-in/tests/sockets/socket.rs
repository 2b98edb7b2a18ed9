//! A client that sees every byte.

use serde_json::Value;
use stand_in::{Server, StandIn};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// The stand-ins behind a port of their own.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) stand_in: StandIn,
    pub(crate) server: Server,
}

/// What came, and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    pub(crate) is_reset: bool,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        let status = self.head.split(' ').nth(1).unwrap_or_default();
        status.parse().unwrap_or_else(|_| panic!("no answer: {self:?}"))
    }

    pub(crate) fn header(&self, wanted: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.next().map(|(_, value)| value)
    }

    /// What the head promises.
    pub(crate) fn promised(&self) -> usize {
        self.header("content-length").expect("a length").parse().unwrap()
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.body.len(), self.promised());
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Net {
    pub(crate) fn new() -> Self {
        let stand_in = StandIn::new(7);
        let server = Server::start(stand_in.clone(), 0).expect("a free port");
        Self { stand_in, server }
    }

    pub(crate) fn authority(&self) -> String {
        self.server.url().replace("http://", "")
    }

    /// Sends a request of one piece.
    pub(crate) fn open(&self, method: &str, path: &str, body: &str) -> TcpStream {
        let kind = if body.starts_with(['{', '[']) { "json" } else { "x-www-form-urlencoded" };
        let (host, length) = (self.authority(), body.len());
        let mut stream = TcpStream::connect(&host).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let text = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/{kind}\r\n\
             User-Agent: gatelatch\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).expect("the request goes out");
        stream
    }

    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Answer {
        read(self.open(method, path, body))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "")
    }
}

/// Everything that comes before the connection ends.
pub(crate) fn read(mut stream: TcpStream) -> Answer {
    let (mut all, mut part, mut is_reset) = (Vec::new(), vec![0; 65_536], false);
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => all.extend(&part[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                is_reset = true;
                break;
            }
            Err(error) => panic!("{error}"),
        }
    }
    let end = all.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
    let body = all.split_off(end);
    Answer { head: String::from_utf8_lossy(&all).into_owned(), body, is_reset }
}
