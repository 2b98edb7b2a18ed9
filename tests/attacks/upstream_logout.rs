//! The upstream says that somebody has signed out there. The catalogue has these rows for a gateway
//! (GS-26 to GS-28): whoever receives a logout token is attacked in the same ways.

use super::events::happened;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use idp::platform::{Keys as _, Signer as _};
use pollster::block_on;
use serde_json::{Value, json};
use shared::fetch::Response;
use shared::form::{Form, encode};
use shared::jose::Alg;
use shared::jose::jws::{Header, compact, signing_input};
use shared::jose::native::SigningKey;
use tests::browser::{Browser, Reply, is_sign_in, posted, request};
use tests::client::{Ask, C1, Client, TOLD, Tokens, userinfo};
use tests::expect::{invalid_grant, unauthorized};
use tests::keys::Keys;
use tests::line::Fault as LineFault;
use tests::listener::{told, unverified};
use tests::memory::Fault;
use tests::people::{ALICE, BOB, Person};
use tests::upstream::{Net, UPSTREAM, away, net};

const HERE: &str = "/sign-in/logout/acme";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// Somebody who came by the upstream.
struct There<'n> {
    net: &'n Net,
    browser: Browser<'n, Net>,
    client: Client,
    offline: Tokens,
    bound: Tokens,
    /// Who they are above, and in which session there.
    sub: Value,
    sid: Value,
}

impl<'n> There<'n> {
    fn is(net: &'n Net, person: Person, client: Client) -> Self {
        let browser = Browser::new(net);
        let ask = Ask::of(client).set("scope", "openid offline_access");
        let back = browser.get(&away(&browser, net, &ask, person));
        let redeem =
            |ask: &Ask, code: &str| Tokens::of(&client.redeem(code, ask).send(&net.issuer));
        let offline = redeem(&ask, &Reply::of(&back).code());
        let ask = Ask::of(client);
        let code = Reply::of(&browser.get(&ask.url(&net.issuer))).code();
        let bound = redeem(&ask, &code);
        let above = net.line.calls("/token").len();
        assert!(above > 0);
        let (sub, sid) = above_of(net, &browser);
        Self { net, browser, client, offline, bound, sub, sid }
    }

    /// Whether everything that began by it is alive; or whether all of it is dead.
    fn is_in(&self) -> bool {
        let issuer = &self.net.issuer;
        let signed_in = !is_sign_in(&self.browser.get(&Ask::of(self.client).url(issuer)));
        for tokens in [&self.offline, &self.bound] {
            let answer = userinfo(&tokens.access).send(issuer);
            assert_eq!(answer.status() == StatusCode::OK, signed_in);
            let answer = self.client.introspect(tokens.refresh()).send(issuer);
            let is_active = unverified_body(&answer)["active"] == true;
            assert_eq!(is_active, signed_in);
            if !signed_in {
                unauthorized(&userinfo(&tokens.access).send(issuer), "userinfo");
                invalid_grant(&self.client.refresh(tokens.refresh()).send(issuer), "refresh");
            }
        }
        signed_in
    }

    fn claims(&self) -> Value {
        let now = self.net.issuer.now().0;
        json!({
            "iss": UPSTREAM, "aud": "below", "sub": self.sub, "sid": self.sid, "iat": now,
            "exp": now + 120, "jti": tests::client::fresh("jti"), "events": { LOGOUT: {} },
        })
    }

    fn with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        let members = claims.as_object_mut().unwrap();
        match value {
            Value::Null => members.remove(name),
            value => members.insert(name.to_owned(), value),
        };
        claims
    }
}

fn unverified_body(answer: &Response) -> Value {
    serde_json::from_slice(answer.body()).unwrap()
}

/// What the upstream calls the person of a browser, and their session: asked with its cookie, for
/// the client that we are there.
fn above_of(net: &Net, browser: &Browser<'_, Net>) -> (Value, Value) {
    let ask = Ask::of(C1);
    let copy = browser.copy();
    let code = Reply::of(&copy.get(&ask.url(&net.upstream))).code();
    let tokens = Tokens::of(&C1.redeem(&code, &ask).send(&net.upstream));
    let claims = unverified(tokens.id());
    (claims["sub"].clone(), claims["sid"].clone())
}

