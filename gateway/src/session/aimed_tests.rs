//! Tokens for single origins, by a provider that takes no refresh token twice.

use super::driver::{Driver, Provided, Visited};
use super::driver_tests::{LATE, Memory, live, secret};
use super::parties::Parties;
use super::state::Session;
use super::state::further::{Aim, Lack};
use crate::fixture::{
    NOON, Peer, Tasks, config, config_with, id_token, poll_all, provider, sign, turns,
};
use serde_json::json;
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::form::Form;
use shared::jose::native::Native;
use shared::rp::wanted::{By, Wanted};
use shared::time::UnixTime;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Ready, pending};
use std::rc::Rc;

const ORDERS: &str = "https://orders.test";
const BILLING: &str = "https://billing.test";

fn aim(by: By, resource: &str) -> Aim {
    let resource = Some(resource.to_owned());
    Wanted { by, resource, audience: None, scope: None, opaque: false, bound: None }.into()
}

/// What goes wrong at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Fault {
    #[default]
    Nothing,
    /// It says this, and nothing else happens.
    Says(u16, &'static str),
    /// It obeys a call for this resource, and the answer is lost.
    Loses(&'static str),
    /// It gives tokens for somebody else than was asked for.
    Elsewhere,
    /// An ID token about somebody else comes along.
    Mallory,
}

/// A provider whose refresh tokens rotate, and the last but one is good for what the last answer was to.
#[derive(Clone)]
struct Issuer {
    peer: Peer,
    calls: Rc<RefCell<Vec<String>>>,
    fault: Rc<Cell<Fault>>,
    under_way: Rc<Cell<usize>>,
    /// How many refresh tokens there were, and what the last was given with.
    rotated: Rc<RefCell<(usize, String)>>,
    /// Whom each access token is for.
    given: Rc<RefCell<BTreeMap<String, String>>>,
}

impl Issuer {
    fn new() -> Self {
        let peer = Peer::new();
        peer.put("/revoke", 200, "");
        let (calls, fault, under_way) = <(_, _, _)>::default();
        let (rotated, given) = <(_, _)>::default();
        Self { peer, calls, fault, under_way, rotated, given }
    }

    /// The token calls since this was asked last: how, and what for.
    fn calls(&self) -> Vec<String> {
        self.calls.take()
    }

    /// Whom a token is for.
    fn aud(&self, token: Option<&str>) -> String {
        self.given.borrow()[token.expect("a token")].clone()
    }

    fn fetch(&self) -> impl Fetch + 'static {
        let issuer = self.clone();
        async move |request: Request| {
            if request.uri().path() != "/token" {
                return issuer.peer.answer(request);
            }
            assert_eq!(issuer.under_way.replace(1), 0, "two token calls at once");
            turns(5).await;
            issuer.under_way.set(0);
            issuer.token(&Form::parse(request.body()).expect("each parameter once"))
        }
    }

    fn token(&self, form: &Form) -> Result<Response, Unreachable> {
        let wanted = form.get("resource").unwrap_or("own").to_owned();
        let refresh = form.get("refresh_token");
        let how = if refresh.is_some() { "refresh" } else { "exchange" };
        self.calls.borrow_mut().push(format!("{how} {wanted}"));
        if let Fault::Says(status, body) = self.fault.get() {
            return Ok(answer(status, body.to_owned()));
        }
        let mut rotated = self.rotated.borrow_mut();
        let fresh = 100 * self.calls.borrow().len() + rotated.0;
        let mut tokens = json!({"token_type": "Bearer", "expires_in": 300});
        if let Some(token) = refresh {
            let (count, asked) = &mut *rotated;
            let is_current = token == format!("r{count}");
            let is_last = count.checked_sub(1).is_some_and(|last| token == format!("r{last}"));
            if !is_current && !is_last {
                return Ok(answer(400, r#"{"error":"invalid_grant"}"#.into()));
            }
            if is_last && *asked != wanted {
                return Ok(answer(400, r#"{"error":"invalid_target"}"#.into()));
            }
            if is_current {
                *count += 1;
                asked.clone_from(&wanted);
            }
            tokens["refresh_token"] = json!(format!("r{count}"));
        }
        let (aud, token) = match (wanted.as_str(), self.fault.get()) {
            ("own", _) => ("own", format!("own{fresh}")),
            (_, Fault::Elsewhere) => ("evil", jwt("https://evil.test", fresh)),
            (resource, _) => (resource, jwt(resource, fresh)),
        };
        self.given.borrow_mut().insert(token.clone(), aud.to_owned());
        tokens["access_token"] = json!(token);
        if self.fault.get() == Fault::Mallory {
            tokens["id_token"] = json!(id_token("mallory", None, LATE));
        }
        if matches!(self.fault.get(), Fault::Loses(lost) if lost == wanted) {
            return Err(Unreachable);
        }
        Ok(answer(200, tokens.to_string()))
    }
}

fn answer(status: u16, body: String) -> Response {
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() = status.try_into().unwrap();
    response
}

fn jwt(aud: &str, number: usize) -> String {
    sign("at+jwt", &json!({"iss": "https://idp.test", "aud": aud, "jti": number}))
}

macro_rules! driver {
    ($issuer:expr, $memory:expr, $tasks:expr) => {{
        let ways = |_: &_| (provider(), $issuer.fetch(), Native);
        let parties = Parties::new(&config("hybrid"), ways);
        Driver::new($memory.clone(), $tasks.clone(), Rc::new(parties))
    }};
}

/// Either kind of visit, to be run beside the other.
enum Came {
    Own(Visited),
    Origin(Provided),
}

/// The token that an origin gets.
fn token(provided: &Provided) -> Option<&str> {
    match provided {
        Provided::Present(supplied) => Some(supplied.granted.access_token().expose()),
        _ => None,
    }
}

fn lack(refused: bool, retry_after: u64) -> Provided {
    Provided::Lacking(Lack { refused, retry_after })
}

fn settle(tasks: &Tasks) {
    poll_all(Vec::<Ready<()>>::new(), tasks);
}

#[test]
fn gr_01_gr_15_a_thousand_requests_for_three_tokens_cost_three_calls_one_after_the_other() {
    for by in [By::Refresh, By::Exchange] {
        let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
        let driver = driver!(issuer, memory, tasks);
        driver.open(live()).unwrap();
        let (orders, billing) = (aim(by, ORDERS), aim(by, BILLING));
        let visits = (0..1000).map(|number| {
            let (driver, orders, billing) = (&driver, &orders, &billing);
            async move {
                match number % 3 {
                    0 => Came::Own(driver.visit(secret(), 0, LATE, pending()).await),
                    1 => Came::Origin(driver.visit_for(secret(), orders, 0, LATE, pending()).await),
                    _ => {
                        Came::Origin(driver.visit_for(secret(), billing, 0, LATE, pending()).await)
                    }
                }
            }
        });
        let came = poll_all(visits.collect(), &tasks);
        for (number, came) in came.into_iter().enumerate() {
            match came.expect("everybody got an answer") {
                Came::Own(visited) => {
                    let Visited::Present(snapshot, _) = visited else { panic!("{visited:?}") };
                    assert!(snapshot.access_token.expose().starts_with("own"));
                }
                Came::Origin(provided) => {
                    let wanted = if number % 3 == 1 { ORDERS } else { BILLING };
                    assert_eq!(issuer.aud(token(&provided)), wanted);
                }
            }
        }
        // That they were never two at once is seen to by the provider.
        let mut calls = issuer.calls();
        calls.sort();
        let how = if by == By::Refresh { "refresh" } else { "exchange" };
        let mut expected =
            [format!("{how} {BILLING}"), format!("{how} {ORDERS}"), "refresh own".to_owned()];
        expected.sort();
        assert_eq!(calls, expected);
    }
}

#[test]
fn gp_24_each_origin_has_its_own_token_and_each_is_renewed_by_itself() {
    let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
    let driver = driver!(issuer, memory, tasks);
    driver.open(live()).unwrap();
    let (orders, billing) = (aim(By::Refresh, ORDERS), aim(By::Refresh, BILLING));
    let ask = |aim: &Aim, now| {
        let visits = vec![driver.visit_for(secret(), aim, 0, now, pending())];
        poll_all(visits, &tasks).remove(0).and_then(|provided| token(&provided).map(str::to_owned))
    };
    let (first, other) = (ask(&orders, NOON).unwrap(), ask(&billing, NOON.plus(200)).unwrap());
    assert_eq!(
        (issuer.aud(Some(&first)), issuer.aud(Some(&other))),
        (ORDERS.into(), BILLING.into())
    );
    assert_eq!(ask(&orders, NOON.plus(269)).as_ref(), Some(&first));
    assert_eq!(issuer.calls().len(), 2);
    // The same rule as for the session's own: a tenth before its end, served meanwhile.
    assert_eq!(ask(&orders, NOON.plus(270)).as_ref(), Some(&first));
    let next = ask(&orders, NOON.plus(271)).unwrap();
    assert_ne!(next, first);
    assert_eq!(ask(&billing, NOON.plus(271)).as_ref(), Some(&other));
    assert_eq!(issuer.calls(), [format!("refresh {ORDERS}")]);
}

#[test]
fn rfc8693_2_what_is_exchanged_lives_so_the_sessions_own_is_renewed_first() {
    let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
    let driver = driver!(issuer, memory, tasks);
    driver.open(live()).unwrap();
    let orders = aim(By::Exchange, ORDERS);
    let visits = (0..50).map(|_| driver.visit_for(secret(), &orders, 0, LATE, pending()));
    for provided in poll_all(visits.collect(), &tasks) {
        assert_eq!(issuer.aud(token(&provided.unwrap())), ORDERS);
    }
    assert_eq!(issuer.calls(), ["refresh own".to_owned(), format!("exchange {ORDERS}")]);
}

#[test]
fn gp_24_a_token_for_somebody_else_is_thrown_away_and_the_refresh_token_beside_it_is_kept() {
    for by in [By::Refresh, By::Exchange] {
        let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
        let driver = driver!(issuer, memory, tasks);
        driver.open(live()).unwrap();
        issuer.fault.set(Fault::Elsewhere);
        let orders = aim(by, ORDERS);
        for _ in 0..3 {
            let visits = (0..20).map(|_| driver.visit_for(secret(), &orders, 0, NOON, pending()));
            for provided in poll_all(visits.collect(), &tasks) {
                assert_eq!(provided, Some(lack(true, 2)), "{by:?}");
            }
        }
        assert_eq!(issuer.calls().len(), 1, "one call a pause");
        let row = serde_json::to_string(&*memory.load_row()).unwrap();
        let evil = jwt("https://evil.test", 100);
        let payload = evil.split('.').nth(1).unwrap().get(..40).unwrap();
        assert!(!row.contains(payload), "nothing of it is kept");
        // The session is what it was, and renews itself with the refresh token that came along.
        let visits = vec![driver.visit(secret(), 0, LATE, pending())];
        assert!(matches!(poll_all(visits, &tasks)[0], Some(Visited::Present(..))));
        issuer.fault.set(Fault::Nothing);
        let visits = vec![driver.visit_for(secret(), &orders, 0, LATE, pending())];
        assert_eq!(issuer.aud(token(poll_all(visits, &tasks)[0].as_ref().unwrap())), ORDERS);
    }
}

#[test]
fn gp_24_what_fails_for_one_origin_fails_for_no_other_and_not_for_the_session() {
    let refusals = [
        (400, r#"{"error":"invalid_target"}"#, true),
        (400, r#"{"error":"invalid_scope"}"#, true),
        (400, r#"{"error":"unauthorized_client"}"#, true),
        (400, r#"{"error":"access_denied"}"#, true),
        (500, "", false),
        (429, "", false),
    ];
    for by in [By::Refresh, By::Exchange] {
        for (status, body, refused) in refusals {
            let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
            let driver = driver!(issuer, memory, tasks);
            driver.open(live()).unwrap();
            issuer.fault.set(Fault::Says(status, body));
            let (orders, billing) = (aim(by, ORDERS), aim(By::Exchange, BILLING));
            let visits = (0..20).map(|_| driver.visit_for(secret(), &orders, 0, NOON, pending()));
            for provided in poll_all(visits.collect(), &tasks) {
                assert_eq!(provided, Some(lack(refused, 2)), "{by:?} {body}");
            }
            assert_eq!(issuer.calls().len(), 1);
            issuer.fault.set(Fault::Nothing);
            // Another origin, and the session itself, at the same moment.
            let visits = vec![driver.visit_for(secret(), &billing, 0, NOON, pending())];
            assert!(token(poll_all(visits, &tasks)[0].as_ref().unwrap()).is_some(), "{body}");
            let visits = vec![driver.visit(secret(), 0, LATE, pending())];
            assert!(matches!(poll_all(visits, &tasks)[0], Some(Visited::Present(..))), "{body}");
            let visits = vec![driver.visit_for(secret(), &orders, 0, LATE, pending())];
            assert!(token(poll_all(visits, &tasks)[0].as_ref().unwrap()).is_some(), "{body}");
        }
    }
}

#[test]
fn gr_05_an_unusable_refresh_token_ends_the_session_and_an_unusable_access_token_does_not() {
    for (by, ends) in [(By::Refresh, true), (By::Exchange, false)] {
        let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
        let driver = driver!(issuer, memory, tasks);
        driver.open(live()).unwrap();
        issuer.fault.set(Fault::Says(400, r#"{"error":"invalid_grant"}"#));
        let orders = aim(by, ORDERS);
        let visits = vec![driver.visit_for(secret(), &orders, 0, NOON, pending())];
        let provided = poll_all(visits, &tasks).remove(0);
        assert_eq!(provided, Some(if ends { Provided::Gone } else { lack(true, 2) }));
        assert_eq!(matches!(*memory.load_row(), Some(Session::Ended { .. })), ends);
    }
}

#[test]
fn gr_11_an_answer_about_somebody_else_ends_the_session_whatever_it_was_for() {
    let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
    let driver = driver!(issuer, memory, tasks);
    driver.open(live()).unwrap();
    issuer.fault.set(Fault::Mallory);
    let orders = aim(By::Refresh, ORDERS);
    let visits = vec![driver.visit_for(secret(), &orders, 0, LATE, pending())];
    assert_eq!(poll_all(visits, &tasks)[0], Some(Provided::Gone));
    assert!(matches!(*memory.load_row(), Some(Session::Ended { .. })));
}

#[test]
fn gs_13_gr_14_logout_beats_a_call_for_an_origin_and_what_it_brought_is_revoked() {
    for by in [By::Refresh, By::Exchange] {
        let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
        let driver = driver!(issuer, memory, tasks);
        driver.open(live()).unwrap();
        let orders = aim(by, ORDERS);
        let idle = Tasks::default();
        let visits = vec![driver.visit_for(secret(), &orders, 0, NOON, pending())];
        assert_eq!(poll_all(visits, &idle), [None]);
        assert!(driver.close(secret(), NOON).unwrap().is_some());
        settle(&tasks);
        let visits = vec![driver.visit_for(secret(), &orders, 0, NOON, pending())];
        assert_eq!(poll_all(visits, &tasks)[0], Some(Provided::Gone));
        let revoked = issuer.peer.bodies("/revoke").join(" ");
        assert!(revoked.contains("token=r0"), "{revoked}");
        assert_eq!(revoked.contains("token=r1"), by == By::Refresh, "{revoked}");
    }
}

#[test]
fn gr_09_a_call_that_died_with_its_instance_is_made_again_at_once() {
    let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
    let first = driver!(issuer, memory, tasks);
    first.open(live()).unwrap();
    let orders = aim(By::Refresh, ORDERS);
    let visits = vec![first.visit_for(secret(), &orders, 0, NOON, pending())];
    assert_eq!(poll_all(visits, &Tasks::default()), [None]);
    let tasks = Tasks::default();
    let second = driver!(issuer, memory, tasks);
    let visits = vec![second.visit_for(secret(), &orders, 0, NOON.plus(1), pending())];
    assert!(token(poll_all(visits, &tasks)[0].as_ref().unwrap()).is_some());
    assert_eq!(issuer.calls(), [format!("refresh {ORDERS}")]);
}

#[test]
fn gr_06_after_a_lost_answer_the_same_is_asked_again_before_anything_else() {
    for (lost, now) in [(ORDERS, NOON), ("own", LATE)] {
        let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
        let driver = driver!(issuer, memory, tasks);
        driver.open(live()).unwrap();
        issuer.fault.set(Fault::Loses(lost));
        let (orders, billing) = (aim(By::Refresh, ORDERS), aim(By::Refresh, BILLING));
        if lost == "own" {
            let visits = vec![driver.visit(secret(), 0, now, pending())];
            poll_all(visits, &tasks);
        } else {
            let visits = vec![driver.visit_for(secret(), &orders, 0, now, pending())];
            assert_eq!(poll_all(visits, &tasks)[0], Some(lack(false, 2)));
        }
        issuer.calls();
        issuer.fault.set(Fault::Nothing);
        // Another is wanted next, when the pause is over.
        let later = now.plus(2);
        let visits = vec![driver.visit_for(secret(), &billing, 0, later, pending())];
        assert!(token(poll_all(visits, &tasks)[0].as_ref().unwrap()).is_some(), "{lost}");
        assert_eq!(issuer.calls(), [format!("refresh {lost}"), format!("refresh {BILLING}")]);
        let visits = vec![driver.visit(secret(), 0, LATE.plus(2), pending())];
        assert!(matches!(poll_all(visits, &tasks)[0], Some(Visited::Present(..))));
    }
}

#[test]
fn what_one_origin_is_owed_keeps_nobody_waiting_while_that_rests() {
    let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
    let driver = driver!(issuer, memory, tasks);
    driver.open(live()).unwrap();
    issuer.fault.set(Fault::Says(500, ""));
    let orders = aim(By::Refresh, ORDERS);
    let visits = vec![driver.visit_for(secret(), &orders, 0, LATE, pending())];
    assert_eq!(poll_all(visits, &tasks)[0], Some(lack(false, 2)));
    issuer.fault.set(Fault::Nothing);
    issuer.calls();
    let visits = vec![driver.visit(secret(), 0, LATE.plus(1), pending())];
    assert!(matches!(poll_all(visits, &tasks)[0], Some(Visited::Present(..))));
    assert_eq!(issuer.calls(), ["refresh own"]);
}

#[test]
fn gs_15_a_guess_gets_nobodys_token_and_makes_no_call() {
    let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
    let driver = driver!(issuer, memory, tasks);
    driver.open(live()).unwrap();
    let orders = aim(By::Refresh, ORDERS);
    let guess = shared::secret::Digest::of("guess");
    let visits = vec![driver.visit_for(guess, &orders, 0, NOON, pending())];
    assert_eq!(poll_all(visits, &tasks)[0], Some(Provided::Gone));
    assert!(issuer.calls().is_empty());
}

#[test]
fn gp_33_tokens_are_told_apart_by_everything_that_is_asked() {
    let wanted = Wanted {
        by: By::Refresh,
        resource: Some(ORDERS.into()),
        audience: None,
        scope: None,
        opaque: false,
        bound: None,
    };
    let others = [
        Wanted { by: By::Exchange, ..wanted.clone() },
        Wanted { resource: Some(BILLING.into()), ..wanted.clone() },
        Wanted { resource: None, audience: Some(ORDERS.into()), ..wanted.clone() },
        Wanted { audience: Some("orders".into()), ..wanted.clone() },
        Wanted { scope: Some("read".into()), ..wanted.clone() },
        Wanted { opaque: true, ..wanted.clone() },
        Wanted { bound: Some("a key".into()), ..wanted.clone() },
    ];
    let mut keys: Vec<_> = others.map(|other| Aim::from(other).key()).into();
    keys.push(Aim::from(wanted.clone()).key());
    for (index, key) in keys.iter().enumerate() {
        assert!(!keys[..index].contains(key), "{index}");
    }
    // It is the same after a journey to an object.
    let aim = Aim::from(wanted);
    let text = serde_json::to_string(&aim).unwrap();
    assert_eq!(serde_json::from_str::<Aim>(&text).unwrap(), aim);
}

#[test]
fn a_session_has_room_for_some_tokens_and_the_one_that_ends_soonest_makes_more() {
    let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
    let driver = driver!(issuer, memory, tasks);
    driver.open(live()).unwrap();
    let aims: Vec<_> = (0..17).map(|n| aim(By::Exchange, &format!("urn:{n}"))).collect();
    let ask = |aim: &Aim, now: UnixTime| {
        poll_all(vec![driver.visit_for(secret(), aim, 0, now, pending())], &tasks);
    };
    for (aim, second) in aims.iter().zip(0..) {
        ask(aim, NOON.plus(second));
    }
    assert_eq!(issuer.calls().len(), 17);
    for aim in &aims[1..] {
        ask(aim, NOON.plus(20));
    }
    assert!(issuer.calls().is_empty());
    ask(&aims[0], NOON.plus(20));
    assert_eq!(issuer.calls().len(), 1);
}

#[test]
fn a_session_of_before_reads_on_and_one_without_further_tokens_is_what_it_was() {
    let row = serde_json::to_value(Session::Live(Box::new(live()))).unwrap();
    assert!(row["Live"].get("further").is_none());
    assert!(serde_json::from_value::<Session>(row).is_ok());
}

#[test]
fn rfc8707_2_2_where_the_settings_say_so_the_sessions_own_token_is_for_one_resource() {
    let (issuer, memory, tasks) = (Issuer::new(), Memory::default(), Tasks::default());
    let config = config_with("hybrid", &[("RESOURCE", "https://own.test")]);
    let parties = Parties::new(&config, |_| (provider(), issuer.fetch(), Native));
    let driver = Driver::new(memory, tasks.clone(), Rc::new(parties));
    driver.open(live()).unwrap();
    let visited = poll_all(vec![driver.visit(secret(), 0, LATE, pending())], &tasks);
    assert!(matches!(visited[0], Some(Visited::Present(..))));
    assert_eq!(issuer.calls(), ["refresh https://own.test"]);
}
