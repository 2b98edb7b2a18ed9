//! Every use of what a grant gave, under everything that may have happened to the grant since: one
//! table. A use that is new has to fill in a column, and a check that is new a row, or this does not
//! compile.

mod scene;

use Cell::{Dead, Less, No, Same, Scope, Target, Who};
use http::StatusCode;
use idp::event::Event;
use idp::words::{Endpoint, GrantType};
use scene::Scene;
use shared::fetch::Response;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tests::client::{Tokens, json};
use tests::expect::{error, invalid_client, invalid_grant, invalid_request, unauthorized};
use tests::world::Issuer;

/// A way to use something that a grant gave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Use {
    /// The code, for tokens.
    Code,
    /// The current refresh token.
    Refresh,
    /// The one before it, whose answer may have been lost.
    Repeat,
    /// The access token, for another one.
    Exchange,
    /// The access token, for the person's claims.
    Userinfo,
    /// To ask about the access token.
    AskAccess,
    /// To ask about the refresh token.
    AskRefresh,
    /// To ask about a token that the access token was exchanged for.
    AskExchanged,
    /// To end the grant by its access token.
    EndByAccess,
    /// To end the grant by its refresh token.
    EndByRefresh,
    /// The access token of an administrator, to register a client.
    Register,
}

/// What is not so, or not any more, when it is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Check {
    /// Another client uses it.
    OtherClient,
    /// Somebody says the client's name and proves nothing.
    NoProof,
    /// The person was taken out of the configuration.
    AccountGone,
    /// The person has another password.
    OtherPassword,
    /// The account is disabled.
    Disabled,
    /// The person removed the application on their page.
    Withdrawn,
    /// The client was taken out of the configuration.
    ClientGone,
    /// The client, registered at run time, removed itself.
    ClientRemoved,
    /// The client may not have some of the scope any more.
    ScopeTaken,
    /// It takes scope that was not granted.
    WiderScope,
    /// It takes a resource that was not granted.
    OtherResource,
    /// The client may not have the resource any more.
    ResourceTaken,
    /// The session has ended by the client's request.
    SignedOut,
    /// The session has ended by the person's page.
    Ended,
    /// The session has ended by the person's page in another browser.
    EndedAfar,
    /// The session has ended because somebody else signed in in its browser.
    SignedOver,
    /// The same four, and the grant has `offline_access`.
    SignedOutOffline,
    EndedOffline,
    EndedAfarOffline,
    SignedOverOffline,
    /// The person has ended everything.
    AllEnded,
    /// The client has revoked the grant.
    Revoked,
    /// The code came twice.
    CodeTwice,
    /// A refresh token of two generations before came back.
    OldToken,
    /// The key that signed the tokens is not to be trusted.
    KeyDropped,
    /// It was given to who proves a key, and none is proved.
    NoKey,
    /// Or another.
    OtherKey,
    /// The same two, and the client is public.
    NoKeyPublic,
    OtherKeyPublic,
}

/// What comes of a use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Cell {
    /// What would have come of it before.
    Same,
    /// The same, without the scope that was taken.
    Less,
    /// It is no good: `invalid_grant` or what stands for it, not active, or nothing ended by it.
    Dead,
    /// `invalid_client`.
    Who,
    /// `invalid_scope` or `insufficient_scope`.
    Scope,
    /// `invalid_target`.
    Target,
    /// There is no such case, because of this.
    No(&'static str),
}

const WIDE: Cell = No("a token that is for a resource too never does there");
const HELD: Cell = No("a bearer token is used by whoever holds it");
const ASKS: Cell = No("a request of this kind names no scope");
const AIMS: Cell = No("ending a grant is for no resource");
const SELF: Cell = No("a client of run time exchanges nothing");
const RANK: Cell = No("a client of run time may not have the scope");
const PUBLIC: Cell = No("a client that proves nothing may not do it");

/// The last row.
const LAST: Check = Check::OtherKeyPublic;

const USES: [Use; 11] = [
    Use::Code,
    Use::Refresh,
    Use::Repeat,
    Use::Exchange,
    Use::Userinfo,
    Use::AskAccess,
    Use::AskRefresh,
    Use::AskExchanged,
    Use::EndByAccess,
    Use::EndByRefresh,
    Use::Register,
];

