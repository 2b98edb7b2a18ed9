//! An issuer whose upstream is another issuer of ours, both in this process.

use crate::browser::{Browser, Form, Reply, forms, gist, sign_in_form, text};
use crate::client::Ask;
use crate::line::Line;
use crate::people::Person;
use crate::world::{Issuer, settings};
use http::StatusCode;
use serde_json::{Map, Value, json};
use shared::fetch::{Fetch, Request, Response, Unreachable};
use shared::secret::Digest;
use std::rc::Rc;

/// Its identifier.
pub const UPSTREAM: &str = "https://up.test";
/// Where it sends browsers back to.
pub const CALLBACK: &str = "/sign-in/callback/acme";
/// The identifier of a second one.
pub const OTHER: &str = "https://other.test";

/// Where it sends browsers back to that have signed out there.
pub const SIGNED_OUT: &str = "/sign-in/signed-out/acme";

/// An issuer, its upstream, and the network between them and browsers.
#[derive(Debug)]
pub struct Net {
    /// The one that people sign in to.
    pub issuer: Issuer,
    /// The one that knows them.
    pub upstream: Rc<Issuer>,
    /// A second one that does, when there is one.
    pub other: Option<Rc<Issuer>>,
    /// The way from the one to the other.
    pub line: Line,
}

impl Fetch for Net {
    async fn fetch(&self, request: Request) -> Result<Response, Unreachable> {
        Ok(match (request.uri().host(), &self.other) {
            (Some("up.test"), _) => self.upstream.send(request).await,
            (Some("other.test"), Some(other)) => other.send(request).await,
            _ => self.issuer.send(request).await,
        })
    }
}

/// The settings of an issuer that is another's upstream, by this name.
fn above(url: &str, name: &str) -> Map<String, Value> {
    let mut above = settings();
    let digest = Digest::of("up-secret").to_text();
    let issuer = above["ISSUER"].as_str().expect("text");
    let at = |place: &str| format!("{issuer}/sign-in/{place}/{name}");
    let (callback, back) = (at("callback"), at("signed-out"));
    above.insert("ISSUER".to_owned(), url.into());
    above.insert("SEALING_KEYS".to_owned(), "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into());
    above
        .insert("PAIRWISE_SECRET".to_owned(), "cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA".into());
    above["CLIENTS"].as_array_mut().expect("a list").push(json!({
        "client_id": "below", "client_secret_sha256": digest, "redirect_uris": [callback],
        "grant_types": ["authorization_code", "refresh_token"],
        "post_logout_redirect_uris": [back],
        "backchannel_logout_uri": "http://127.0.0.1:8790/below",
    }));
    above
}

/// What is written of an upstream.
fn entry(url: &str, name: &str, label: &str) -> Value {
    json!({ "id": name, "provider": "openid", "label": label, "issuer": url, "client_id": "below" })
}

/// Two issuers that know nobody yet.
pub fn net() -> Net {
    net_with(&json!({}))
}

/// The same where the entry in `UPSTREAMS` has these members besides.
pub fn net_with(more: &Value) -> Net {
    let mut below = settings();
    let mut upstream = entry(UPSTREAM, "acme", "Acme");
    let members = upstream.as_object_mut().expect("an object");
    members.extend(more.as_object().expect("an object").clone());
    below.insert("UPSTREAMS".to_owned(), json!([upstream]));
    below.insert("UPSTREAM_ACME_SECRET".to_owned(), "up-secret".into());
    let issuer = Issuer::in_process(&below);
    let upstream = Rc::new(Issuer::in_process(&above(UPSTREAM, "acme")));
    let line = Line::new(Rc::clone(&upstream));
    issuer.inside().connect(line.clone());
    Net { issuer, upstream, other: None, line }
}

/// The same, and a second upstream, called `other`.
pub fn net_of_three() -> Net {
    let net = net();
    let other = Rc::new(Issuer::in_process(&above(OTHER, "other")));
    net.issuer.inside().connect(Line::new(Rc::clone(&other)));
    net.issuer.inside().deploy_again(|settings| {
        let upstreams = settings["UPSTREAMS"].as_array_mut().expect("a list");
        upstreams.push(entry(OTHER, "other", "Other"));
        settings.insert("UPSTREAM_OTHER_SECRET".to_owned(), "up-secret".into());
    });
    Net { other: Some(other), ..net }
}

/// Where the page that leads to the upstream leads.
pub fn onward(page: &Response) -> String {
    assert_eq!(page.status(), StatusCode::OK, "{}", gist(page));
    let (_, url) = text(page).split_once("content=\"0;url=").expect("a page that goes on");
    url.split('"').next().expect("a first part").replace("&amp;", "&")
}

/// The form of the sign-in page that leads to the upstream.
pub fn to_upstream(page: &Response) -> Form {
    let found = forms(page).into_iter().find(|form| form.action == "/sign-in/upstream");
    found.unwrap_or_else(|| panic!("not the sign-in page but {} {}", page.status(), gist(page)))
}

/// A browser on its way back from the upstream: the URL it is about to ask for.
pub fn away(browser: &Browser<'_, Net>, net: &Net, ask: &Ask, person: Person) -> String {
    let page = browser.get(&ask.url(&net.issuer));
    let url = onward(&browser.submit(net.issuer.url(), &to_upstream(&page), &[]));
    assert!(url.starts_with(UPSTREAM), "{url}");
    prove(browser, &url, person)
}

/// Signs in above, where that is asked for: the URL of the callback.
pub fn prove(browser: &Browser<'_, Net>, url: &str, person: Person) -> String {
    let page = browser.get(url);
    if page.status() == StatusCode::SEE_OTHER {
        return Reply::of(&page).location;
    }
    let filled = [("username", person.username), ("password", person.password)];
    let above = url.split("/authorize").next().expect("a first part");
    Reply::of(&browser.submit(above, &sign_in_form(&page), &filled)).location
}