fn sign(keys: &Keys, net: &Net, typ: &str, claims: &Value) -> String {
    let signer = block_on(keys.signer(Alg::Es256, net.upstream.now())).unwrap();
    let header = Header::new(Alg::Es256, signer.kid(), typ);
    let input = signing_input(&header, claims);
    compact(&input, &block_on(signer.sign(input.as_bytes())).unwrap())
}

/// A token that the upstream has signed.
fn token(net: &Net, claims: &Value) -> String {
    sign(&net.upstream.inside().keys, net, "logout+jwt", claims)
}

fn post(net: &Net, token: &str) -> Response {
    let answer = net.issuer.ask(posted(&net.issuer.at(HERE), &[("logout_token", token)]));
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(!answer.headers().contains_key("set-cookie"));
    answer
}

/// It is believed, whether or not it is about anybody.
fn taken(net: &Net, token: &str, what: &str) {
    assert_eq!(post(net, token).status(), StatusCode::OK, "{what}: {:?}", causes(net));
}

fn causes(net: &Net) -> Vec<String> {
    net.issuer.inside().causes()
}

fn refused(net: &Net, token: &str, what: &str) {
    let answer = post(net, token);
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{what}");
    assert_eq!(unverified_body(&answer)["error"], "invalid_request", "{what}");
}

#[test]
fn gs_26_pa_05_who_signs_out_above_is_signed_out_here_and_our_clients_are_told() {
    let net = net();
    let alice = There::is(&net, ALICE, TOLD);
    let bob = There::is(&net, BOB, TOLD);
    let (inside, above) = (net.issuer.inside(), net.upstream.inside());
    // As the other issuer does it.
    let query = encode([("confirm", "yes")]);
    let url = format!("{UPSTREAM}/end_session");
    assert_eq!(alice.browser.post(&url, &[("confirm", "yes")]).status(), StatusCode::OK, "{query}");
    above.ring_alarms();
    let [sent] = &net.upstream.posts("/below")[..] else { panic!("not one token") };
    let form = Form::parse(sent.body.as_bytes()).unwrap();
    happened(&net.issuer);
    taken(&net, form.get("logout_token").unwrap(), "a token as it was sent");
    let events = happened(&net.issuer);
    let ours = unverified(alice.bound.id());
    assert_eq!(
        events,
        [json!({
            "event": "ended_by_upstream", "account": ours["sub"], "upstream": "acme",
            "reason": "signed out there", "sessions": [ours["sid"]],
        })]
    );
    assert!(!alice.is_in() && bob.is_in());
    inside.ring_alarms();
    assert_eq!(told(&net.issuer, TOLD, ours["sid"].as_str().unwrap()).len(), 1);
    let bobs = unverified(bob.bound.id());
    assert!(told(&net.issuer, TOLD, bobs["sid"].as_str().unwrap()).is_empty());
}

#[test]
fn gs_26_a_session_ends_by_its_name_alone_and_every_session_by_the_persons() {
    for (without, others_live) in [("sub", true), ("sid", false)] {
        let net = net();
        let [here, there] = [C1, TOLD].map(|client| There::is(&net, ALICE, client));
        assert_ne!(here.sid, there.sid);
        let bob = There::is(&net, BOB, C1);
        taken(&net, &token(&net, &here.with(without, Value::Null)), without);
        assert!(!here.is_in(), "{without}");
        assert_eq!(there.is_in(), others_live, "{without}");
        assert!(bob.is_in(), "{without}");
    }
}

#[test]
fn gs_26_both_names_have_to_be_right() {
    let net = net();
    let (alice, bob) = (There::is(&net, ALICE, C1), There::is(&net, BOB, C1));
    taken(&net, &token(&net, &alice.with("sub", bob.sub.clone())), "Bob in Alice's session");
    taken(&net, &token(&net, &alice.with("sid", bob.sid.clone())), "Alice in Bob's session");
    assert!(alice.is_in() && bob.is_in());
}

#[test]
fn gs_26_whoever_is_a_local_account_here_is_somebody_else() {
    let net = net();
    let alice = There::is(&net, ALICE, C1);
    let local = tests::client::tokens(&net.issuer, C1);
    taken(&net, &token(&net, &alice.with("sid", Value::Null)), "all of hers above");
    assert!(!alice.is_in());
    assert_eq!(userinfo(&local.access).send(&net.issuer).status(), StatusCode::OK);
    // Who signs in again is signed in.
    assert!(There::is(&net, ALICE, C1).is_in());
}