/// In the order of [`USES`].
#[rustfmt::skip]
const TABLE: [(Check, [Cell; USES.len()]); LAST as usize + 1] = [
    //                          Code   Refresh Repeat Exchange Userinfo AskAccess AskRefresh AskExchanged EndByAccess EndByRefresh Register
    (Check::OtherClient,       [Dead,  Dead,   Dead,  Dead,    HELD,    Dead,     Dead,      Dead,        Dead,       Dead,        HELD]),
    (Check::NoProof,           [Who,   Who,    Who,   Who,     HELD,    Who,      Who,       Who,         Who,        Who,         HELD]),
    (Check::AccountGone,       [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Same,       Same,        Dead]),
    (Check::OtherPassword,     [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Same,       Same,        Dead]),
    (Check::Disabled,          [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Same,       Same,        Dead]),
    (Check::Withdrawn,         [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Dead,       Dead,        Dead]),
    (Check::ClientGone,        [Who,   Who,    Who,   Who,     Dead,    Who,      Who,       Who,         Who,        Who,         Dead]),
    (Check::ClientRemoved,     [Who,   Who,    Who,   SELF,    Dead,    Who,      Who,       SELF,        Who,        Who,         RANK]),
    (Check::ScopeTaken,        [Less,  Less,   Less,  Less,    Less,    Less,     Less,      Less,        Same,       Same,        Scope]),
    (Check::WiderScope,        [Same,  Scope,  Scope, Scope,   Scope,   ASKS,     ASKS,      ASKS,        ASKS,       ASKS,        Scope]),
    (Check::OtherResource,     [Target,Target, Target,Target,  Dead,    Dead,     Dead,      Dead,        AIMS,       AIMS,        Dead]),
    (Check::ResourceTaken,     [Target,Target, Target,Target,  Same,    Dead,     Dead,      Dead,        Same,       Same,        WIDE]),
    (Check::SignedOut,         [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Same,       Same,        Dead]),
    (Check::Ended,             [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Same,       Same,        Dead]),
    (Check::EndedAfar,         [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Same,       Same,        Dead]),
    (Check::SignedOver,        [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Same,       Same,        Dead]),
    (Check::SignedOutOffline,  [Dead,  Same,   Same,  Same,    Same,    Same,     Same,      Same,        Same,       Same,        Same]),
    (Check::EndedOffline,      [Dead,  Same,   Same,  Same,    Same,    Same,     Same,      Same,        Same,       Same,        Same]),
    (Check::EndedAfarOffline,  [Dead,  Same,   Same,  Same,    Same,    Same,     Same,      Same,        Same,       Same,        Same]),
    (Check::SignedOverOffline, [Dead,  Same,   Same,  Same,    Same,    Same,     Same,      Same,        Same,       Same,        Same]),
    (Check::AllEnded,          [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Dead,       Dead,        Dead]),
    (Check::Revoked,           [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Dead,       Dead,        Dead]),
    (Check::CodeTwice,         [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Dead,       Dead,        Dead]),
    (Check::OldToken,          [Dead,  Dead,   Dead,  Dead,    Dead,    Dead,     Dead,      Dead,        Dead,       Dead,        Dead]),
    (Check::KeyDropped,        [Same,  Same,   Same,  Dead,    Dead,    Dead,     Same,      Dead,        Dead,       Same,        Dead]),
    (Check::NoKey,             [Dead,  Same,   Same,  Dead,    Dead,    Same,     Same,      Same,        Same,       Same,        Dead]),
    (Check::OtherKey,          [Dead,  Same,   Same,  Dead,    Dead,    Same,     Same,      Same,        Same,       Same,        Dead]),
    (Check::NoKeyPublic,       [Dead,  Dead,   Dead,  PUBLIC,  Dead,    PUBLIC,   PUBLIC,    PUBLIC,      Same,       Same,        PUBLIC]),
    (Check::OtherKeyPublic,    [Dead,  Dead,   Dead,  PUBLIC,  Dead,    PUBLIC,   PUBLIC,    PUBLIC,      Same,       Same,        PUBLIC]),
];

