//! The Content-Security-Policy of the pages, and the response that carries it.

use super::STYLE;
use crate::fetch::Response;
use crate::respond;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, StatusCode};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::LazyLock;
use url::{Host, Url};

/// What holds for every page.
pub(super) static STRICT: LazyLock<String> = LazyLock::new(|| {
    let style = hash(STYLE);
    format!("default-src 'none'; style-src {style}; base-uri 'none'; frame-ancestors 'none'")
});

/// The source expression that allows what is between the tags, byte for byte.
pub(super) fn hash(inline: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(inline)))
}

/// The policy of a page: no script, no frame around it, no style but ours, and forms that go
/// nowhere but here (UI-06).
///
/// Chromium puts `form-action` to every redirect that follows a form, not only to the form itself.
/// A page whose form is answered by a redirect to a client therefore allows that client's
/// `redirect_uri`, and where that is `https`, every other `https` host too: the client's own callback
/// may lead on to hosts that we have never heard of, as that of another identity provider does. What
/// leads through unknown hosts before it reaches the client is answered with a page that goes on by itself.
#[must_use]
pub fn policy<'a>(redirect_uris: impl IntoIterator<Item = &'a str>) -> String {
    policy_with_picture(redirect_uris, None)
}

/// The policy of a page that shows one picture of somebody else's, at `picture`: pictures of that
/// origin are allowed besides our icon, which is `data:`.
fn policy_with_picture<'a>(
    redirect_uris: impl IntoIterator<Item = &'a str>,
    picture: Option<&str>,
) -> String {
    let spaced = |source: Option<String>| source.map(|source| format!(" {source}"));
    let pictures = spaced(picture.and_then(picture_origin)).unwrap_or_default();
    let forms: BTreeSet<_> =
        redirect_uris.into_iter().filter_map(|uri| spaced(source(uri))).collect();
    let forms: String = forms.into_iter().collect();
    format!("{}; img-src data:{pictures}; form-action 'self'{forms}", *STRICT)
}

/// The origin of a picture that a page may show, as a source expression: `https` at a host that the
/// grammar of sources can name, and nothing else.
#[must_use]
pub fn picture_origin(address: &str) -> Option<String> {
    let url = Url::parse(address).ok().filter(|url| url.scheme() == "https")?;
    let named = match url.host()? {
        Host::Domain(host) => is_plain(host),
        Host::Ipv4(_) => true,
        Host::Ipv6(_) => false,
    };
    named.then(|| url.origin().ascii_serialization())
}

/// Whether the grammar of sources knows a host name: `_` and `*` it does not.
fn is_plain(host: &str) -> bool {
    host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
}

/// The source expression that allows `uri`, CSP Level 3 §2.3.1. Put together from the parts that
/// the URL parser understood, none of which can end the expression or the directive.
pub(super) fn source(uri: &str) -> Option<String> {
    let url = Url::parse(uri).ok()?;
    let scheme = url.scheme();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    match (scheme, url.host()) {
        ("https", Some(_)) => Some("https:".to_owned()),
        ("http", Some(Host::Domain(host))) if is_plain(host) => {
            Some(format!("{scheme}://{host}{port}"))
        }
        ("http", Some(Host::Ipv4(host))) => Some(format!("{scheme}://{host}{port}")),
        // These run or show what the URI says; no client is sent there.
        ("javascript" | "data" | "blob" | "file" | "about", _) => None,
        // There is no expression for an IPv6 host, an odd name or what has no host: the scheme it
        // is, made of letters, digits, `+`, `-` and `.` (RFC 3986 §3.1).
        _ => Some(format!("{scheme}:")),
    }
}

/// A page as a response, with [`policy`] and the other headers a page must not be without.
#[must_use]
pub fn respond<'a>(
    status: StatusCode,
    page: String,
    redirect_uris: impl IntoIterator<Item = &'a str>,
) -> Response {
    respond_with_picture(status, page, redirect_uris, None)
}

