//! A browser: it keeps cookies and sends them, and otherwise does what it is told, one step at a
//! time. It follows no redirect by itself, so every step can be looked at, repeated or left out.

use crate::people::Person;
use crate::world::Issuer;
use http::header::{CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, RETRY_AFTER, SET_COOKIE};
use http::{HeaderValue, Method, StatusCode};
use shared::fetch::{Fetch, Request, Response};
use shared::form::encode;
use std::cell::RefCell;
use std::collections::BTreeMap;
use url::Url;

/// A browser on a network: an issuer, or a pair and everything around it.
#[derive(Debug)]
pub struct Browser<'n, N> {
    net: &'n N,
    /// By host and name. Ports share their host's cookies, as in browsers.
    cookies: RefCell<BTreeMap<(String, String), String>>,
}

/// A form of a page.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Form {
    /// Where it is posted, as written.
    pub action: String,
    /// Its fields and buttons that have a name, with their values.
    pub fields: Vec<(String, String)>,
}

/// Where a redirect leads, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reply {
    /// Without query and fragment.
    pub target: String,
    /// The parameters in the query, decoded, in order.
    pub parameters: Vec<(String, String)>,
    /// As it was sent.
    pub location: String,
}

impl<'n, N: Fetch> Browser<'n, N> {
    /// A browser that was never anywhere.
    pub fn new(net: &'n N) -> Self {
        Self { net, cookies: RefCell::default() }
    }

    /// Sends a request with the cookies of its host, and keeps what cookies come back.
    pub fn send(&self, mut request: Request) -> Response {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let cookies = self.header(&host);
        if !cookies.is_empty() {
            let value = HeaderValue::from_str(&cookies).expect("cookies are ASCII");
            request.headers_mut().insert(COOKIE, value);
        }
        self.exchange(request)
    }

    fn exchange(&self, request: Request) -> Response {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let answer = pollster::block_on(self.net.fetch(request)).expect("an answer");
        self.take(&host, &answer);
        answer
    }

    /// Keeps the cookies of an answer that came from a host.
    pub fn take(&self, host: &str, answer: &Response) {
        for line in answer.headers().get_all(SET_COOKIE) {
            self.keep(host, line.to_str().expect("cookies are ASCII"));
        }
    }

    /// Follows a link or a redirect, or goes where the person typed.
    pub fn get(&self, url: &str) -> Response {
        self.send(request(Method::GET, url))
    }

    /// Posts a form of a page of the same site.
    pub fn post(&self, url: &str, form: &[(&str, &str)]) -> Response {
        let origin = Url::parse(url).expect("a URL").origin().ascii_serialization();
        self.post_from(&origin, url, form)
    }

    /// Posts a form of a page of `origin`, which may be somebody else's: then the cookies, all of
    /// them `SameSite=Lax`, stay behind; what comes back is kept all the same.
    pub fn post_from(&self, origin: &str, url: &str, form: &[(&str, &str)]) -> Response {
        let mut request = posted(url, form);
        let same = Url::parse(url).expect("a URL").origin().ascii_serialization() == origin;
        let site = if same { "same-origin" } else { "cross-site" };
        let origin = HeaderValue::from_str(origin).expect("an origin");
        request.headers_mut().insert(ORIGIN, origin);
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static(site));
        if same { self.send(request) } else { self.exchange(request) }
    }

    /// Fills in a form of a page at `url` and sends it.
    pub fn submit(&self, url: &str, form: &Form, filled: &[(&str, &str)]) -> Response {
        let action = Url::parse(url).and_then(|url| url.join(&form.action)).expect("a URL");
        let mut fields: Vec<(&str, &str)> =
            form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.retain(|(name, _)| filled.iter().all(|(other, _)| other != name));
        fields.extend(filled);
        self.post(action.as_str(), &fields)
    }

    /// The value of a cookie.
    pub fn cookie(&self, host: &str, name: &str) -> Option<String> {
        self.cookies.borrow().get(&(host.to_owned(), name.to_owned())).cloned()
    }

    /// Plants or changes a cookie.
    pub fn plant(&self, host: &str, name: &str, value: &str) {
        self.cookies.borrow_mut().insert((host.to_owned(), name.to_owned()), value.to_owned());
    }

    /// The cookies of a host, as they are sent.
    pub fn header(&self, host: &str) -> String {
        let cookies = self.cookies.borrow();
        let ours = cookies.iter().filter(|((of, _), _)| of == host);
        ours.map(|((_, name), value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    /// Another browser with the same cookies.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self { net: self.net, cookies: RefCell::new(self.cookies.borrow().clone()) }
    }

    /// Every cookie has to have every attribute that protects it, or a browser would not take it.
    fn keep(&self, host: &str, line: &str) {
        let mut parts = line.split("; ");
        let (name, value) = parts.next().and_then(|pair| pair.split_once('=')).expect("a pair");
        let attributes: Vec<_> = parts.collect();
        assert!(name.starts_with("__Host-"), "{line}");
        for wanted in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(attributes.contains(&wanted), "{wanted} is missing: {line}");
        }
        assert!(!attributes.iter().any(|attribute| attribute.starts_with("Domain")), "{line}");
        assert!(line.len() < 4096, "no browser keeps so long a cookie");
        let key = (host.to_owned(), name.to_owned());
        if attributes.contains(&"Max-Age=0") {
            self.cookies.borrow_mut().remove(&key);
        } else {
            self.cookies.borrow_mut().insert(key, value.to_owned());
        }
    }
}

