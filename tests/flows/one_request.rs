//! The promise that there is one request to one object per refresh, redemption, exchange,
//! revocation and introspection, and no other storage operation. Counted here, at the seam behind which each
//! command is one request to one Durable Object, and each row one statement to its `SQLite` at the
//! most. The key ring is asked every few minutes by an isolate and not by a request.

use crate::issuer;
use http::StatusCode;
use tests::client::{
    API, Ask, C1, C3, Client, Draft, FILES_SERVER, PAIR_A, SERVER, SIGNED, SignedIn, Tokens,
    offline_tokens, tokens, userinfo,
};
use tests::memory::Work;
use tests::world::Issuer;

/// How many rows are read and written.
#[derive(Debug, Eq, PartialEq)]
struct Rows {
    read: usize,
    written: usize,
}

/// What `draft` takes, which must succeed: of one object, one command.
fn cost(issuer: &Issuer, draft: &Draft, what: &str) -> Rows {
    let memory = &issuer.inside().memory;
    memory.work();
    let answer = draft.send(issuer);
    assert_eq!(answer.status(), StatusCode::OK, "{what}");
    let Work { asked, read, written, listed } = memory.work();
    assert!(matches!(&asked[..], [one] if one.starts_with("account ")), "{what}: {asked:?}");
    assert_eq!(listed, 0, "{what}: a table");
    Rows { read, written }
}

const fn rows(read: usize, written: usize) -> Rows {
    Rows { read, written }
}

/// Confidential, public, pairwise, and one whose answers are signed.
const CLIENTS: [Client; 4] = [C1, C3, PAIR_A, SIGNED];

#[test]
fn one_request_to_one_object_per_redemption() {
    let issuer = issuer();
    for client in CLIENTS {
        for scope in ["openid", "openid offline_access"] {
            let signed_in = SignedIn::new(&issuer, Ask::of(client).set("scope", scope));
            // The grant and the session; the grant.
            assert_eq!(cost(&issuer, &signed_in.redeem(), client.id), rows(2, 1));
        }
    }
}

#[test]
fn one_request_to_one_object_per_refresh() {
    let issuer = issuer();
    for client in CLIENTS {
        let offline = offline_tokens(&issuer, client);
        let draft = client.refresh(offline.refresh());
        // The grant; the grant.
        assert_eq!(cost(&issuer, &draft, client.id), rows(1, 1));
        assert_eq!(cost(&issuer, &draft, "the same again"), rows(1, 1));
        let bound = tokens(&issuer, client);
        // The session as well, which is used by it.
        assert_eq!(cost(&issuer, &client.refresh(bound.refresh()), client.id), rows(2, 2));
    }
}

#[test]
fn one_request_to_one_object_per_revocation() {
    let issuer = issuer();
    for client in CLIENTS {
        for by_access in [false, true] {
            let tokens = offline_tokens(&issuer, client);
            let token = if by_access { &*tokens.access } else { tokens.refresh() };
            // The grant; the grant.
            assert_eq!(cost(&issuer, &client.revoke(token), client.id), rows(1, 1));
            assert_eq!(cost(&issuer, &client.revoke(token), "once more"), rows(1, 0));
        }
    }
}

#[test]
fn one_request_to_one_object_per_introspection_which_writes_nothing() {
    let issuer = issuer();
    for client in [C1, PAIR_A, SIGNED] {
        let (offline, bound) = (offline_tokens(&issuer, client), tokens(&issuer, client));
        let next = Tokens::of(&client.refresh(offline.refresh()).send(&issuer));
        for token in [offline.refresh(), next.refresh(), &*offline.access, &*next.access] {
            // The grant and the person.
            assert_eq!(cost(&issuer, &client.introspect(token), client.id), rows(2, 0));
        }
        for token in [bound.refresh(), &*bound.access] {
            // The session as well.
            assert_eq!(cost(&issuer, &client.introspect(token), client.id), rows(3, 0));
        }
        client.revoke(next.refresh()).send(&issuer);
        assert_eq!(cost(&issuer, &client.introspect(next.refresh()), "revoked"), rows(1, 0));
    }
}

#[test]
fn one_request_to_one_object_per_exchange_which_writes_nothing() {
    let issuer = issuer();
    for (client, asks) in [(C1, C1), (API, API), (API, SERVER), (API, FILES_SERVER)] {
        for (scope, read) in [("openid offline_access", 2), ("openid", 3)] {
            let ask = Ask::of(client).set("scope", scope);
            let named = ["https://api.test", "https://files.test/v1"];
            let named = named.into_iter().filter(|_| client == API);
            let ask = named.fold(ask, |ask, resource| ask.add("resource", resource));
            let tokens = Tokens::of(&SignedIn::new(&issuer, ask).redeem().send(&issuer));
            let first = SERVER.exchange(&tokens.access).set("resource", "https://files.test/v1");
            let (token, draft) = match asks.id {
                "rs" => (tokens.access, first),
                // By one who was passed it on.
                "files" => {
                    let passed = Tokens::of(&first.send(&issuer)).access;
                    let next = FILES_SERVER.exchange(&passed).set("resource", "https://api.test");
                    (passed, next)
                }
                _ => (tokens.access.clone(), asks.exchange(&tokens.access)),
            };
            // The grant and the person; the session as well.
            assert_eq!(cost(&issuer, &draft, asks.id), rows(read, 0));
            assert_eq!(cost(&issuer, &asks.introspect(&token), "the first"), rows(read, 0));
            let new = Tokens::of(&draft.send(&issuer)).access;
            assert_eq!(cost(&issuer, &asks.introspect(&new), "the new one"), rows(read, 0));
            assert_eq!(cost(&issuer, &userinfo(&new), "the new one"), rows(read, 0));
        }
    }
}

#[test]
fn one_request_to_one_object_per_userinfo_which_writes_nothing() {
    let issuer = issuer();
    for client in CLIENTS {
        let (offline, bound) = (offline_tokens(&issuer, client), tokens(&issuer, client));
        assert_eq!(cost(&issuer, &userinfo(&offline.access), client.id), rows(2, 0));
        assert_eq!(cost(&issuer, &userinfo(&bound.access), client.id), rows(3, 0));
    }
}

#[test]
fn no_request_to_any_object_for_what_is_not_ours() {
    let issuer = issuer();
    let memory = &issuer.inside().memory;
    let ours = offline_tokens(&issuer, C1);
    let bent = |token: &str| format!("{}A", &token[..token.len() - 2]);
    memory.work();
    for token in ["x", &bent(ours.refresh()), &bent(&ours.access), ours.id()] {
        C1.refresh(token).send(&issuer);
        C1.revoke(token).send(&issuer);
        C1.introspect(token).send(&issuer);
        C1.exchange(token).send(&issuer);
        C1.redeem(token, &Ask::of(C1)).send(&issuer);
        userinfo(token).send(&issuer);
    }
    // Nor for a client that is not the one it says.
    let wrong = tests::client::Auth::Basic("wrong");
    for draft in [C1.refresh(ours.refresh()), C1.revoke(&ours.access), C1.introspect(&ours.access)]
    {
        draft.auth("c1", wrong).send(&issuer);
    }
    assert_eq!(memory.work(), Work::default());
}