#[test]
fn gs_27_a_forged_token_is_refused_and_changes_nothing() {
    let net = net();
    let alice = There::is(&net, ALICE, C1);
    let now = net.issuer.now().0;
    let keys = &net.upstream.inside().keys;
    let claims = alice.claims();
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let good = token(&net, &claims);
    let signature = good.rsplit('.').next().unwrap();
    let none = |signature: &str| {
        format!("{}.{}.{signature}", encode(&json!({ "alg": "none" })), encode(&claims))
    };
    let hs256 = format!("{}.{}.{signature}", encode(&json!({ "alg": "HS256" })), encode(&claims));
    let other = SigningKey::es256([77; 32]).unwrap();
    let strangers = |kid: &str| {
        let input = signing_input(&Header::new(Alg::Es256, kid, "logout+jwt"), &claims);
        compact(&input, &other.sign(input.as_bytes()).unwrap())
    };
    let signer = block_on(keys.signer(Alg::Es256, net.upstream.now())).unwrap();
    for (what, token) in [
        ("nothing", "x".to_owned()),
        ("alg none", none("")),
        ("alg none with a signature", none(signature)),
        ("HS256", hs256),
        ("a stranger's key under a known name", strangers(signer.kid())),
        ("an access token", sign(keys, &net, "at+jwt", &claims)),
        ("another event", sign(keys, &net, "secevent+jwt", &claims)),
        ("an ID token of ours there", id_token_above(&net, &alice)),
    ] {
        refused(&net, &token, what);
    }
    for (name, values) in [
        ("iss", vec![json!(null), json!("https://evil.test"), json!(net.issuer.url())]),
        ("aud", vec![json!(null), json!("c1"), json!(["c1"]), json!(["below", "c1"])]),
        ("exp", vec![json!(null), json!(now - 121), json!("never")]),
        ("iat", vec![json!(null), json!(now - 301), json!(now + 3600)]),
        ("events", vec![json!(null), json!({}), json!({ "logout": {} }), json!({ LOGOUT: 1 })]),
        ("nonce", vec![json!("n"), json!("")]),
        ("jti", vec![json!(null), json!("")]),
        ("sub", vec![json!(""), json!(7)]),
        ("sid", vec![json!(""), json!(7)]),
    ] {
        for value in values {
            let what = format!("{name} {value}");
            refused(&net, &token(&net, &alice.with(name, value)), &what);
        }
    }
    let mut nobody = alice.with("sub", Value::Null);
    nobody.as_object_mut().unwrap().remove("sid");
    refused(&net, &token(&net, &nobody), "nobody");
    assert!(happened(&net.issuer).iter().all(|event| event["event"] == "signed_in"));
    assert!(alice.is_in());
    // And one that nothing is wrong with.
    taken(&net, &good, "good");
    assert!(!alice.is_in());
}

/// An ID token that the upstream has given to us as its client, which has no events.
fn id_token_above(net: &Net, alice: &There<'_>) -> String {
    let mut claims = alice.with("events", Value::Null);
    claims["auth_time"] = claims["iat"].clone();
    sign(&net.upstream.inside().keys, net, "JWT", &claims)
}

#[test]
fn gs_27_a_token_works_once() {
    let net = net();
    let alice = There::is(&net, ALICE, C1);
    let token = token(&net, &alice.with("sid", Value::Null));
    taken(&net, &token, "the first time");
    assert!(!alice.is_in());
    let again = There::is(&net, ALICE, C1);
    refused(&net, &token, "the second time");
    assert!(again.is_in());
    // It is remembered for as long as it is good.
    net.issuer.inside().pass(239);
    refused(&net, &token, "the third time");
    net.issuer.inside().pass(2);
    refused(&net, &token, "too late");
}

#[test]
fn gs_28_whom_we_never_saw_costs_nothing() {
    let net = net();
    let alice = There::is(&net, ALICE, C1);
    let memory = &net.issuer.inside().memory;
    let before = memory.len();
    memory.work();
    for number in 0..20 {
        let mut claims = alice.with("sub", json!(format!("nobody-{number}")));
        taken(&net, &token(&net, &claims), "nobody's name");
        claims.as_object_mut().unwrap().remove("sub");
        claims["sid"] = json!(format!("nothing-{number}"));
        taken(&net, &token(&net, &claims), "no session's name");
    }
    assert_eq!(memory.len(), before);
    let asked = memory.work().asked;
    assert!(asked.iter().all(|object| object.starts_with("directory")), "{asked:?}");
    assert_eq!(asked.len(), 40);
    assert!(alice.is_in());
}

