//! RT: `POST /token` with a refresh token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use shared::fetch::Response;
use tests::believe;
use tests::browser::forms;
use tests::client::{
    API, Ask, Auth, C1, C2, C3, C4, C6, Client, KINDS, SignedIn, Tokens, offline_tokens, tokens,
    userinfo,
};
use tests::expect::{error, invalid_client, invalid_grant};
use tests::memory::Fault;
use tests::world::{Issuer, issuer, needs_clock};

fn is_good(answer: &Response) -> bool {
    answer.status() == StatusCode::OK
}

/// Nothing of the family works.
fn dead(issuer: &Issuer, client: Client, family: &[&Tokens]) {
    for tokens in family {
        invalid_grant(&client.refresh(tokens.refresh()).send(issuer), "a dead family");
        let answer = userinfo(&tokens.access).send(issuer);
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn rt_01_rt_03_an_older_token_that_comes_back_ends_the_family() {
    let issuer = issuer();
    for client in KINDS {
        let first = offline_tokens(&issuer, client);
        let second = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        let third = Tokens::of(&client.refresh(second.refresh()).send(&issuer));
        invalid_grant(&client.refresh(first.refresh()).send(&issuer), client.id);
        dead(&issuer, client, &[&first, &second, &third]);
    }
}

#[test]
fn rt_02_many_at_the_same_time_get_one_successor() {
    let issuer = issuer();
    for client in [C1, C2, API] {
        let first = offline_tokens(&issuer, client);
        let many = if issuer.is_inside() { 100 } else { 20 };
        let draft = client.refresh(first.refresh());
        let answers = issuer.ask_all((0..many).map(|_| draft.request(&issuer)).collect());
        let mut answers: Vec<_> = answers.iter().map(Tokens::of).collect();
        let jti = |tokens: &Tokens| {
            let claims = believe::access_token(&issuer, &tokens.access, issuer.url()).unwrap();
            claims["jti"].as_str().unwrap().to_owned()
        };
        let of_first = jti(&answers[0]);
        assert!(answers.iter().all(|tokens| jti(tokens) == of_first), "one access token");
        answers.dedup_by_key(|tokens| tokens.refresh.clone());
        assert_eq!(answers.len(), 1, "{}: one leaf", client.id);
        Tokens::of(&client.refresh(answers[0].refresh()).send(&issuer));
    }
}

#[test]
fn rt_02_rt_21_many_at_the_same_time_from_a_public_client_never_have_two_leaves() {
    let issuer = issuer();
    for client in [C3, C4] {
        let first = offline_tokens(&issuer, client);
        let draft = client.refresh(first.refresh());
        let answers = issuer.ask_all((0..20).map(|_| draft.request(&issuer)).collect());
        let good: Vec<_> =
            answers.iter().filter(|answer| is_good(answer)).map(Tokens::of).collect();
        assert!((1..=3).contains(&good.len()), "the first and two repeats: {}", good.len());
        assert!(good.iter().all(|tokens| tokens.refresh == good[0].refresh));
        dead(&issuer, client, &[&first, &good[0]]);
    }
}

#[test]
fn rt_04_an_answer_that_was_lost_is_given_again() {
    let issuer = issuer();
    for client in KINDS {
        let first = offline_tokens(&issuer, client);
        let lost = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        let again = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        assert_eq!(lost.refresh, again.refresh, "{}", client.id);
        Tokens::of(&client.refresh(again.refresh()).send(&issuer));
    }
}

#[test]
fn rt_04_a_lost_answer_of_storage_is_repeated_and_a_failure_rotates_nothing() {
    let Some(issuer) = needs_clock() else { return };
    let memory = &issuer.inside().memory;
    for client in [C1, C4] {
        let first = offline_tokens(&issuer, client);
        memory.fail(Fault::Answer(0));
        let answer = client.refresh(first.refresh()).send(&issuer);
        error(&answer, StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", "lost");
        let mut last = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        for operation in 0.. {
            memory.fail(Fault::Storage(operation));
            let answer = client.refresh(last.refresh()).send(&issuer);
            if memory.is_failing() {
                assert!(operation >= 2 && is_good(&answer));
                memory.mend();
                break;
            }
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
            last = Tokens::of(&client.refresh(last.refresh()).send(&issuer));
        }
    }
}

#[test]
fn rt_04_how_long_an_answer_is_repeated() {
    let Some(issuer) = needs_clock() else { return };
    // Seconds after the rotation, and whether the token before it still gets the same answer.
    for (client, seconds, repeats) in [
        (C1, 30, true),
        (C1, 299, true),
        (C1, 301, false),
        (C3, 10, true),
        (C3, 11, false),
        (C4, 11, false),
    ] {
        let first = offline_tokens(&issuer, client);
        let second = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        issuer.inside().pass(seconds);
        let answer = client.refresh(first.refresh()).send(&issuer);
        if repeats {
            let again = Tokens::of(&answer);
            assert_eq!(again.refresh, second.refresh);
            let claims = believe::access_token(&issuer, &again.access, issuer.url()).unwrap();
            let left = claims["exp"].as_u64().unwrap() - issuer.now().0;
            assert_eq!(again.said["expires_in"], left, "what is left of the same token");
        } else {
            invalid_grant(&answer, "too late");
            dead(&issuer, client, &[&second]);
        }
    }
}

#[test]
fn rt_05_nobody_else_and_nothing_else_gets_the_answer_again() {
    let issuer = issuer();
    let first = offline_tokens(&issuer, C1);
    let second = Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
    for other in [C6, C2, C4] {
        invalid_grant(&other.refresh(first.refresh()).send(&issuer), "another client");
    }
    let other = C1.refresh(first.refresh()).set("scope", "openid").send(&issuer);
    assert_eq!(other.status(), StatusCode::BAD_REQUEST, "another scope");
    Tokens::of(&C1.refresh(second.refresh()).send(&issuer));
}

#[test]
fn rt_06_once_the_successor_was_used_the_one_before_is_reuse() {
    let issuer = issuer();
    for client in [C1, C4] {
        let first = offline_tokens(&issuer, client);
        Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        let second = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        let third = Tokens::of(&client.refresh(second.refresh()).send(&issuer));
        invalid_grant(&client.refresh(first.refresh()).send(&issuer), client.id);
        dead(&issuer, client, &[&third]);
    }
}

#[test]
fn rt_07_rt_08_a_refresh_token_is_its_clients_alone_and_stays_good() {
    let issuer = issuer();
    for client in KINDS {
        let first = offline_tokens(&issuer, client);
        for other in [C6, C2, C4].into_iter().filter(|other| *other != client) {
            invalid_grant(&other.refresh(first.refresh()).send(&issuer), other.id);
        }
        if client.auth != Auth::Public {
            let answer =
                client.refresh(first.refresh()).auth(client.id, Auth::Public).send(&issuer);
            invalid_client(&answer, false, "without a secret");
            let answer = client.refresh(first.refresh()).auth("c4", Auth::Public).send(&issuer);
            invalid_grant(&answer, "as somebody public");
        }
        Tokens::of(&client.refresh(first.refresh()).send(&issuer));
    }
}

#[test]
fn rt_09_scope_is_narrowed_for_one_answer_and_never_widened() {
    let issuer = issuer();
    let first = offline_tokens(&issuer, C1);
    for wider in ["openid profile email offline_access phone", "admin", "openid admin", "address"] {
        let answer = C1.refresh(first.refresh()).set("scope", wider).send(&issuer);
        error(&answer, StatusCode::BAD_REQUEST, "invalid_scope", wider);
    }
    let narrow = C1.refresh(first.refresh()).set("scope", "openid email").send(&issuer);
    let narrow = Tokens::of(&narrow);
    assert_eq!(narrow.scope(), ["email", "openid"]);
    let claims = believe::access_token(&issuer, &narrow.access, issuer.url()).unwrap();
    assert_eq!(claims["scope"], "email openid");
    let told = tests::client::json(&userinfo(&narrow.access).send(&issuer));
    assert!(told.contains_key("email") && !told.contains_key("name"));
    let whole = Tokens::of(&C1.refresh(narrow.refresh()).send(&issuer));
    assert_eq!(whole.scope(), first.scope(), "the grant did not shrink");
    let malformed = C1.refresh(whole.refresh()).set("scope", "\"").send(&issuer);
    error(&malformed, StatusCode::BAD_REQUEST, "invalid_scope", "no scope");
    Tokens::of(&C1.refresh(whole.refresh()).send(&issuer));
}

const DAY: u64 = 86_400;

#[test]
fn rt_11_a_family_ends_idle_and_in_the_end_which_never_moves() {
    let Some(issuer) = needs_clock() else { return };
    for client in [C1, C4] {
        let first = offline_tokens(&issuer, client);
        issuer.inside().pass(14 * DAY);
        invalid_grant(&client.refresh(first.refresh()).send(&issuer), "14 days of silence");

        let mut last = offline_tokens(&issuer, client);
        let days = (1..=200).find(|_| {
            issuer.inside().pass(DAY);
            let answer = client.refresh(last.refresh()).send(&issuer);
            if is_good(&answer) {
                last = Tokens::of(&answer);
            }
            !is_good(&answer)
        });
        assert_eq!(days, Some(90));
        let answer = userinfo(&last.access).send(&issuer);
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

#[test]
fn rt_12_just_before_the_end_it_works_like_before() {
    let Some(issuer) = needs_clock() else { return };
    let first = offline_tokens(&issuer, C1);
    issuer.inside().pass(14 * DAY - 1);
    Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
}

#[test]
fn rt_14_without_offline_access_the_family_ends_with_the_session() {
    let issuer = issuer();
    for client in KINDS {
        let online = SignedIn::new(&issuer, Ask::of(client));
        let without = Tokens::of(&online.redeem().send(&issuer));
        let without = Tokens::of(&client.refresh(without.refresh()).send(&issuer));
        // The same session, with offline access.
        let ask = Ask::of(client).set("scope", "openid offline_access");
        let mut answer = online.browser.get(&ask.url(&issuer));
        if client == C3 {
            // A native application gets no code without the person, RFC 8252 §8.6.
            answer = online.browser.decide(issuer.url(), &answer, "allow");
        }
        let reply = tests::browser::Reply::of(&answer);
        let with = Tokens::of(&client.redeem(&reply.code(), &ask).send(&issuer));

        let page = online.browser.get(&issuer.at("/end_session"));
        online.browser.submit(issuer.url(), &forms(&page)[0], &[]);
        dead(&issuer, client, &[&without]);
        assert_eq!(userinfo(&with.access).send(&issuer).status(), StatusCode::OK);
        Tokens::of(&client.refresh(with.refresh()).send(&issuer));
    }
}

#[test]
fn rt_14_who_refreshes_uses_the_session_and_idle_ends_both() {
    let Some(issuer) = needs_clock() else { return };
    let mut last = tokens(&issuer, C1);
    for _ in 0..3 {
        issuer.inside().pass(28_000);
        last = Tokens::of(&C1.refresh(last.refresh()).send(&issuer));
    }
    issuer.inside().pass(28_801);
    invalid_grant(&C1.refresh(last.refresh()).send(&issuer), "8 hours of silence");
}

#[test]
fn rt_15_a_revoked_family_is_dead() {
    let issuer = issuer();
    for client in KINDS {
        for which in 0..3 {
            let first = offline_tokens(&issuer, client);
            let second = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
            // The current token, the one before, or the access token.
            let token = [second.refresh(), first.refresh(), &second.access][which];
            assert!(is_good(&client.revoke(token).send(&issuer)));
            dead(&issuer, client, &[&first, &second]);
        }
    }
}

#[test]
fn rt_16_rt_18_rt_19_no_other_text_is_the_token_and_trying_harms_nobody() {
    let issuer = issuer();
    for client in [C1, C4] {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let ours = Tokens::of(&signed_in.redeem().send(&issuer));
        let other = tokens(&issuer, client);
        let token = ours.refresh();
        let half = token.len() / 2;
        let spliced = format!("{}{}", &token[..half], &other.refresh()[half..]);
        let wrong = [
            &token[..token.len() - 1],
            &token[1..],
            &format!("{token}A"),
            &format!("{token} "),
            &format!("{token}="),
            &token.to_lowercase(),
            &spliced,
            &ours.access,
            ours.id(),
            &signed_in.reply.code(),
            "x",
            &"A".repeat(20_000),
        ];
        for wrong in wrong {
            invalid_grant(&client.refresh(wrong).send(&issuer), wrong);
            assert!(is_good(&userinfo(&ours.access).send(&issuer)), "nothing was revoked");
        }
        Tokens::of(&client.refresh(token).send(&issuer));
    }
}

#[test]
fn rt_17_no_token_stands_in_the_storage() {
    let Some(issuer) = needs_clock() else { return };
    let signed_in = SignedIn::new(&issuer, Ask::of(C1));
    let first = Tokens::of(&signed_in.redeem().send(&issuer));
    let second = Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
    let stored = issuer.inside().memory.dump();
    let code = signed_in.reply.code();
    let session = signed_in.browser.cookie("localhost", "__Host-gatelatch-sign-in").unwrap();
    let secrets =
        [&*code, &*session, first.refresh(), second.refresh(), &*first.access, "wonderland"];
    for secret in secrets {
        assert!(!stored.contains(secret), "{secret}");
    }
    // Nor their secret parts, in any of the spellings that JSON could give them.
    let config =
        idp::config::Config::read(|name| tests::world::text(&tests::world::settings(), name));
    let keys = config.unwrap().keys;
    for (kind, text) in [
        (shared::handle::Kind::Code, &*code),
        (shared::handle::Kind::RefreshToken, first.refresh()),
        (shared::handle::Kind::RefreshToken, second.refresh()),
        (shared::handle::Kind::SignIn, &*session),
    ] {
        let secret = shared::handle::Handle::open(kind, text, &keys).unwrap().secret;
        for spelled in [URL_SAFE_NO_PAD.encode(secret), serde_json::to_string(&secret).unwrap()] {
            assert!(!stored.contains(&spelled), "{kind:?}");
        }
    }
}

#[test]
fn rt_20_a_refreshed_id_token_is_about_the_same_sign_in() {
    let issuer = issuer();
    for client in KINDS {
        let signed_in = SignedIn::new(&issuer, Ask::of(client));
        let first = Tokens::of(&signed_in.redeem().send(&issuer));
        let before = believe::id_token(&issuer, &signed_in.ask, &first);
        let second = Tokens::of(&client.refresh(first.refresh()).send(&issuer));
        let after = believe::refreshed_id_token(&issuer, client, &second, &before);
        for name in ["iss", "sub", "aud", "auth_time", "sid", "amr"] {
            assert_eq!(before[name], after[name], "{name}");
        }
        assert!(!after.contains_key("nonce"));
    }
}

#[test]
fn rt_22_refreshing_goes_on_while_keys_rotate() {
    let Some(issuer) = needs_clock() else { return };
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let mut last = offline_tokens(&issuer, C1);
    let first = kid(&last.access);
    let mut seen = vec![first];
    for _ in 0..62 * 3 {
        issuer.inside().pass(8 * 3600);
        let next = Tokens::of(&C1.refresh(last.refresh()).send(&issuer));
        believe::access_token(&issuer, &next.access, issuer.url()).unwrap();
        if !seen.contains(&kid(&next.access)) {
            seen.push(kid(&next.access));
            // What was signed a moment before the rotation verifies still.
            issuer.inside().pass(1);
        }
        last = next;
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
}

#[test]
fn rt_23_a_client_that_is_gone_refreshes_nothing() {
    let Some(issuer) = needs_clock() else { return };
    let tokens = offline_tokens(&issuer, C1);
    let publics = offline_tokens(&issuer, C4);
    issuer.inside().deploy_again(|settings| {
        let clients = settings["CLIENTS"].as_array_mut().unwrap();
        clients.retain(|client| !["c1", "c4"].contains(&client["client_id"].as_str().unwrap()));
    });
    invalid_client(&C1.refresh(tokens.refresh()).send(&issuer), true, "c1");
    invalid_client(&C4.refresh(publics.refresh()).send(&issuer), false, "c4");
    for tokens in [tokens, publics] {
        let answer = userinfo(&tokens.access).send(&issuer);
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "its access tokens are dead too");
    }
}

#[test]
fn rt_23_a_client_that_may_have_less_now_gets_less() {
    let Some(issuer) = needs_clock() else { return };
    let tokens = offline_tokens(&issuer, C1);
    issuer.inside().deploy_again(|settings| {
        settings["CLIENTS"][0]["scope"] = "openid offline_access".into();
    });
    let answer = C1.refresh(tokens.refresh()).send(&issuer);
    if is_good(&answer) {
        let scope = Tokens::of(&answer).said["scope"].clone();
        assert_eq!(scope, "offline_access openid");
    } else {
        invalid_grant(&answer, "or nothing at all");
    }
}

#[test]
fn rt_24_however_many_rotations_leave_one_row() {
    let Some(issuer) = needs_clock() else { return };
    let mut last = offline_tokens(&issuer, C1);
    let rows = issuer.inside().memory.len();
    for _ in 0..100 {
        last = Tokens::of(&C1.refresh(last.refresh()).send(&issuer));
    }
    assert_eq!(issuer.inside().memory.len(), rows);
}

#[test]
fn another_device_is_another_family() {
    let issuer = issuer();
    let (first, second) = (offline_tokens(&issuer, C1), offline_tokens(&issuer, C1));
    let next = Tokens::of(&C1.refresh(first.refresh()).send(&issuer));
    Tokens::of(&C1.refresh(next.refresh()).send(&issuer));
    invalid_grant(&C1.refresh(first.refresh()).send(&issuer), "reuse in the one");
    Tokens::of(&C1.refresh(second.refresh()).send(&issuer));
}
