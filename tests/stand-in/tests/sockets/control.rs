//! What a test over HTTP asks of an instance; and the program.

use crate::socket::Net;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};

const DISCOVERY: &str = "/auth0/x1/.well-known/openid-configuration";

fn sign_in(net: &Net) {
    let path = "/auth0/x1/authorize?response_type=code&client_id=gatelatch&scope=openid\
                &redirect_uri=http://localhost/cb";
    assert_eq!(net.send("POST", path, "person=alice").status(), 302);
}

#[test]
fn faults_are_arranged_and_cleared() {
    let net = Net::new();
    let list = json!([
        { "endpoint": "discovery", "fault": "empty200", "times": 1 },
        { "endpoint": "discovery", "fault": { "status": 503 }, "times": 1 },
        { "endpoint": "discovery", "fault": { "redirect": { "status": 302, "to": "http://x.test/" } } },
        { "endpoint": "token", "fault": { "id_token": "alg_none" } },
        { "endpoint": "refresh", "fault": { "error": { "status": 403, "error": "invalid_grant" } } },
        { "endpoint": "refresh", "fault": { "email_verified": { "is": "false" } } },
        { "endpoint": "userinfo", "fault": { "email_verified": "absent" } },
        { "endpoint": "jwks", "fault": { "slow": 60 } },
    ]);
    assert_eq!(net.send("PUT", "/auth0/x1/_faults", &list.to_string()).status(), 204);
    let statuses: Vec<_> = (0..4).map(|_| net.get(DISCOVERY).status()).collect();
    assert_eq!(statuses, [200, 503, 302, 302]);
    assert_eq!(net.send("DELETE", "/auth0/x1/_faults", "").status(), 204);
    assert_eq!(net.get(DISCOVERY).status(), 200);
}

#[test]
fn a_list_with_one_mistake_is_refused_as_a_whole() {
    let net = Net::new();
    for odd in [
        json!({ "endpoint": "discovery", "fault": "unheard" }),
        json!({ "endpoint": "nowhere", "fault": "empty200" }),
        json!({ "endpoint": "jwks", "fault": { "id_token": "alg_none" } }),
        json!({ "endpoint": "emails", "fault": "empty200" }),
        json!({ "endpoint": "token", "fault": { "next_step": "mfa_enrollment" } }),
        json!({ "endpoint": "jwks", "fault": { "redirect": { "status": 200, "to": "x" } } }),
    ] {
        let list = json!([{ "endpoint": "discovery", "fault": { "status": 500 } }, odd]);
        let refused = net.send("PUT", "/auth0/x1/_faults", &list.to_string());
        assert_eq!(refused.status(), 400, "{odd}");
        assert!(refused.json()["problem"].is_string());
    }
    assert_eq!(net.get(DISCOVERY).status(), 200);
}

#[test]
fn what_was_asked_is_told_and_forgotten() {
    let net = Net::new();
    sign_in(&net);
    let seen = net.get("/auth0/x1/_seen").json();
    assert_eq!(seen.as_array().unwrap().len(), 1);
    assert_eq!(seen[0]["endpoint"], "authorize");
    assert_eq!(seen[0]["form"], json!([["person", "alice"]]));
    assert_eq!(seen[0]["headers"]["user-agent"], "gatelatch");
    assert_eq!(net.get("/auth0/x2/_seen").json(), json!([]));
    assert_eq!(net.send("DELETE", "/auth0/x1/_seen", "").status(), 204);
    assert_eq!(net.get("/auth0/x1/_seen").json(), json!([]));
}

#[test]
fn a_logout_token_is_posted_where_it_should_go() {
    let net = Net::new();
    sign_in(&net);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let to = format!("http://{}/back-channel?x=1", listener.local_addr().unwrap());
    let listening = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("somebody comes");
        let mut all = Vec::new();
        // A token has three parts, and the signature of 256 bytes is the last.
        let is_whole = |all: &[u8]| {
            let last = all.rsplit(|byte| *byte == b'.').next();
            all.windows(13).any(|word| word == b"logout_token=")
                && last.is_some_and(|l| l.len() == 342)
        };
        while !is_whole(&all) {
            let mut part = [0; 8192];
            let length = stream.read(&mut part).expect("a request");
            all.extend(&part[..length]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").expect("an answer");
        String::from_utf8(all).unwrap()
    });
    let body = json!({ "person": "alice", "to": to }).to_string();
    let told = net.send("POST", "/auth0/x1/_logout", &body).json();
    let heard = listening.join().expect("no panic");
    assert!(heard.starts_with("POST /back-channel?x=1 HTTP/1.1\r\n"), "{heard}");
    assert!(heard.contains("application/x-www-form-urlencoded"));
    assert!(heard.contains("\r\n\r\nlogout_token=ey"));
    assert_eq!((&told["status"], &told["body"]), (&200.into(), &"ok".into()));
}

#[test]
fn a_logout_that_nobody_could_hear_is_told() {
    let net = Net::new();
    let ask = |body: Value| net.send("POST", "/auth0/x1/_logout", &body.to_string());
    assert_eq!(ask(json!({ "person": "alice" })).status(), 400, "no session");
    sign_in(&net);
    assert!(ask(json!({ "person": "alice" })).json()["logout_token"].is_string());
    assert_eq!(ask(json!({ "person": "alice", "to": "https://x.test/" })).status(), 502);
}

#[test]
fn rotating_and_revoking_work_from_outside() {
    let net = Net::new();
    let keys =
        || net.get("/auth0/x1/.well-known/jwks.json").json()["keys"].as_array().unwrap().len();
    assert_eq!(keys(), 1);
    assert_eq!(net.send("POST", "/auth0/x1/_rotate", "").status(), 204);
    assert_eq!(keys(), 2);
    assert_eq!(net.send("POST", "/auth0/x1/_revoke", "{\"person\":\"alice\"}").status(), 204);
    assert_eq!(net.send("POST", "/auth0/x1/_revoke", "{\"person\":\"nobody\"}").status(), 400);
}

#[test]
fn the_base_is_what_the_request_says() {
    let net = Net::new();
    let issuer = format!("{}/auth0/x1/", net.server.url());
    assert_eq!(net.get(DISCOVERY).json()["issuer"], issuer);
    assert!(net.get("/").text().contains("/auth0/{instance}"));
}

#[test]
fn the_program_says_its_url_and_ends_with_its_input() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stand-in"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).expect("a line");
    let port: u16 = line.trim().strip_prefix("http://127.0.0.1:").unwrap().parse().expect("a port");
    assert_ne!(port, 0);
    drop(child.stdin.take());
    assert!(child.wait().expect("it ends").success());
}
