//! What happens to connections.

use crate::socket::{Net, read};
use stand_in::{Endpoint, Fault};
use std::io::Read;
use std::time::{Duration, Instant};

const PLACE: &str = "generic/x1";
const JWKS: &str = "/generic/x1/jwks";

fn net(fault: Fault) -> Net {
    let net = Net::new();
    net.stand_in.fault(PLACE, Endpoint::Jwks, fault, 1);
    net
}

#[expect(clippy::disallowed_methods, reason = "a test of what takes time")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn without_a_fault_the_answer_is_whole_and_so_is_the_next() {
    let net = Net::new();
    for _ in 0..2 {
        let answer = net.get(JWKS);
        assert!(answer.status() == 200 && !answer.is_reset);
        assert!(answer.json()["keys"].is_array());
    }
}

#[test]
fn refuse_connection_ends_it_before_the_first_byte() {
    let net = net(Fault::RefuseConnection);
    let answer = net.get(JWKS);
    assert!(answer.is_reset && answer.head.is_empty() && answer.body.is_empty());
    assert_eq!(net.get(JWKS).status(), 200, "once");
}

#[test]
fn reset_mid_body_resets_in_the_middle() {
    let net = net(Fault::ResetMidBody);
    let answer = net.get(JWKS);
    assert!(answer.is_reset);
    assert_eq!(answer.status(), 200);
    assert!(!answer.body.is_empty() && answer.body.len() < answer.promised());
}

#[test]
fn reset_mid_body_of_a_posted_form_does_too() {
    let net = Net::new();
    net.stand_in.fault(PLACE, Endpoint::Token, Fault::ResetMidBody, 1);
    let answer = net.send("POST", "/generic/x1/token", "grant_type=authorization_code");
    assert!(answer.is_reset);
    assert_eq!(answer.status(), 400);
    assert_eq!(net.stand_in.seen(PLACE)[0].get("grant_type"), Some("authorization_code"));
}

#[test]
fn truncated_ends_orderly_and_early() {
    let net = net(Fault::Truncated);
    let answer = net.get(JWKS);
    assert!(!answer.is_reset);
    assert!(!answer.body.is_empty() && answer.body.len() < answer.promised());
}

#[test]
fn slow_takes_its_time_and_then_answers() {
    let (net, start) = (net(Fault::Slow(1)), start());
    assert!(net.get(JWKS).json()["keys"].is_array());
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[test]
fn trickle_is_a_byte_a_second() {
    let net = net(Fault::Trickle);
    let start = start();
    let mut stream = net.open("GET", JWKS, "");
    let (mut seen, mut byte) = (Vec::new(), [0]);
    while !seen.ends_with(b"\r\n\r\n{\"") {
        stream.read_exact(&mut byte).expect("a byte");
        seen.push(byte[0]);
    }
    assert!(start.elapsed() >= Duration::from_secs(2), "two bytes of the body");
}

#[test]
fn never_says_nothing_and_ends_with_the_server() {
    let net = net(Fault::Never);
    let mut stream = net.open("GET", JWKS, "");
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    assert!(stream.read(&mut [0]).is_err(), "nothing yet");
    drop(net);
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
    assert!(matches!(stream.read(&mut [0]), Ok(0)));
}

#[test]
fn tls_alert_is_no_http() {
    let net = net(Fault::TlsAlert);
    assert_eq!(read(net.open("GET", JWKS, "")).body, [0x15, 3, 3, 0, 2, 2, 40]);
}

#[test]
fn others_are_served_while_somebody_waits() {
    let net = net(Fault::Never);
    let waiting = net.open("GET", JWKS, "");
    while net.stand_in.seen(PLACE).is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(net.get(JWKS).status(), 200);
    drop(waiting);
}

#[test]
fn a_chunked_body_is_read() {
    use std::io::Write;
    let net = Net::new();
    let mut stream = std::net::TcpStream::connect(net.authority()).expect("a connection");
    let head = "POST /generic/x1/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\
                Content-Type: application/x-www-form-urlencoded\r\n\r\n";
    let body = "6\r\ngrant_\r\n8\r\ntype=odd\r\n0\r\n\r\n";
    stream.write_all(format!("{head}{body}").as_bytes()).expect("the request goes out");
    assert_eq!(read(stream).status(), 400);
    assert_eq!(net.stand_in.seen(PLACE)[0].get("grant_type"), Some("odd"));
}
