//! PL-16: each preset, at each of its endpoints, with each fault. Nobody is signed in who should not
//! be, nobody else is disturbed, and when the trouble is over it is over.

use crate::ask;
use crate::outcomes::{ELSEWHERE, Outcome, faults, outcome};
use http::StatusCode;
use idp::event::Event;
use serde_json::json;
use shared::fetch::Response;
use stand_in::{ALWAYS, Endpoint, Fault};
use std::collections::BTreeMap;
use tests::browser::{forms, gist, text};
use tests::expect::page;
use tests::federation::{Net, Preset, Visit, net};
use tests::upstream::onward;

/// Longer than anybody is left alone who failed.
const PAUSE: u64 = 31;

/// A cell.
#[derive(Clone, Copy, Debug)]
struct Cell<'f> {
    preset: Preset,
    endpoint: Endpoint,
    fault: &'f Fault,
}

/// What became of an attempt, and the page if there is one.
type Became = (Outcome, Option<Response>);

fn attempt(visit: &Visit<'_>, cell: Cell<'_>, subject: &str) -> Became {
    let url = match visit.leave(cell.preset.id()) {
        Ok(url) => url,
        Err(page) => return (Outcome::Page, Some(page)),
    };
    let Ok(callback) = visit.prove(&url, "alice") else { return (Outcome::Stuck, None) };
    let answer = visit.browser.get(&callback);
    match answer.status() {
        StatusCode::SEE_OTHER => {
            let arrived = visit.arrive(&answer);
            let same = arrived.text("sub") == subject;
            let verified = arrived.claims.get("email_verified") == Some(&true.into());
            let silent = cell.preset == Preset::WorkosSso;
            (
                match (same, verified || silent) {
                    (true, true) => Outcome::SignedIn,
                    (true, false) => Outcome::Unverified,
                    (false, _) => Outcome::AsNamed,
                },
                None,
            )
        }
        StatusCode::BAD_REQUEST => (Outcome::Lost, Some(answer)),
        _ => (Outcome::Page, Some(answer)),
    }
}

/// The page that says that an upstream is in trouble.
fn trouble(net: &Net, answer: &Response, cell: Cell<'_>) {
    assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{cell:?}: {}", gist(answer));
    page(answer);
    let reference = net.issuer.inside().reference();
    assert!(text(answer).contains(&reference), "{cell:?}: {reference} is not on the page");
    let form = &forms(answer)[0];
    assert_eq!(form.action, "/sign-in/upstream", "{cell:?}");
    assert!(text(answer).contains(" again</button>"), "{cell:?}");
}

fn signed_in(net: &Net) -> usize {
    let events = net.issuer.inside().events();
    events.iter().filter(|event| matches!(event, Event::SignedIn { .. })).count()
}

/// Whatever has happened, each endpoint was asked once at the most, and nobody was led astray.
fn bounded(net: &Net, cell: Cell<'_>) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for sent in net.sent() {
        assert_ne!(sent.url, ELSEWHERE, "{cell:?}");
        *counts.entry(sent.url).or_default() += 1;
    }
    assert!(counts.values().all(|count| *count == 1), "{cell:?}: {counts:?}");
    assert!(counts.len() < cell.preset.endpoints().len(), "{cell:?}: {counts:?}");
}

/// One cell; whether it came out as it should, or what came out instead.
fn run(net: &Net, cell: Cell<'_>, wanted: Outcome, subject: &str) -> Option<String> {
    let Cell { preset, endpoint, fault } = cell;
    net.forget();
    net.stand_in.fault(&preset.place(), endpoint, fault.clone(), ALWAYS);
    net.sent();
    signed_in(net);
    let visit = Visit::new(net, ask());
    let (became, page) = attempt(&visit, cell, subject);
    if became != wanted {
        net.stand_in.clear_faults(&preset.place());
        return Some(format!("{cell:?}: {became:?}, and {wanted:?} would be right"));
    }
    if became == Outcome::Page {
        trouble(net, page.as_ref().expect("a page"), cell);
    }
    bounded(net, cell);
    let in_ = matches!(became, Outcome::SignedIn | Outcome::Unverified | Outcome::AsNamed);
    assert_eq!((visit.is_signed_in(), signed_in(net)), (in_, usize::from(in_)), "{cell:?}");

    // Somebody else, through another upstream, at the same moment.
    let other = if preset == Preset::GitHub { Preset::WorkosSso } else { Preset::GitHub };
    Visit::new(net, ask()).sign_in(other.id(), "bob");

    // The trouble is over.
    net.stand_in.clear_faults(&preset.place());
    net.issuer.inside().pass(PAUSE);
    if let Some(page) = page.filter(|_| became == Outcome::Page) {
        // The page's own form leads on.
        let page = visit.choose(&page, preset.id());
        assert_eq!(page.status(), StatusCode::OK, "{cell:?}: {}", gist(&page));
        let callback = visit.prove(&onward(&page), "alice").expect("the way back");
        let arrived = visit.arrive(&visit.browser.get(&callback));
        assert_eq!(arrived.text("sub"), subject, "{cell:?}: by the form of the page");
    }
    let again = Visit::new(net, ask()).sign_in(preset.id(), "alice");
    assert_eq!(again.text("sub"), subject, "{cell:?}: afterwards");
    None
}

