//! Back-channel logout: who is told that somebody has signed out, what, and how often.

use http::StatusCode;
use idp::event::Event;
use shared::fetch::Response;
use shared::form::encode;
use std::collections::BTreeSet;
use tests::browser::{Browser, Reply, forms, is_consent, is_sign_in};
use tests::client::{Ask, C1, Client, PAIR_A, SignedIn, THIRD, TOLD, TOLD_TOO, Tokens, userinfo};
use tests::expect::{invalid_grant, unauthorized};
use tests::listener::{Answer, believe, path, told, told_at_last, unverified};
use tests::memory::Fault;
use tests::people::{ALICE, BOB, Person};
use tests::world::{Issuer, issuer, needs_clock};

const DAY: u64 = 86_400;

/// Somebody who is signed in to some clients in one browser.
struct There<'i> {
    issuer: &'i Issuer,
    browser: Browser<'i, Issuer>,
    tokens: Vec<Tokens>,
    sub: String,
    sid: String,
}

impl<'i> There<'i> {
    fn is(issuer: &'i Issuer, person: Person, clients: &[Client]) -> Self {
        let browser = Browser::new(issuer);
        Self::comes(issuer, browser, person, clients)
    }

    fn comes(
        issuer: &'i Issuer,
        browser: Browser<'i, Issuer>,
        person: Person,
        clients: &[Client],
    ) -> Self {
        let mut tokens: Vec<Tokens> = Vec::new();
        for client in clients {
            let ask = Ask::of(*client).set("scope", "openid");
            let mut answer = browser.get(&ask.url(issuer));
            if is_sign_in(&answer) {
                answer = browser.sign_in(&answer, person);
            }
            let code = Reply::of(&answer).code();
            tokens.push(Tokens::of(&client.redeem(&code, &ask).send(issuer)));
        }
        let claims = unverified(tokens.first().unwrap().id());
        let text = |name: &str| claims.get(name).unwrap().as_str().unwrap().to_owned();
        let (sub, sid) = (text("sub"), text("sid"));
        Self { issuer, browser, tokens, sub, sid }
    }

    fn sign_out(&self) -> Response {
        let query = encode([("id_token_hint", self.tokens.first().unwrap().id())]);
        self.browser.get(&format!("{}?{query}", self.issuer.at("/end_session")))
    }

    fn signs_out(&self) {
        assert_eq!(self.sign_out().status(), StatusCode::OK);
    }

    /// How often a client was told of this session, by now.
    fn told(&self, client: Client) -> usize {
        told(self.issuer, client, &self.sid).len()
    }
}

#[test]
fn lo_07_every_client_of_the_session_gets_one_logout_token_that_it_can_believe() {
    let issuer = issuer();
    let alice = There::is(&issuer, ALICE, &[TOLD, C1, TOLD_TOO, TOLD]);
    alice.signs_out();
    let mut jtis = BTreeSet::new();
    for client in [TOLD, TOLD_TOO] {
        let tokens = told_at_last(&issuer, client, &alice.sid);
        assert_eq!(tokens.len(), 1, "{}", client.id);
        let claims = believe(&issuer, client, &tokens[0], &alice.sub, &alice.sid);
        jtis.insert(claims["jti"].to_string());
    }
    assert_eq!(jtis.len(), 2);
}

#[test]
fn lo_07_a_pairwise_client_is_told_by_the_names_that_it_knows() {
    let issuer = issuer();
    let alice = There::is(&issuer, ALICE, &[PAIR_A, TOLD]);
    let public = unverified(alice.tokens[1].id());
    assert_ne!(public["sub"], alice.sub);
    alice.signs_out();
    let tokens = told_at_last(&issuer, PAIR_A, &alice.sid);
    assert_eq!(tokens.len(), 1);
    believe(&issuer, PAIR_A, &tokens[0], &alice.sub, &alice.sid);
    let sid = public["sid"].as_str().unwrap();
    assert_eq!(told_at_last(&issuer, TOLD, sid).len(), 1);
    assert!(told(&issuer, PAIR_A, sid).is_empty());
}

