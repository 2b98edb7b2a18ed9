//! `/auth/sessions` for a person: where they are signed in, and a button to end each. No script.

use super::sessions::Listed;
use super::{LOGOUT, SESSIONS};
use crate::config::{Config, Mode};
use http::StatusCode;
use serde_json::{Map, Value};
use shared::fetch::Response;
use shared::page::{ago, escape, name_or, page, respond};
use shared::time::UnixTime;

/// The page about these sessions, of somebody with these claims. Signing out leads on to the issuer.
#[must_use]
pub(super) fn own(
    config: &Config,
    claims: &Map<String, Value>,
    sessions: &[Listed],
    now: UnixTime,
) -> Response {
    let called = ["name", "preferred_username", "email"].iter().find_map(|name| claims.get(*name));
    let called = called.and_then(Value::as_str).map_or(String::new(), |name| {
        format!("<p class=\"host\">Signed in as <b>{}</b></p>\n", name_or(name, "you"))
    });
    let rows: String = sessions.iter().map(|session| row(session, now)).collect();
    let others = if sessions.len() > 1 {
        format!(
            "<form method=\"post\" action=\"{SESSIONS}\"><button>Sign out everywhere else</button>\
             </form>\n{}",
            lag(config)
        )
    } else {
        String::new()
    };
    let title = "Where you\u{2019}re signed in";
    let providers = config.providers.iter().map(|one| one.client.issuer.as_str());
    let main = format!("<h1>{title}</h1>\n{called}<ul class=\"list\">\n{rows}</ul>\n{others}");
    respond(StatusCode::OK, page(title, "", &main), providers)
}

/// How long another browser may go on, where that is not nothing.
fn lag(config: &Config) -> String {
    let seconds = config.believed_seconds();
    if seconds == 0 || !matches!(config.mode, Mode::Hybrid | Mode::Kv) {
        return String::new();
    }
    format!("<p class=\"note\">A browser that you sign out may go on for {seconds} seconds.</p>\n")
}

fn row(session: &Listed, now: UnixTime) -> String {
    let Listed { id, current, agent, opened_at, seen_at, ends_at: _ } = session;
    let (this, action, label) = if *current {
        let this = " <span class=\"tag\">this browser</span>";
        (this, LOGOUT.to_owned(), "Sign out here".to_owned())
    } else {
        ("", format!("{SESSIONS}/{id}"), format!("Sign out {agent}"))
    };
    let used = seen_at.map_or(String::new(), |at| format!(", used {}", ago(now.since(at))));
    format!(
        "<li><div><b>{}</b>{this}<br><span class=\"note\">Signed in {}{used}</span></div>\n\
         <form method=\"post\" action=\"{action}\"><button aria-label=\"{}\">Sign out</button></form>\
         </li>\n",
        escape(agent),
        ago(now.since(*opened_at)),
        escape(&label),
    )
}
