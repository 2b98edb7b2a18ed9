//! OAuth 2.0 Form Post Response Mode: a page whose form carries an authorization response to the
//! client, sent by the one script of ours, or by the person where scripts do not run.

use super::escape::verbatim;
use super::policy::{respond_with_script, source};
use super::{name_or, page};
use crate::fetch::Response;
use crate::respond;
use http::StatusCode;
use http::header::REFERRER_POLICY;

/// Everything that this page runs; its hash stands in the policy, so nothing else does. No field of
/// ours is called `submit`, which would hide the function.
const SCRIPT: &str = "document.forms[0].submit()";

/// A page that posts `fields` to `action`, a verified redirect URI of whoever `name` names.
///
/// The policy lets it lead where the sign-in page's forms may lead, for the same reason, but for
/// ourselves: Chromium stops the redirects of the client's answer too, after the code has been used.
#[must_use]
pub fn form_post(action: &str, name: &str, fields: &[(&str, &str)]) -> Response {
    let field = |(name, value): &(&str, &str)| {
        let (name, value) = (verbatim(name), verbatim(value));
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n")
    };
    let fields: String = fields.iter().map(field).collect();
    let name = name_or(name, "the application");
    let title = name.replace("<bdi>", "").replace("</bdi>", "");
    let main = format!(
        "<h1>Taking you to {name}\u{2026}</h1>\n\
         <p>If nothing happens, press the button.</p>\n\
         <form method=\"post\" action=\"{}\">\n{fields}\
         <button class=\"primary\">Continue</button>\n\
         </form>\n\
         <script>{SCRIPT}</script>\n",
        verbatim(action),
    );
    let body = page(&format!("Going to {title}"), "", &main);
    // Where no expression says the redirect URI, nothing is sent.
    let target = source(action).unwrap_or_else(|| "'none'".to_owned());
    let mut response = respond_with_script(StatusCode::OK, body, SCRIPT, &target);
    respond::put(&mut response, REFERRER_POLICY, "no-referrer");
    response
}

#[cfg(test)]
mod tests {
    use super::super::policy::hash;
    use super::*;

    fn header<'r>(response: &'r Response, name: &str) -> &'r str {
        response.headers()[name].to_str().unwrap()
    }

    fn body(response: &Response) -> &str {
        std::str::from_utf8(response.body()).unwrap()
    }

    #[test]
    fn az_06_the_page_runs_one_script_and_posts_to_the_redirect_uri_alone() {
        for (action, source) in [
            ("https://rp.example/cb?x=1&y=2", "https:"),
            ("http://127.0.0.1:50123/cb", "http://127.0.0.1:50123"),
            ("http://[::1]:50123/cb", "http:"),
            ("com.example.app:/cb", "com.example.app:"),
            ("javascript:alert(1)", "'none'"),
        ] {
            let response = form_post(action, "Notes", &[("code", "c")]);
            let policy = header(&response, "content-security-policy");
            let (_, rest) = policy.split_once("form-action ").unwrap();
            assert_eq!(rest, format!("{source}; script-src {}", hash(SCRIPT)));
            assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
            for once in ["<form", "<script>", "<button", "method=\"post\""] {
                assert_eq!(body(&response).matches(once).count(), 1, "{once}");
            }
        }
        let response = form_post("https://rp.example/cb?x=1&y=2", "Notes", &[("code", "c")]);
        assert!(body(&response).contains("action=\"https://rp.example/cb?x=1&amp;y=2\""));
        assert!(body(&response).contains("name=\"code\" value=\"c\""));
    }

    #[test]
    fn az_06_nothing_that_comes_from_outside_becomes_markup() {
        let shape = |text: &str| {
            let response = form_post("https://rp.example/cb", text, &[("state", text)]);
            let page = body(&response);
            (page.matches('<').count(), page.matches('"').count())
        };
        for payload in ["\"><script>alert(1)</script>", "</form><form action=//evil>", "'\"<!--"] {
            assert_eq!(shape(payload), shape("x"), "{payload}");
        }
    }

    #[test]
    fn az_06_az_35_nobody_keeps_the_page_frames_it_or_learns_where_it_was() {
        let response = form_post("https://rp.example/cb", "Notes", &[("code", "c")]);
        for (name, value) in [
            ("cache-control", "no-store"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("x-content-type-options", "nosniff"),
            ("content-type", "text/html; charset=utf-8"),
        ] {
            assert_eq!(header(&response, name), value);
        }
        assert_eq!(response.status(), StatusCode::OK);
    }
}