/// All cells of an endpoint.
fn at(preset: Preset, endpoint: Endpoint) {
    let net = net();
    let subject = Visit::new(&net, ask()).sign_in(preset.id(), "alice").text("sub").to_owned();
    let faults = faults();
    let cells = faults.iter().filter_map(|fault| {
        let cell = Cell { preset, endpoint, fault };
        outcome(preset, endpoint, fault).map(|wanted| (cell, wanted))
    });
    let wrong: Vec<_> =
        cells.filter_map(|(cell, wanted)| run(&net, cell, wanted, &subject)).collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// A test for each preset and endpoint.
macro_rules! tables {
    ($($name:ident: $preset:ident, $endpoint:ident;)+) => {
        const TABLES: &[(Preset, Endpoint)] = &[$((Preset::$preset, Endpoint::$endpoint),)+];

        $(
            #[test]
            fn $name() {
                at(Preset::$preset, Endpoint::$endpoint);
            }
        )+
    };
}

tables! {
    pl_16_auth0_may_go_wrong_at_discovery: Auth0, Discovery;
    pl_16_auth0_may_go_wrong_at_its_keys: Auth0, Jwks;
    pl_16_auth0_may_go_wrong_where_browsers_go: Auth0, Authorize;
    pl_16_auth0_may_go_wrong_at_the_token_endpoint: Auth0, Token;
    pl_16_auth0_may_go_wrong_at_userinfo: Auth0, Userinfo;
    pl_16_authkit_may_go_wrong_at_its_keys: AuthKit, Jwks;
    pl_16_authkit_may_go_wrong_where_browsers_go: AuthKit, Authorize;
    pl_16_authkit_may_go_wrong_at_the_token_endpoint: AuthKit, Token;
    pl_16_workos_sso_may_go_wrong_where_browsers_go: WorkosSso, Authorize;
    pl_16_workos_sso_may_go_wrong_at_the_token_endpoint: WorkosSso, Token;
    pl_16_github_may_go_wrong_where_browsers_go: GitHub, Authorize;
    pl_16_github_may_go_wrong_at_the_token_endpoint: GitHub, Token;
    pl_16_github_may_go_wrong_at_its_user: GitHub, Userinfo;
    pl_16_github_may_go_wrong_at_its_addresses: GitHub, Emails;
    pl_16_google_may_go_wrong_at_discovery: Google, Discovery;
    pl_16_google_may_go_wrong_at_its_keys: Google, Jwks;
    pl_16_google_may_go_wrong_where_browsers_go: Google, Authorize;
    pl_16_google_may_go_wrong_at_the_token_endpoint: Google, Token;
    pl_16_google_may_go_wrong_at_userinfo: Google, Userinfo;
    pl_16_entra_may_go_wrong_at_discovery: Entra, Discovery;
    pl_16_entra_may_go_wrong_at_its_keys: Entra, Jwks;
    pl_16_entra_may_go_wrong_where_browsers_go: Entra, Authorize;
    pl_16_entra_may_go_wrong_at_the_token_endpoint: Entra, Token;
    pl_16_an_openid_provider_may_go_wrong_at_discovery: OpenId, Discovery;
    pl_16_an_openid_provider_may_go_wrong_at_its_keys: OpenId, Jwks;
    pl_16_an_openid_provider_may_go_wrong_where_browsers_go: OpenId, Authorize;
    pl_16_an_openid_provider_may_go_wrong_at_the_token_endpoint: OpenId, Token;
    pl_16_an_openid_provider_may_go_wrong_at_userinfo: OpenId, Userinfo;
}

/// Says the table too, a line of JSON for each cell: the tests over HTTP have it from here.
#[test]
fn pl_16_no_cell_is_missing() {
    let all = Preset::ALL
        .iter()
        .flat_map(|preset| preset.endpoints().iter().map(move |endpoint| (*preset, *endpoint)));
    assert_eq!(TABLES, all.collect::<Vec<_>>());
    let faults = faults();
    let mut cells = 0;
    for (preset, endpoint) in TABLES {
        for fault in &faults {
            let outcome = outcome(*preset, *endpoint, fault);
            let fits = fault.fits(preset.stand_in(), *endpoint);
            assert_eq!(outcome.is_some(), fits, "{preset:?} {endpoint:?} {fault:?}");
            let Some(outcome) = outcome else { continue };
            let cell = json!({
                "preset": preset.id(), "endpoint": endpoint, "fault": fault, "outcome": outcome,
            });
            println!("{cell}");
            cells += 1;
        }
    }
    assert_eq!(cells, 1276);
}