/// The columns of an endpoint: one that is new says here what of a grant it takes.
const fn columns(endpoint: Endpoint) -> &'static [Use] {
    match endpoint {
        Endpoint::Token => &[Use::Code, Use::Refresh, Use::Repeat, Use::Exchange],
        Endpoint::UserInfo => &[Use::Userinfo],
        Endpoint::Introspect => &[Use::AskAccess, Use::AskRefresh, Use::AskExchanged],
        Endpoint::Revoke => &[Use::EndByAccess, Use::EndByRefresh],
        // Both admit an administrator by the same function.
        Endpoint::Register | Endpoint::Registration => &[Use::Register],
        Endpoint::Discovery
        | Endpoint::Rfc8414
        | Endpoint::Jwks
        | Endpoint::Authorize
        | Endpoint::EndSession
        | Endpoint::SignIn
        | Endpoint::Consent
        | Endpoint::Upstream
        | Endpoint::UpstreamCallback
        | Endpoint::OwnPage
        | Endpoint::UpstreamLogout
        | Endpoint::UpstreamSignedOut
        | Endpoint::Home => &[],
    }
}

/// The columns of a `grant_type`: one that is new says here what it takes.
const fn columns_of(kind: GrantType) -> &'static [Use] {
    match kind {
        GrantType::AuthorizationCode => &[Use::Code],
        GrantType::RefreshToken => &[Use::Refresh, Use::Repeat],
        GrantType::TokenExchange => &[Use::Exchange],
    }
}

#[test]
fn every_use_of_a_grant_stands_in_the_table_once() {
    for (number, one) in USES.iter().enumerate() {
        assert_eq!(*one as usize, number, "{one:?}");
    }
    for (number, (check, _)) in TABLE.iter().enumerate() {
        assert_eq!(*check as usize, number, "{check:?}");
    }
    let grants = GrantType::ALL.iter().copied().flat_map(columns_of);
    let grants: Vec<_> = grants.collect();
    assert_eq!(grants, columns(Endpoint::Token).iter().collect::<Vec<_>>());
    let of_all = [Endpoint::Token, Endpoint::UserInfo, Endpoint::Introspect, Endpoint::Revoke];
    let of_all = of_all.into_iter().chain([Endpoint::Register]).flat_map(columns);
    assert_eq!(of_all.collect::<Vec<_>>(), USES.iter().collect::<Vec<_>>());
}

#[test]
fn fd_38_rt_07_rt_13_ti_09_a_grant_is_used_by_its_client_for_who_may_sign_in_and_agrees() {
    play(Check::OtherClient, Check::Withdrawn);
}

#[test]
fn rt_09_rt_10_rt_23_a_grant_is_used_by_a_client_that_is_there_for_what_it_may_have() {
    play(Check::ClientGone, Check::ResourceTaken);
}

#[test]
fn rt_14_tc_11_a_grant_without_offline_access_is_used_while_its_session_lasts() {
    play(Check::SignedOut, Check::SignedOver);
}

#[test]
fn rt_14_tc_11_a_grant_with_offline_access_outlives_its_session_and_its_code_does_not() {
    play(Check::SignedOutOffline, Check::SignedOverOffline);
}

#[test]
fn rt_01_rt_15_ti_10_a_grant_that_was_ended_is_used_for_nothing() {
    play(Check::AllEnded, Check::KeyDropped);
}

#[test]
fn px_13_px_14_px_16_a_grant_to_a_key_is_used_by_who_proves_it_or_by_who_authenticates() {
    play(Check::NoKey, LAST);
}

