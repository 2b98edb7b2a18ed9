//! The pages around a form that is kept. Each runs one script of ours at the most, which decides
//! nothing, and says in words what is so where scripts do not run.

use super::Kept;
use crate::auth::RESUME;
use crate::config::Config;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use shared::fetch::Response;
use shared::page::{escape, page, respond, respond_with_script, verbatim};

/// Puts the form into the tab, in place of what is there of earlier ones, and goes to sign in. If the
/// tab keeps nothing, the page stays, which says so.
const KEEP: &str = "\
const { name, kept, next } = document.currentScript.dataset;
try {
  for (const old of Object.keys(sessionStorage)) if (old.startsWith(\"gatelatch-form-\")) sessionStorage.removeItem(old);
  sessionStorage.setItem(name, kept);
  location.replace(next);
} catch {}
";
/// Hands over what is in the tab, if it is there.
const HAND_OVER: &str = "\
const [form] = document.forms;
try {
  form.elements.kept.value = sessionStorage.getItem(document.currentScript.dataset.name) ?? \"\";
} catch {}
if (form.elements.kept.value) form.submit();
";
/// Takes it out of the tab, and sends the form unless the person is to be asked. A field may be called
/// `submit` and would hide the function.
const SEND: &str = "\
const { name, send } = document.currentScript.dataset;
try {
  sessionStorage.removeItem(name);
} catch {}
if (send) HTMLFormElement.prototype.submit.call(document.forms[0]);
";

/// More of a path than this is not shown.
const LONGEST_SHOWN: usize = 120;

/// What a form is called in the tab.
#[must_use]
pub fn stored(name: &str) -> String {
    format!("gatelatch-form-{name}")
}

/// What the page that keeps a form is told.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'k> {
    /// What it is called in the tab.
    pub name: &'k str,
    /// It, sealed.
    pub kept: &'k str,
    /// Where to sign in.
    pub next: &'k str,
}

/// Says that what was sent to `path` went nowhere, because whoever sent it has to sign in first.
#[must_use]
pub fn not_sent(path: &str, login: &str, keep: Option<&Keep<'_>>) -> Response {
    let mut shown: String = path.chars().take(LONGEST_SHOWN).collect();
    if shown.len() < path.len() {
        shown.push('\u{2026}');
    }
    let (shown, login) = (escape(&shown), escape(login));
    let title = "Sign in first";
    let mut main = format!(
        "<h1>{title}</h1>\n\
         <p>What you sent to <b>{shown}</b> was not passed on: you are not signed in, or not in the way \
         that it needs. It can\u{2019}t be kept for you either. Go back and copy what you typed, \
         then sign in.</p>\n\
         <p><a class=\"button\" href=\"{login}\">Sign in</a></p>\n"
    );
    if let Some(Keep { name, kept, next }) = keep {
        main.push_str(&run(KEEP, &[("name", name), ("kept", kept), ("next", next)]));
    }
    let html = page(title, "", &main);
    let mut response = match keep {
        Some(_) => respond_with_script(StatusCode::UNAUTHORIZED, html, KEEP, "'self'"),
        None => respond(StatusCode::UNAUTHORIZED, html, None),
    };
    let challenge = HeaderValue::from_static("Cookie realm=\"gatelatch\"");
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    response
}

/// The page that somebody comes back to: it hands over the form of this name.
#[must_use]
pub fn hand_over(name: &str) -> Response {
    let main = format!(
        "{}<form method=\"post\" action=\"{RESUME}\">\n\
         <input type=\"hidden\" name=\"form\" value=\"{}\">\n\
         <input type=\"hidden\" name=\"kept\">\n\
         </form>\n{}",
        words(Said::Gone),
        escape(name),
        run(HAND_OVER, &[("name", &stored(name))]),
    );
    let html = page(Said::Gone.title(), "", &main);
    respond_with_script(StatusCode::OK, html, HAND_OVER, "'self'")
}

/// The page with the form in it. `by_itself`: whether it is known to be of who is signed in.
///
/// Where the application's answer leads on to is its own business, and Chromium would stop it at the
/// policy of this page: so forms may lead anywhere on the web, and there is but one form.
#[must_use]
pub fn send(config: &Config, name: &str, kept: &Kept, by_itself: bool) -> Response {
    let (title, text) = if by_itself {
        ("Sending what you entered\u{2026}", "If nothing happens, press the button.")
    } else {
        ("Send what you entered?", "You entered it before you signed in. It has not been sent yet.")
    };
    let field = |(field, value): (String, String)| {
        let (field, value) = (verbatim(&field), verbatim(&value));
        format!("<input type=\"hidden\" name=\"{field}\" value=\"{value}\">\n")
    };
    let fields: String = kept.fields().map(field).collect();
    let (stored, by_itself) = (stored(name), if by_itself { "1" } else { "" });
    let main = format!(
        "<h1>{title}</h1>\n<p>{text}</p>\n\
         <form method=\"post\" action=\"{}\" accept-charset=\"utf-8\">\n{fields}\
         <button class=\"primary\">Send</button>\n</form>\n{}",
        verbatim(&config.public_url.at(&kept.to)),
        run(SEND, &[("name", &stored), ("send", by_itself)]),
    );
    let everywhere = if config.public_url.is_development() { "https: http:" } else { "https:" };
    respond_with_script(StatusCode::OK, page(title, "", &main), SEND, everywhere)
}

/// Why a form is not sent again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Said {
    /// It is not there, too old, or was sent already.
    Gone,
    /// Another site wants it sent.
    CrossSite,
    /// Nobody is signed in.
    SignedOut,
    /// Whether somebody is cannot be told just now.
    Busy,
    /// Somebody else is.
    SomebodyElse,
}

impl Said {
    const fn title(self) -> &'static str {
        match self {
            Self::Gone => "Nothing is waiting to be sent",
            Self::CrossSite => "This request came from another site",
            Self::SignedOut => "You are not signed in",
            Self::Busy => "That did not work just now",
            Self::SomebodyElse => "Somebody else is signed in",
        }
    }

    const fn status(self) -> StatusCode {
        match self {
            Self::Gone => StatusCode::GONE,
            Self::CrossSite | Self::SomebodyElse => StatusCode::FORBIDDEN,
            Self::SignedOut => StatusCode::UNAUTHORIZED,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

fn words(said: Said) -> String {
    let text = match said {
        Said::Gone => {
            "What you entered was sent already, or it is more than ten minutes old, or it was \
             entered in another tab."
        }
        Said::CrossSite => "Nothing was sent.",
        Said::SignedOut => "What you entered has not been sent. Sign in, and it will be.",
        Said::Busy => "What you entered has not been sent. Wait a moment and reload this page.",
        Said::SomebodyElse => {
            "What was entered before is not yours, so it was not sent, and you are not shown it."
        }
    };
    format!("<h1>{}</h1>\n<p>{text}</p>\n", said.title())
}

/// Says that a form is not sent again, and leads on to `next`.
#[must_use]
pub fn refused(said: Said, next: &str) -> Response {
    let label = if said == Said::SignedOut { "Sign in" } else { "Go on" };
    let main = format!(
        "{}<p><a class=\"button\" href=\"{}\">{label}</a></p>\n",
        words(said),
        escape(next)
    );
    respond(said.status(), page(said.title(), "", &main), None)
}

/// A script with what it is told.
fn run(script: &str, told: &[(&str, &str)]) -> String {
    let told = told.iter().map(|(name, value)| format!(" data-{name}=\"{}\"", verbatim(value)));
    format!("<script{}>{script}</script>\n", told.collect::<String>())
}