#[test]
fn lo_09_whatever_fails_it_is_503_and_the_same_token_is_good_again() {
    for operation in 0.. {
        let net = net();
        let alice = There::is(&net, ALICE, TOLD);
        let token = token(&net, &alice.claims());
        net.issuer.inside().memory.fail(Fault::Storage(operation));
        let answer = post(&net, &token);
        if answer.status() == StatusCode::OK {
            assert!(net.issuer.inside().memory.is_failing());
            assert!(operation >= 8, "only {operation} operations");
            break;
        }
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "operation {operation}");
        assert!(answer.headers().contains_key("retry-after"));
        taken(&net, &token, "again");
        assert!(!alice.is_in(), "operation {operation}");
        net.issuer.inside().ring_alarms();
        let sid = unverified(alice.bound.id())["sid"].as_str().unwrap().to_owned();
        assert_eq!(told(&net.issuer, TOLD, &sid).len(), 1, "operation {operation}");
    }
    for fault in [Fault::Command(0), Fault::Command(1), Fault::Answer(0)] {
        let net = net();
        let alice = There::is(&net, ALICE, C1);
        let token = token(&net, &alice.claims());
        net.issuer.inside().memory.fail(fault);
        assert_eq!(post(&net, &token).status(), StatusCode::SERVICE_UNAVAILABLE, "{fault:?}");
        taken(&net, &token, "again");
        assert!(!alice.is_in());
    }
}

#[test]
fn jv_27_while_the_upstreams_keys_are_out_of_reach_it_is_503() {
    let net = net();
    let alice = There::is(&net, ALICE, C1);
    let token = token(&net, &alice.claims());
    // An isolate that has not seen them.
    net.issuer.inside().deploy_again(|_| ());
    net.line.set(LineFault::Down);
    assert_eq!(post(&net, &token).status(), StatusCode::SERVICE_UNAVAILABLE);
    net.line.set(LineFault::Nothing);
    net.issuer.inside().pass(10);
    taken(&net, &token, "when they are back");
    assert!(!alice.is_in());
}

#[test]
fn it_is_there_for_a_post_to_an_upstream_that_signs() {
    let net = net();
    let alice = There::is(&net, ALICE, C1);
    let form = [("logout_token", token(&net, &alice.claims()))];
    let form = form.iter().map(|(name, value)| (*name, value.as_str())).collect::<Vec<_>>();
    let at = |path: &str| posted(&net.issuer.at(path), &form);
    for path in ["/sign-in/logout/", "/sign-in/logout/other", "/sign-in/logout/acme/"] {
        assert_eq!(net.issuer.ask(at(path)).status(), StatusCode::NOT_FOUND, "{path}");
    }
    let get = request(Method::GET, &net.issuer.at(&format!("{HERE}?{}", encode(form.clone()))));
    assert_eq!(net.issuer.ask(get).status(), StatusCode::METHOD_NOT_ALLOWED);
    for wrong in [posted(&net.issuer.at(HERE), &[]), at(&format!("{HERE}?x=1"))] {
        assert_eq!(net.issuer.ask(wrong).status(), StatusCode::BAD_REQUEST);
    }
    net.issuer.inside().deploy_again(|settings| {
        let more = [
            json!({ "id": "hub", "provider": "github", "client_id": "x" }),
            json!({ "id": "kit", "provider": "authkit", "client_id": "x" }),
            json!({ "id": "sso", "provider": "workos-sso", "client_id": "x", "organization": "o" }),
        ];
        for secret in ["HUB", "KIT", "SSO"] {
            settings.insert(format!("UPSTREAM_{secret}_SECRET"), "not-a-secret".into());
        }
        settings["UPSTREAMS"].as_array_mut().unwrap().extend(more);
    });
    for id in ["hub", "kit", "sso"] {
        let answer = net.issuer.ask(at(&format!("/sign-in/logout/{id}")));
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{id}");
    }
    assert!(!is_sign_in(&alice.browser.get(&Ask::of(C1).url(&net.issuer))));
}