/// The session is the person's own affair until they have agreed.
#[test]
fn ui_03_a_client_that_nobody_has_agreed_to_is_told_nothing() {
    for (decision, times) in [("deny", 0), ("allow", 1)] {
        let Some(issuer) = needs_clock() else { return };
        let alice = There::is(&issuer, ALICE, &[TOLD]);
        let ask = Ask::of(THIRD).set("scope", "openid").set("prompt", "consent");
        let shown = alice.browser.get(&ask.url(&issuer));
        assert!(is_consent(&shown));
        let form = forms(&shown).into_iter().next_back().unwrap();
        let answer = alice.browser.submit(issuer.url(), &form, &[("decision", decision)]);
        assert_eq!(Reply::of(&answer).get("code").is_some(), decision == "allow");
        alice.signs_out();
        issuer.inside().pass(DAY);
        assert_eq!((alice.told(TOLD), alice.told(THIRD)), (1, times), "{decision}");
    }
}

/// The session is written last, and a page that was answered is answered again with the same code.
#[test]
fn ui_09_whichever_storage_operation_fails_a_client_that_was_agreed_to_is_told() {
    for operation in 0.. {
        let Some(issuer) = needs_clock() else { return };
        let alice = There::is(&issuer, ALICE, &[TOLD]);
        let ask = Ask::of(THIRD).set("scope", "openid").set("prompt", "consent");
        let shown = alice.browser.get(&ask.url(&issuer));
        let form = forms(&shown).into_iter().next_back().unwrap();
        let allow = || alice.browser.submit(issuer.url(), &form, &[("decision", "allow")]);
        issuer.inside().memory.fail(Fault::Storage(operation));
        let mut answer = allow();
        let failed = !issuer.inside().memory.is_failing();
        issuer.inside().memory.mend();
        if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
            answer = allow();
        }
        Reply::of(&answer).code();
        alice.signs_out();
        issuer.inside().ring_alarms();
        assert_eq!(alice.told(THIRD), 1, "storage operation {operation}");
        if !failed {
            assert!(operation >= 5, "only {operation} operations");
            return;
        }
    }
}

#[test]
fn every_session_that_is_ended_on_the_persons_own_page_is_told_of() {
    let Some(issuer) = needs_clock() else { return };
    let [here, there, elsewhere] =
        [TOLD, TOLD_TOO, TOLD].map(|client| There::is(&issuer, ALICE, &[client]));
    let press = |name: &str, value: &str| {
        let shown = here.browser.get(&issuer.at("/account"));
        let wanted = (name.to_owned(), value.to_owned());
        let button = forms(&shown).into_iter().find(|form| form.fields.contains(&wanted)).unwrap();
        let answer = here.browser.submit(issuer.url(), &button, &[]);
        assert!(answer.status().is_redirection() || answer.status() == StatusCode::OK);
        issuer.inside().ring_alarms();
        [here.told(TOLD), there.told(TOLD_TOO), elsewhere.told(TOLD)]
    };
    assert_eq!(press("session", &there.sid), [0, 1, 0]);
    assert_eq!(press("end", "everything"), [1, 1, 1]);
}

#[test]
fn lo_07_a_session_that_the_client_is_not_in_is_none_of_its_business() {
    let Some(issuer) = needs_clock() else { return };
    let here = There::is(&issuer, ALICE, &[TOLD]);
    let elsewhere = There::is(&issuer, ALICE, &[TOLD_TOO]);
    let bob = There::is(&issuer, BOB, &[TOLD, TOLD_TOO]);
    here.signs_out();
    issuer.inside().pass(DAY);
    assert_eq!(issuer.posts(&path(TOLD)).len(), 1);
    assert_eq!((here.told(TOLD), issuer.posts(&path(TOLD_TOO)).len()), (1, 0));
    assert_eq!(elsewhere.told(TOLD_TOO) + bob.told(TOLD) + bob.told(TOLD_TOO), 0);
}

#[test]
fn lo_08_the_person_is_answered_before_anybody_is_told() {
    let Some(issuer) = needs_clock() else { return };
    let alice = There::is(&issuer, ALICE, &[TOLD, TOLD_TOO]);
    issuer.inside().listener.answer(TOLD, Answer::Slow(1_000));
    alice.signs_out();
    assert_eq!(alice.told(TOLD) + alice.told(TOLD_TOO), 0);
    issuer.inside().ring_alarms();
    assert_eq!((alice.told(TOLD), alice.told(TOLD_TOO)), (1, 1));
}

