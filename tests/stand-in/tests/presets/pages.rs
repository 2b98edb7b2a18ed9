//! The pages, and what is recorded.

use crate::support::{Net, error};
use http::header::CONTENT_SECURITY_POLICY;
use stand_in::{Endpoint, Person, Preset};

fn text(net: &Net, more: &[(&str, &str)]) -> String {
    let page = net.browse(&Net::ask("/authorize", more), None);
    assert_eq!(page.status(), 200);
    String::from_utf8(page.into_body()).unwrap()
}

#[test]
fn the_page_says_that_it_is_a_stand_in_and_names_everybody() {
    let page = text(&Net::new("auth0/x1"), &[]);
    assert!(page.contains("This is a stand-in for Auth0,"));
    for person in Person::known(Preset::Auth0) {
        assert!(page.contains(&format!("value=\"{}\"", person.key)), "{}", person.key);
    }
    assert!(!page.contains("ivan"), "GitHub alone knows him");
    assert!(page.contains("name=\"deny\""));
}

#[test]
fn nothing_that_others_wrote_becomes_markup() {
    let net = Net::new("auth0/x1");
    let page = text(&net, &[("state", "\"><script>alert(1)</script>")]);
    assert!(!page.contains("<script") && !page.contains("<b>"));
    assert!(page.contains("Grace &lt;b&gt;Glover&lt;/b&gt;"));
    assert!(page.contains("&quot;erin@beta.test&quot;@alpha.test"));
    let page = net.browse("/authorize?client_id=gatelatch&client_id=%3Cscript%3E", None);
    assert_eq!(page.status(), 400);
    assert!(
        page.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().contains("default-src 'none'")
    );
}

#[test]
fn a_hint_puts_somebody_first() {
    let net = Net::new("auth0/x1");
    for hint in ["dave", "dave@beta.test"] {
        let page = text(&net, &[("login_hint", hint)]);
        let (before, after) = page.split_once(" autofocus>").expect("somebody is preselected");
        assert!(before.ends_with("value=\"dave\"") && !after.contains(" autofocus>"));
        assert!(!before.contains("value=\"alice\""));
    }
    assert!(!text(&net, &[("login_hint", "nobody")]).contains(" autofocus>"));
}

#[test]
fn the_form_of_a_request_that_was_posted_goes_to_the_same_request() {
    let net = Net::new("generic/x1");
    let ask = Net::ask("/authorize", &[("scope", "openid")]);
    let fields: Vec<_> = url::form_urlencoded::parse(ask.split_once('?').unwrap().1.as_bytes())
        .into_owned()
        .collect();
    let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    let page = String::from_utf8(net.browse("/authorize", Some(&fields)).into_body()).unwrap();
    let action = page.split_once("action=\"").unwrap().1.split('"').next().unwrap();
    let path = action.replace("&amp;", "&").replace("/generic/x1", "");
    let back = net.browse(&path, Some(&[("person", "alice")]));
    assert!(crate::support::brought(&back).contains_key("code"));
}

#[test]
fn everything_that_was_asked_is_recorded_as_it_came() {
    let net = Net::new("generic/x1");
    let code = net.sign_in("/authorize", "alice", &[("scope", "openid")]).remove("code").unwrap();
    net.redeem("/token", &code, &[("client_secret", "wrong")]);
    let refused = net.redeem("/token", "made-up", &[]);
    assert_eq!(error(&refused).1, "invalid_grant");
    net.get("/nowhere");
    let seen = net.stand_in.seen("generic/x1");
    assert_eq!(seen.len(), 4);
    assert_eq!(seen[0].get("code_challenge"), Some(&*crate::support::challenge()));
    assert_eq!(seen[0].get("person"), Some("alice"));
    assert_eq!(seen[1].get("client_secret"), Some("wrong"));
    assert_eq!(seen[1].headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!((seen[3].endpoint, &*seen[3].path), (None, "/nowhere"));
    assert_eq!(net.stand_in.seen_at("generic/x1", Endpoint::Token).len(), 2);
    net.stand_in.forget("generic/x1");
    assert!(net.stand_in.seen("generic/x1").is_empty());
}

#[test]
fn a_place_is_a_preset_and_a_plain_name() {
    for place in ["unheard/x1", "auth0/x%2F1", "auth0/..", "auth0"] {
        let uri = format!("https://up.test/{place}/jwks");
        let mut request = http::Request::new(Vec::new());
        *request.uri_mut() = uri.parse().unwrap();
        let answer = stand_in::StandIn::new(1).answer(&request, 0).into_response();
        assert_eq!(answer.expect("a response").status(), 404, "{place}");
    }
}
