//! The stand-ins behind a socket, where an answer can also break off, trickle or never come.

use crate::StandIn;
use crate::reply::{self, Response};
use crate::spoil::{Answer, End};
use crate::wire::{self, Unfinished};
use http::Request;
use http::header::CONTENT_LENGTH;
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How often somebody who waits looks whether it is still worth it.
const LOOK: Duration = Duration::from_millis(20);

/// It listens at loopback for as long as this is kept.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens at a port; 0 is any that is free.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(stand_in: StandIn, port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let over = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&over);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if theirs.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (stand_in, over) = (stand_in.clone(), Arc::clone(&theirs));
                // Who hangs up has had enough.
                std::thread::spawn(move || serve(&stand_in, stream, &over));
            }
        });
        Ok(Self { address, over, thread: Some(thread) })
    }

    /// Its URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // It waits for somebody to come.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "this is no Worker, and the one place that has a clock"
)]
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

fn serve(stand_in: &StandIn, mut stream: TcpStream, over: &AtomicBool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (request, unfinished) = wire::read(&mut stream, || over.load(Ordering::SeqCst))?;
    let answer = stand_in.answer(&request, now());
    let wait = |stream: &TcpStream, time: Duration| wait(stream, time, over);
    match answer {
        Answer::Response(response) => {
            unfinished.finish(&mut stream)?;
            let response = post_if_asked(&request, response);
            let length = response.body().len();
            send(&mut stream, &response, length)?;
        }
        Answer::Late(time, response) => {
            unfinished.finish(&mut stream)?;
            if !wait(&stream, time) {
                return Ok(());
            }
            let length = response.body().len();
            send(&mut stream, &response, length)?;
        }
        Answer::Never => {
            unfinished.finish(&mut stream)?;
            wait(&stream, Duration::MAX);
        }
        Answer::Trickle(response) => {
            unfinished.finish(&mut stream)?;
            stream.write_all(&wire::head(&response, response.body().len()))?;
            for byte in response.body() {
                if !wait(&stream, Duration::from_secs(1)) {
                    return Ok(());
                }
                stream.write_all(&[*byte])?;
            }
        }
        Answer::NoHttp(bytes) => {
            unfinished.finish(&mut stream)?;
            stream.write_all(&bytes)?;
        }
        Answer::Partial { response, promised, end: End::Close } => {
            unfinished.finish(&mut stream)?;
            send(&mut stream, &response, promised)?;
        }
        Answer::Partial { response, promised, end: End::Reset } => {
            send(&mut stream, &response, promised)?;
            reset(stream, unfinished);
            return Ok(());
        }
        Answer::Cut => {
            reset(stream, unfinished);
            return Ok(());
        }
    }
    // What is unread when a socket is closed would make this a reset.
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_millis(500)))?;
    while stream.read(&mut [0; 1024])? > 0 {}
    Ok(())
}

fn send(stream: &mut TcpStream, response: &Response, promised: usize) -> io::Result<()> {
    stream.write_all(&wire::head(response, promised))?;
    stream.write_all(response.body())
}

/// A socket that is closed before everything was read is reset: the last byte of the request is
/// what was left for that.
#[expect(clippy::needless_pass_by_value, reason = "to be dropped unread is what they are here for")]
fn reset(stream: TcpStream, unread: Unfinished) {
    let Unfinished { .. } = unread;
    drop(stream);
}

/// Waits while somebody is there to wait for the answer. Whether they still are.
fn wait(stream: &TcpStream, mut left: Duration, over: &AtomicBool) -> bool {
    let _ = stream.set_nonblocking(true);
    while !left.is_zero() {
        let gone = match stream.peek(&mut [0; 1]) {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        };
        if gone || over.load(Ordering::SeqCst) {
            return false;
        }
        std::thread::sleep(LOOK.min(left));
        left = left.saturating_sub(LOOK);
    }
    stream.set_nonblocking(false).is_ok()
}

/// A logout token goes where the request says, if it says so, and the answer tells how it went.
fn post_if_asked(request: &Request<Vec<u8>>, response: Response) -> Response {
    if !request.uri().path().ends_with("/_logout") || response.status() != 200 {
        return response;
    }
    let asked: Value = serde_json::from_slice(request.body()).unwrap_or_default();
    let made: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    let (Some(to), Some(token)) = (asked["to"].as_str(), made["logout_token"].as_str()) else {
        return response;
    };
    match post(to, &format!("logout_token={token}")) {
        Ok((status, body)) => {
            let told = json!({ "logout_token": token, "status": status, "body": body });
            reply::json(200, &told)
        }
        Err(error) => {
            let problem = error.to_string();
            reply::json(502, &json!({ "logout_token": token, "problem": problem }))
        }
    }
}

/// Posts a form, to plain HTTP alone.
fn post(to: &str, form: &str) -> io::Result<(u16, String)> {
    let bad = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text.to_owned());
    let url = url::Url::parse(to).map_err(|_| bad("`to` is no URL"))?;
    if url.scheme() != "http" {
        return Err(bad("`to` is not plain HTTP"));
    }
    let address = url.socket_addrs(|| Some(80))?.into_iter().next();
    let mut stream = TcpStream::connect(address.ok_or_else(|| bad("`to` is nowhere"))?)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let authority = to.split('/').nth(2).unwrap_or_default();
    let path = url.path();
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let length = form.len();
    let head = format!(
        "POST {path}{query} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n{CONTENT_LENGTH}: {length}\r\n\r\n"
    );
    stream.write_all((head + form).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or_else(|| bad("no HTTP came back"))?, body.to_owned()))
}