#[test]
fn lo_08_a_client_that_does_not_hear_is_told_six_times_and_others_are_not_kept_waiting() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    for (answer, posts) in [
        (Answer::Unreached, 0),
        (Answer::Unheard, 6),
        (Answer::Status(500), 6),
        (Answer::Status(503), 6),
        (Answer::Status(404), 6),
        (Answer::Status(302), 6),
        (Answer::Status(307), 6),
        // §2.8: it says that the logout failed, and saying it again would not help.
        (Answer::Status(400), 1),
        (Answer::Status(200), 1),
        (Answer::Status(204), 1),
    ] {
        let alice = There::is(&issuer, ALICE, &[TOLD, TOLD_TOO]);
        inside.listener.answer(TOLD, answer);
        alice.signs_out();
        inside.ring_alarms();
        assert_eq!(alice.told(TOLD_TOO), 1, "at once, {answer:?}");
        inside.pass(DAY);
        let tokens = told(&issuer, TOLD, &alice.sid);
        assert_eq!(tokens.len(), posts, "{answer:?}");
        assert_eq!(alice.told(TOLD_TOO), 1, "{answer:?}");
        assert!(issuer.posts("/elsewhere").is_empty(), "a redirect was followed");
        // Each time another token, made then.
        let of_each = |name: &str| {
            tokens.iter().map(|token| unverified(token)[name].to_string()).collect::<BTreeSet<_>>()
        };
        assert_eq!((of_each("jti").len(), of_each("iat").len()), (posts, posts), "{answer:?}");
        // Nothing is left to do, and the log says what was not done.
        assert_eq!(inside.memory.first_alarm(), None);
        let heard = matches!(answer, Answer::Status(200 | 204));
        let last = inside.rung().pop();
        let given_up = last.is_some_and(|event| {
            matches!(event, Event::ClientNotTold { client, again_in: None, .. } if client == "told")
        });
        assert_eq!(given_up, !heard, "{answer:?}");
    }
}

#[test]
fn lo_08_a_client_that_hears_again_is_told_then() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    let alice = There::is(&issuer, ALICE, &[TOLD]);
    inside.listener.answer(TOLD, Answer::Unreached);
    alice.signs_out();
    inside.pass(60);
    inside.listener.answer(TOLD, Answer::Status(200));
    inside.pass(3_600);
    let tokens = told(&issuer, TOLD, &alice.sid);
    assert_eq!(tokens.len(), 1);
    assert!(
        inside
            .rung()
            .iter()
            .all(|event| { matches!(event, Event::ClientNotTold { again_in: Some(_), .. }) })
    );
}

#[test]
fn lo_08_while_no_key_signs_nothing_is_lost() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    for left in 0..2 {
        let alice = There::is(&issuer, ALICE, &[TOLD]);
        alice.signs_out();
        inside.keys.fail(left);
        inside.ring_alarms();
        assert_eq!(alice.told(TOLD), 0);
        inside.pass(60);
        let tokens = told(&issuer, TOLD, &alice.sid);
        assert_eq!(tokens.len(), 1);
        let posted_at = unverified(&tokens[0])["iat"].as_u64().unwrap();
        assert!(issuer.now().0 - posted_at <= 60);
    }
}

#[test]
fn lo_09_nobody_is_told_of_an_end_that_was_not_written() {
    let Some(issuer) = needs_clock() else { return };
    let inside = issuer.inside();
    let mut failures = 0;
    for operation in 0.. {
        let alice = There::is(&issuer, ALICE, &[TOLD]);
        inside.memory.fail(Fault::Storage(operation));
        let answer = alice.sign_out();
        if answer.status() == StatusCode::OK {
            inside.memory.mend();
            break;
        }
        failures += 1;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        inside.pass(600);
        assert_eq!(alice.told(TOLD), 0, "storage operation {operation}");
        Tokens::of(&TOLD.refresh(alice.tokens[0].refresh()).send(&issuer));
        // And when it could be written, they are.
        alice.signs_out();
        inside.pass(0);
        assert_eq!(alice.told(TOLD), 1, "storage operation {operation}");
    }
    assert!(failures >= 4, "{failures}");
}

#[test]
fn lo_10_who_signs_out_twice_is_told_of_once() {
    let Some(issuer) = needs_clock() else { return };
    let alice = There::is(&issuer, ALICE, &[TOLD]);
    let stolen = alice.browser.copy();
    alice.signs_out();
    alice.signs_out();
    let alice = There { browser: stolen, ..alice };
    alice.signs_out();
    issuer.inside().pass(DAY);
    assert_eq!(alice.told(TOLD), 1);
}

