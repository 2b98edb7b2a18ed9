//! Somebody else's web site, on this machine: what a client publishes about itself, or an address
//! that nobody should go to. An issuer in this process reaches it as one on workerd does.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// It listens for as long as this is kept.
#[derive(Debug)]
pub struct Site {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    /// A path, and the whole answer: status line, headers and body.
    pages: Mutex<Vec<(String, String)>>,
    hits: AtomicUsize,
    over: AtomicBool,
}

impl Default for Site {
    fn default() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::<Shared>::default();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if theirs.over.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(stream) = stream {
                    // Who hangs up has had enough.
                    let _ = theirs.answer(stream);
                }
            }
        });
        Self { address, shared, thread: Some(thread) }
    }
}

impl Shared {
    fn answer(&self, mut stream: TcpStream) -> std::io::Result<()> {
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let mut head = Vec::new();
        let mut part = [0; 1024];
        while !head.windows(4).any(|four| four == b"\r\n\r\n") {
            match stream.read(&mut part)? {
                0 => return Ok(()),
                length => head.extend(&part[..length]),
            }
        }
        self.hits.fetch_add(1, Ordering::SeqCst);
        let head = String::from_utf8_lossy(&head);
        let path = head.split(' ').nth(1).unwrap_or_default();
        let pages = self.pages.lock().expect("no panic");
        let page = pages.iter().rev().find(|(known, _)| known == path);
        let nothing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let page = page.map_or(nothing, |(_, page)| page.as_str());
        stream.write_all(page.as_bytes())
    }
}

impl Site {
    /// The URL of a path.
    pub fn at(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Publishes JSON under a path: its URL.
    pub fn publish(&self, path: &str, json: &str) -> String {
        self.put(path, "200 OK", "Content-Type: application/json", json)
    }

    /// Answers a path in any way: its URL.
    pub fn put(&self, path: &str, status: &str, header: &str, body: &str) -> String {
        let length = body.len();
        let page = format!(
            "HTTP/1.1 {status}\r\n{header}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        self.shared.pages.lock().expect("no panic").push((path.to_owned(), page));
        self.at(path)
    }

    /// How often it was asked anything.
    pub fn hits(&self) -> usize {
        self.shared.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        // It waits for somebody to come.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
