//! As much of a browser as signing in takes: cookies, a form, and one step at a time.

use crate::Failed;
use crate::wire::Wire;
use http::Method;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use oauth2::{HttpRequest, HttpResponse};
use std::collections::BTreeMap;
use url::Url;
use url::form_urlencoded::Serializer;

/// A browser with an empty jar.
#[derive(Debug)]
pub struct Browser<'w> {
    wire: &'w Wire,
    cookies: BTreeMap<String, String>,
}

impl<'w> Browser<'w> {
    /// Nobody is signed in in it.
    #[must_use]
    pub const fn new(wire: &'w Wire) -> Self {
        Self { wire, cookies: BTreeMap::new() }
    }

    /// Opens the authorization URL, fills in the form there, and says where the issuer sends the
    /// browser then.
    ///
    /// # Errors
    /// If there is no form, or no redirect.
    pub fn sign_in(
        &mut self,
        authorize: &Url,
        (username, password): (&str, &str),
    ) -> Result<Url, Failed> {
        let page = self.send(Method::GET, authorize, None)?;
        let page = String::from_utf8(page.into_body())?;
        let interaction = hidden(&page, "interaction").ok_or("the sign-in page has no form")?;
        let form = Serializer::new(String::new())
            .append_pair("interaction", interaction)
            .append_pair("username", username)
            .append_pair("password", password)
            .finish();
        let answer = self.send(Method::POST, &authorize.join("/sign-in")?, Some(form))?;
        location(&answer, authorize)
    }

    /// Opens the authorization URL and says where the issuer sends the browser at once.
    ///
    /// # Errors
    /// If there is no redirect.
    pub fn pass(&mut self, authorize: &Url) -> Result<Url, Failed> {
        let answer = self.send(Method::GET, authorize, None)?;
        location(&answer, authorize)
    }

    fn send(
        &mut self,
        method: Method,
        url: &Url,
        form: Option<String>,
    ) -> Result<HttpResponse, Failed> {
        let jar: Vec<_> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = http::Request::builder().method(method).uri(url.as_str());
        request = request.header(ACCEPT, "text/html");
        if !jar.is_empty() {
            request = request.header(COOKIE, jar.join("; "));
        }
        if form.is_some() {
            request = request.header(ORIGIN, url.origin().ascii_serialization());
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let request: HttpRequest = request.body(form.unwrap_or_default().into_bytes())?;
        let answer = self.wire.send(request)?;
        for line in answer.headers().get_all(SET_COOKIE) {
            let pair = line.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        Ok(answer)
    }
}

/// The value of a hidden field. What is sealed needs no unescaping.
fn hidden<'p>(page: &'p str, name: &str) -> Option<&'p str> {
    let (_, rest) = page.split_once(&format!("name=\"{name}\" value=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn location(answer: &HttpResponse, base: &Url) -> Result<Url, Failed> {
    let Some(location) = answer.headers().get(LOCATION) else {
        return Err(format!("answered {} instead of a redirect", answer.status()).into());
    };
    Ok(base.join(location.to_str()?)?)
}