#[test]
fn fd_33_who_is_overwritten_by_somebody_else_has_signed_out() {
    let Some(issuer) = needs_clock() else { return };
    let alice = There::is(&issuer, ALICE, &[TOLD]);
    let browser = alice.browser.copy();
    let page = browser.get(&Ask::of(TOLD_TOO).set("prompt", "login").url(&issuer));
    Reply::of(&browser.sign_in(&page, BOB)).code();
    issuer.inside().ring_alarms();
    assert_eq!(alice.told(TOLD), 1);
    assert_eq!(issuer.posts(&path(TOLD_TOO)).len(), 0, "Bob is there");
    invalid_grant(&TOLD.refresh(alice.tokens[0].refresh()).send(&issuer), "Alice is not");
}

#[test]
fn who_signs_in_again_stays_signed_in_to_the_clients_of_before() {
    let Some(issuer) = needs_clock() else { return };
    let before = There::is(&issuer, ALICE, &[TOLD]);
    let page = before.browser.get(&Ask::of(TOLD_TOO).set("prompt", "login").url(&issuer));
    Reply::of(&before.browser.sign_in(&page, ALICE)).code();
    issuer.inside().pass(60);
    assert_eq!(before.told(TOLD), 0);
    before.signs_out();
    issuer.inside().ring_alarms();
    assert_eq!((before.told(TOLD), before.told(TOLD_TOO)), (1, 1));
}

#[test]
fn who_idles_out_is_not_told_of() {
    let Some(issuer) = needs_clock() else { return };
    let alice = There::is(&issuer, ALICE, &[TOLD]);
    issuer.inside().pass(8 * DAY);
    assert_eq!(alice.told(TOLD), 0);
    assert!(is_sign_in(&alice.browser.get(&Ask::of(TOLD).url(&issuer))));
}

#[test]
fn rt_14_what_outlives_the_session_lives_on_and_its_client_is_told_all_the_same() {
    let issuer = issuer();
    let signed_in = SignedIn::new(&issuer, Ask::of(TOLD).set("scope", "openid offline_access"));
    let offline = Tokens::of(&signed_in.redeem().send(&issuer));
    let alice = There::comes(&issuer, signed_in.browser, ALICE, &[TOLD]);
    let bound = &alice.tokens[0];
    alice.signs_out();
    assert_eq!(told_at_last(&issuer, TOLD, &alice.sid).len(), 1);
    // Back-Channel Logout 1.0 §2.7.
    invalid_grant(&TOLD.refresh(bound.refresh()).send(&issuer), "the one that ends with it");
    unauthorized(&userinfo(&bound.access).send(&issuer), "and its access token");
    Tokens::of(&TOLD.refresh(offline.refresh()).send(&issuer));
    assert_eq!(userinfo(&offline.access).send(&issuer).status(), StatusCode::OK);
}

#[test]
fn rt_23_a_client_that_is_gone_is_told_nothing() {
    // Before somebody signs out, or between that and the alarm.
    for is_gone_before in [true, false] {
        let Some(issuer) = needs_clock() else { return };
        let alice = There::is(&issuer, ALICE, &[TOLD_TOO, TOLD]);
        let is_gone = || {
            issuer.inside().deploy_again(|settings| {
                let clients = settings["CLIENTS"].as_array_mut().unwrap();
                clients.retain(|client| client["client_id"] != "told");
            });
        };
        if is_gone_before {
            is_gone();
        }
        alice.signs_out();
        is_gone();
        issuer.inside().pass(DAY);
        assert_eq!((alice.told(TOLD), alice.told(TOLD_TOO)), (0, 1), "{is_gone_before}");
        assert_eq!(issuer.inside().rung(), []);
    }
}

#[test]
fn jv_17_a_logout_token_is_good_for_nothing_else() {
    let issuer = issuer();
    let alice = There::is(&issuer, ALICE, &[TOLD]);
    alice.signs_out();
    let token = told_at_last(&issuer, TOLD, &alice.sid).remove(0);
    unauthorized(&userinfo(&token).send(&issuer), "as an access token");
    // As a hint: neither at sign-out nor at sign-in.
    let again = There::comes(&issuer, alice.browser.copy(), ALICE, &[TOLD]);
    let there = [("id_token_hint", &*token), ("post_logout_redirect_uri", "https://told.test/out")];
    let query = encode(there);
    let answer = again.browser.get(&format!("{}?{query}", issuer.at("/end_session")));
    assert_eq!((answer.status(), forms(&answer).len()), (StatusCode::OK, 1), "asked");
    let ask = Ask::of(TOLD).set("id_token_hint", &token).set("prompt", "none");
    let reply = Reply::of(&again.browser.get(&ask.url(&issuer)));
    assert_eq!(reply.get("error"), Some("invalid_request"));
}
