//! Pages with the widget of Cloudflare Turnstile: the only ones that run somebody else's script, and
//! the only ones that allow it.

use super::policy::{STRICT, hash, source};
use crate::fetch::Response;
use crate::respond;
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, StatusCode};

/// Whose script it is.
pub const HOST: &str = "https://challenges.cloudflare.com";

/// The widget's script, which draws a widget into every element of its class.
const API: &str = "<script src=\"https://challenges.cloudflare.com/turnstile/v0/api.js\" async \
                   defer></script>\n";

/// Everything else that such a page runs: who has passed need not press the button. The widget calls
/// [`PASSED`] once it has put its token into the form.
const SCRIPT: &str = "function passed(){document.forms[0].submit()}";

/// What the widget's `data-callback` has to be.
pub const PASSED: &str = "passed";

/// The scripts of the page, for the end of it.
#[must_use]
pub fn scripts() -> String {
    format!("<script>{SCRIPT}</script>\n{API}")
}

/// Such a page as a response. Its policy allows the widget what Cloudflare says that it needs: its
/// script, its frame, and a request to this site for who uses pre-clearance. `redirect_uris` as in
/// [`super::respond`].
#[must_use]
pub fn respond<'a>(
    status: StatusCode,
    page: String,
    redirect_uris: impl IntoIterator<Item = &'a str>,
) -> Response {
    let mut response = respond::html(status, page, "default-src 'none'");
    let forms: String =
        redirect_uris.into_iter().filter_map(source).map(|source| format!(" {source}")).collect();
    let policy = format!(
        "{}; img-src data:; form-action 'self'{}; script-src {} {HOST}; frame-src {HOST}; \
         connect-src 'self'",
        *STRICT,
        forms,
        hash(SCRIPT),
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ui_06_the_widget_is_allowed_its_script_and_its_frame_and_nothing_else_is() {
        let response = respond(StatusCode::FORBIDDEN, scripts(), Some("https://idp.test"));
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        let directives: Vec<_> = policy.split("; ").skip(4).collect();
        let wanted = [
            "img-src data:",
            "form-action 'self' https:",
            &format!("script-src {} https://challenges.cloudflare.com", hash(SCRIPT)),
            "frame-src https://challenges.cloudflare.com",
            "connect-src 'self'",
        ];
        assert_eq!(directives, wanted);
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
        let body = String::from_utf8(response.body().clone()).unwrap();
        assert_eq!(body.matches("<script").count(), 2);
        assert!(body.contains(&format!("<script>{SCRIPT}</script>")));
        assert!(SCRIPT.contains(&format!("function {PASSED}(")));
        for (name, value) in [("cache-control", "no-store"), ("x-frame-options", "DENY")] {
            assert_eq!(response.headers()[name], value);
        }
    }
}