/// The same for a page that shows the picture at `picture`, if [`picture_origin`] has an origin for
/// it.
#[must_use]
pub fn respond_with_picture<'a>(
    status: StatusCode,
    page: String,
    redirect_uris: impl IntoIterator<Item = &'a str>,
    picture: Option<&str>,
) -> Response {
    /// Stands if the real one could not be sent: it forbids even our own style.
    const STRICTEST: &str = "default-src 'none'; base-uri 'none'; form-action 'self'; \
                             frame-ancestors 'none'";
    let mut response = respond::html(status, page, STRICTEST);
    if let Ok(policy) = HeaderValue::from_str(&policy_with_picture(redirect_uris, picture)) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// The same for a page that runs `script`, one of ours that stands in it between its tags, byte for
/// byte. `forms`: the source expressions of where its forms may lead.
#[must_use]
pub fn respond_with_script(
    status: StatusCode,
    page: String,
    script: &str,
    forms: &str,
) -> Response {
    let mut response = respond::html(status, page, "default-src 'none'");
    let script = hash(script);
    let policy = format!("{}; img-src data:; form-action {forms}; script-src {script}", *STRICT);
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The directives by name; a name may stand only once.
    fn directives(policy: &str) -> Vec<(&str, &str)> {
        let mut directives: Vec<_> =
            policy.split(';').map(|one| one.trim().split_once(' ').unwrap()).collect();
        directives.sort_unstable();
        directives
    }

    #[test]
    fn ui_06_the_hash_in_the_policy_is_the_hash_of_the_style_in_the_page() {
        let page = super::super::page("Title", "", "");
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = STANDARD.encode(Sha256::digest(style));
        let policy = policy(None);
        assert!(directives(&policy).contains(&("style-src", &format!("'sha256-{hash}'"))));
    }

    #[test]
    fn ui_06_fd_32_nothing_is_allowed_but_our_style_our_icon_and_forms_to_us() {
        let policy = policy(None);
        let rest: Vec<_> =
            directives(&policy).into_iter().filter(|(name, _)| *name != "style-src").collect();
        let wanted = [
            ("base-uri", "'none'"),
            ("default-src", "'none'"),
            ("form-action", "'self'"),
            ("frame-ancestors", "'none'"),
            ("img-src", "data:"),
        ];
        assert_eq!(rest, wanted);
    }

    #[test]
    fn ui_06_a_form_may_lead_to_the_clients_redirect_uri() {
        for (uri, source) in [
            ("https://rp.example/cb?x=1", "https:"),
            ("https://rp.example:8443/cb", "https:"),
            ("http://127.0.0.1:50123/cb", "http://127.0.0.1:50123"),
            ("http://localhost:3000/cb", "http://localhost:3000"),
            ("http://[::1]:50123/cb", "http:"),
            ("com.example.app:/cb", "com.example.app:"),
            ("com.example.app://cb", "com.example.app:"),
        ] {
            let policy = policy(Some(uri));
            let wanted = format!("'self' {source}");
            assert!(directives(&policy).contains(&("form-action", &wanted)), "{uri}: {policy}");
        }
    }

    #[test]
    fn ui_06_no_redirect_uri_adds_a_directive_or_opens_the_policy() {
        for uri in [
            "https://a.example; script-src *",
            "https://a.example;script-src/cb",
            "https://*.example/cb",
            "https://*/cb",
            "https://a.example, default-src *",
            "x;script-src:*",
            "*",
            "'unsafe-inline'",
            "javascript:alert(1)",
            "data:text/html,x",
            "https://a.example\r\nSet-Cookie: a=b",
            "",
        ] {
            let policy = policy(Some(uri));
            assert_eq!(directives(&policy).len(), 6, "{uri}: {policy}");
            let (_, targets) = policy.rsplit_once("form-action ").unwrap();
            let harmless = |text: &str| !text.contains(['*', ',', ';']) && text.len() < 40;
            assert!(harmless(targets), "{uri}: {policy}");
            assert!(!policy.contains("unsafe"), "{uri}: {policy}");
            assert!(HeaderValue::from_str(&policy).is_ok(), "{uri}: {policy}");
        }
    }

    #[test]
    fn ui_05_ui_06_pictures_are_shown_of_one_https_origin_and_of_no_other() {
        for (picture, sources) in [
            ("https://rp.example/logo.png?x=1", "data: https://rp.example"),
            ("https://rp.example:8443/logo.png", "data: https://rp.example:8443"),
            ("https://192.0.2.1/logo.png", "data: https://192.0.2.1"),
            ("http://127.0.0.1/logo.png", "data:"),
            ("https://[2001:db8::1]/logo.png", "data:"),
            ("https://a_b.example/logo.png", "data:"),
            ("https://*.example/logo.png", "data:"),
            ("https://a.example; script-src *", "data:"),
            ("data:image/svg+xml,x", "data:"),
            ("javascript:alert(1)", "data:"),
            ("", "data:"),
        ] {
            let policy = policy_with_picture(Some("https://rp.example/cb"), Some(picture));
            assert!(directives(&policy).contains(&("img-src", sources)), "{picture}: {policy}");
            assert_eq!(directives(&policy).len(), 6, "{picture}: {policy}");
        }
    }

    #[test]
    fn ui_06_ui_08_ui_12_fd_32_a_page_goes_out_with_all_its_headers() {
        let response = respond(StatusCode::OK, "page".to_owned(), Some("https://rp.example/cb"));
        let header = |name: &str| response.headers()[name].to_str().unwrap();
        let ours = policy(Some("https://rp.example"));
        for (name, value) in [
            ("content-security-policy", &*ours),
            ("content-type", "text/html; charset=utf-8"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(header(name), value);
        }
        assert_eq!(response.headers().get_all("content-security-policy").iter().count(), 1);
    }
}