impl Browser<'_, Issuer> {
    /// Fills in the sign-in page that `page` is.
    pub fn sign_in(&self, page: &Response, person: Person) -> Response {
        let form = sign_in_form(page);
        let filled = [("username", person.username), ("password", person.password)];
        loop {
            let answer = self.submit(self.net.url(), &form, &filled);
            // Over HTTP other tests sign in as the same person at the same time, and until they
            // have succeeded the brake takes them for guesses.
            if answer.status() != StatusCode::TOO_MANY_REQUESTS || self.net.is_inside() {
                return answer;
            }
            let wait = answer.headers()[RETRY_AFTER].to_str().expect("a number").parse();
            let wait: u64 = wait.expect("a number");
            assert!(wait < 8, "{} is locked for {wait} s", person.username);
            std::thread::sleep(std::time::Duration::from_secs(wait));
        }
    }
}

impl<N: Fetch> Browser<'_, N> {
    /// Presses the button for a decision on the consent page that `page` is, of the issuer at `url`.
    pub fn decide(&self, url: &str, page: &Response, decision: &str) -> Response {
        assert!(is_consent(page), "not the consent page but {} {}", page.status(), gist(page));
        self.submit(url, &forms(page)[0], &[("decision", decision)])
    }
}

/// A request without a body.
pub fn request(method: Method, url: &str) -> Request {
    let mut request = Request::default();
    *request.method_mut() = method;
    *request.uri_mut() = url.parse().unwrap_or_else(|_| panic!("{url} is no URL"));
    request
}

/// A form, posted by nobody in particular.
pub fn posted(url: &str, form: &[(&str, &str)]) -> Request {
    let mut request = request(Method::POST, url);
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    *request.body_mut() = encode(form.iter().copied()).into_bytes();
    request
}

/// What an answer is about, for a person who reads why a test failed.
pub fn gist(answer: &Response) -> String {
    let text = String::from_utf8_lossy(answer.body());
    let heading = text.split_once("<h1>").and_then(|(_, rest)| rest.split_once("</h1>"));
    heading.map_or(text.clone(), |(heading, _)| heading.into()).chars().take(300).collect()
}

/// The page's text.
pub fn text(page: &Response) -> &str {
    std::str::from_utf8(page.body()).expect("pages are UTF-8")
}

/// The forms of a page, which are all posted.
pub fn forms(page: &Response) -> Vec<Form> {
    let forms = text(page).split("<form method=\"post\" ").skip(1);
    let form = |html: &str| {
        let html = html.split("</form>").next().expect("a first part");
        let tags =
            html.split('<').filter(|tag| tag.starts_with("input") || tag.starts_with("button"));
        let field = |tag: &str| {
            let tag = tag.split('>').next().expect("a first part");
            Some((attribute(tag, "name")?, attribute(tag, "value").unwrap_or_default()))
        };
        Form {
            action: attribute(&format!(" {html}"), "action").expect("a form says where it goes"),
            fields: tags.filter_map(field).collect(),
        }
    };
    forms.map(form).collect()
}

/// The form for a user name and a password.
pub fn sign_in_form(page: &Response) -> Form {
    let found = forms(page).into_iter().find(|form| form.action == "/sign-in");
    found.unwrap_or_else(|| panic!("not the sign-in page but {} {}", page.status(), gist(page)))
}

/// Whether a page asks whether a client may have something.
pub fn is_consent(page: &Response) -> bool {
    page.status() == StatusCode::OK && text(page).contains("value=\"allow\"")
}

/// Whether a page asks for a user name and a password.
pub fn is_sign_in(page: &Response) -> bool {
    page.status() == StatusCode::OK && text(page).contains("action=\"/sign-in\"")
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, value) = tag.split_once(&format!(" {name}=\""))?;
    let (value, _) = value.split_once('"')?;
    let plain = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#13;", "\r"),
        ("&#10;", "\n"),
        ("&amp;", "&"),
    ];
    Some(plain.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to)))
}

impl Reply {
    /// Takes a `303` apart; anything else fails the test.
    pub fn of(answer: &Response) -> Self {
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{}", gist(answer));
        assert_eq!(answer.headers().get_all(LOCATION).iter().count(), 1);
        let location = answer.headers()[LOCATION].to_str().expect("locations are ASCII").to_owned();
        assert!(!location.contains('#'), "nothing travels in a fragment: {location}");
        let (target, query) = location.split_once('?').unwrap_or((&location, ""));
        let parameters = url::form_urlencoded::parse(query.as_bytes());
        let parameters =
            parameters.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        Self { target: target.to_owned(), parameters, location }
    }

    /// Takes the page apart that posts an answer; anything else fails the test.
    pub fn posted(answer: &Response) -> Self {
        assert_eq!(answer.status(), StatusCode::OK, "{}", gist(answer));
        assert!(!answer.headers().contains_key(LOCATION), "two ways at once");
        let [form] = &forms(answer)[..] else { panic!("not one form: {}", gist(answer)) };
        let (target, location) = (form.action.clone(), form.action.clone());
        Self { target, parameters: form.fields.clone(), location }
    }

    /// The value of a parameter; sent twice, it fails the test.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(found, _)| found == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice: {}", self.location);
        first
    }

    /// The code; its absence fails the test.
    pub fn code(&self) -> String {
        assert_eq!(self.get("error"), None);
        self.get("code").expect("a code").to_owned()
    }
}
