//! The ways into an issuer that has two upstreams, `acme` and `other`, and a person's own page there.

use http::StatusCode;
use idp::account::{Identity, LOCAL};
use idp::directory::Entry;
use serde_json::{Map, Value};
use shared::fetch::Response;
use tests::browser::{Browser, forms, gist, is_sign_in, sign_in_form, text};
use tests::people::Person;
use tests::upstream::{Net, onward, prove, to_upstream};
use tests::world::Issuer;

pub(crate) const HOST: &str = "localhost";
pub(crate) const SESSION: &str = "__Host-gatelatch-sign-in";

/// The page of whoever is signed in in a browser, or the page to sign in.
pub(crate) fn page(net: &Net, browser: &Browser<'_, Net>) -> Response {
    browser.get(&net.issuer.at("/account"))
}

/// Presses a button of the page.
pub(crate) fn press(net: &Net, browser: &Browser<'_, Net>, name: &str, value: &str) -> Response {
    browser.post(&net.issuer.at("/account"), &[(name, value)])
}

/// Signs in with a password: what is answered.
pub(crate) fn with_password(net: &Net, browser: &Browser<'_, Net>, person: Person) -> Response {
    let filled = [("username", person.username), ("password", person.password)];
    let form = sign_in_form(&page(net, browser));
    browser.submit(net.issuer.url(), &form, &filled)
}

/// Signs in with an upstream: what is answered to who comes back.
pub(crate) fn with_upstream(
    net: &Net,
    browser: &Browser<'_, Net>,
    upstream: &str,
    person: Person,
) -> Response {
    let form = to_upstream(&page(net, browser));
    let url = onward(&browser.submit(net.issuer.url(), &form, &[("upstream", upstream)]));
    browser.get(&prove(browser, &url, person))
}

/// Begins to add an upstream: the URL with which the browser is about to come back.
pub(crate) fn away(
    net: &Net,
    browser: &Browser<'_, Net>,
    upstream: &str,
    person: Person,
) -> String {
    prove(browser, &onward(&press(net, browser, "link", upstream)), person)
}

/// Adds an upstream: what is answered.
pub(crate) fn link(
    net: &Net,
    browser: &Browser<'_, Net>,
    upstream: &str,
    person: Person,
) -> Response {
    browser.get(&away(net, browser, upstream, person))
}

/// Adds it, which works.
pub(crate) fn linked(net: &Net, browser: &Browser<'_, Net>, upstream: &str, person: Person) {
    let answer = link(net, browser, upstream, person);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", gist(&answer));
}

/// The account that a browser is signed in to; none when it is not.
pub(crate) fn account(net: &Net, browser: &Browser<'_, Net>) -> Option<String> {
    let shown = page(net, browser);
    if is_sign_in(&shown) {
        return None;
    }
    let (_, rest) = text(&shown).split_once("<span>Account</span> <code>").unwrap();
    Some(rest.split('<').next().unwrap().to_owned())
}

/// The account that somebody gets to in a new browser by an upstream.
pub(crate) fn account_by(net: &Net, upstream: &str, person: Person) -> String {
    let browser = Browser::new(net);
    let answer = with_upstream(net, &browser, upstream, person);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", gist(&answer));
    account(net, &browser).unwrap()
}

/// The account that somebody gets to in a new browser by a password.
pub(crate) fn local_account(net: &Net, person: Person) -> String {
    account(net, &at_home(net, person)).unwrap()
}

/// A browser in which somebody is signed in by a password.
pub(crate) fn at_home(net: &Net, person: Person) -> Browser<'_, Net> {
    let browser = Browser::new(net);
    let answer = with_password(net, &browser, person);
    assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", gist(&answer));
    browser
}

/// The entries that can be taken off, as the page lists them.
pub(crate) fn buttons(net: &Net, browser: &Browser<'_, Net>) -> Vec<String> {
    let fields = forms(&page(net, browser)).into_iter().flat_map(|form| form.fields);
    fields.filter(|(name, _)| name == "unlink").map(|(_, value)| value).collect()
}

/// What the page calls the ways to sign in, in no order.
pub(crate) fn ways(net: &Net, browser: &Browser<'_, Net>) -> Vec<String> {
    let shown = page(net, browser);
    let (_, section) = text(&shown).split_once("<h2>Ways to sign in</h2>").unwrap();
    let section = section.split("<h2>").next().unwrap();
    let names = section.split("<li><div><b><bdi>").skip(1);
    let mut names: Vec<_> = names.map(|rest| rest.split('<').next().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The entry of a local account, whatever page shows it.
pub(crate) fn local_entry(person: Person) -> String {
    let identity = Identity { upstream: LOCAL.into(), subject: person.username.into() };
    Entry::of(&identity).as_str().to_owned()
}

/// Takes the way off that is not the local account's.
pub(crate) fn unlink_upstream(net: &Net, browser: &Browser<'_, Net>, person: Person) -> Response {
    let local = local_entry(person);
    let entry = buttons(net, browser).into_iter().find(|entry| *entry != local).unwrap();
    press(net, browser, "unlink", &entry)
}

/// Lets time pass, everywhere.
pub(crate) fn pass(net: &Net, seconds: u64) {
    let issuers = [Some(&net.issuer), Some(&*net.upstream), net.other.as_deref()];
    for issuer in issuers.into_iter().flatten() {
        issuer.inside().pass(seconds);
    }
}

/// Changes what an issuer says of somebody.
pub(crate) fn says(issuer: &Issuer, person: Person, change: impl Fn(&mut Map<String, Value>)) {
    issuer.inside().deploy_again(|settings| {
        let accounts = settings["ACCOUNTS"].as_array_mut().unwrap();
        let account = accounts.iter_mut().find(|known| known["username"] == person.username);
        change(account.unwrap().as_object_mut().unwrap());
    });
}