/// Plays these rows and those between them: several tests have them, to run at the same time.
fn play(first: Check, last: Check) {
    // Every cell that is wrong is named, and not the first of them alone.
    let mut wrong = Vec::new();
    for (check, cells) in TABLE[first as usize..=last as usize].iter().copied() {
        let mut issuer = scene::issuer_for(check);
        for (one, cell) in USES.into_iter().zip(cells) {
            let Some(at) = issuer.as_ref() else { break };
            if matches!(cell, No(_)) || (one == Use::Register && !at.is_inside()) {
                continue;
            }
            let tried = catch_unwind(AssertUnwindSafe(|| try_out(at, check, one, cell)));
            if tried.is_err() {
                wrong.push((check, one, cell));
                // Who knows how far it got.
                issuer = scene::issuer_for(check);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

fn try_out(issuer: &Issuer, check: Check, one: Use, cell: Cell) {
    let what = format!("{check:?}, {one:?}: {cell:?}");
    let mut scene = Scene::set(issuer, check);
    if matches!(one, Use::Exchange | Use::AskExchanged) && scene.is_registered() {
        return;
    }
    scene.befall();
    ended(issuer);
    let answer = scene.draft(one).send(issuer);
    judge(&scene, one, cell, &answer, &what);
    scene.aftermath(one, cell, &what);
}

/// Whether a grant was ended by a client since this was asked last; unknown over HTTP.
fn ended(issuer: &Issuer) -> Option<bool> {
    let events = issuer.is_inside().then(|| issuer.inside().events())?;
    Some(events.iter().any(|event| matches!(event, Event::FamilyRevoked { .. })))
}

fn judge(scene: &Scene<'_>, one: Use, cell: Cell, answer: &Response, what: &str) {
    let told = || json(answer);
    let wanted = match cell {
        Less => scene::LEFT.into(),
        _ => scene.granted(),
    };
    match (one, cell) {
        (_, No(reason)) => panic!("{what}: {reason}"),
        (Use::Code | Use::Refresh | Use::Repeat | Use::Exchange, Same | Less) => {
            assert_eq!(answer.status(), StatusCode::OK, "{what}: {:?}", told());
            let proves = scene.check == Check::OtherKey;
            let tokens = if proves { Tokens::bound(answer) } else { Tokens::of(answer) };
            assert_eq!(tokens.scope(), wanted, "{what}");
        }
        (Use::Userinfo, Same | Less) => {
            assert_eq!(answer.status(), StatusCode::OK, "{what}: {:?}", told());
            for (word, claim) in [("openid", "sub"), ("profile", "name"), ("email", "email")] {
                assert_eq!(told().contains_key(claim), wanted.contains(&word), "{what}: {claim}");
            }
        }
        (Use::AskAccess | Use::AskRefresh | Use::AskExchanged, Same | Less) => {
            assert_eq!(told()["active"], true, "{what}");
            let scope = told()["scope"].as_str().unwrap().to_owned();
            assert_eq!(scope.split(' ').collect::<Vec<_>>(), wanted, "{what}");
        }
        (Use::EndByAccess | Use::EndByRefresh, Same | Less | Dead) => {
            assert_eq!(answer.status(), StatusCode::OK, "{what}");
            let is_as_said = ended(scene.issuer).is_none_or(|ended| ended == (cell != Dead));
            assert!(is_as_said, "{what}");
        }
        (Use::Register, Same | Less) => {
            assert_eq!(answer.status(), StatusCode::CREATED, "{what}: {:?}", told());
        }
        (Use::Code | Use::Refresh | Use::Repeat, Dead) => invalid_grant(answer, what),
        // RFC 8693 §2.2.2.
        (Use::Exchange, Dead) => invalid_request(answer, what),
        (Use::Userinfo | Use::Register, Dead) => unauthorized(answer, what),
        (Use::AskAccess | Use::AskRefresh | Use::AskExchanged, Dead) => {
            assert_eq!(answer.status(), StatusCode::OK, "{what}");
            assert_eq!(answer.body(), br#"{"active":false}"#, "{what}");
        }
        (_, Who) => invalid_client(answer, scene.check != Check::NoProof, what),
        (Use::Userinfo | Use::Register, Scope) => {
            error(answer, StatusCode::FORBIDDEN, "insufficient_scope", what);
        }
        (_, Scope) => error(answer, StatusCode::BAD_REQUEST, "invalid_scope", what),
        (_, Target) => error(answer, StatusCode::BAD_REQUEST, "invalid_target", what),
    }
}
