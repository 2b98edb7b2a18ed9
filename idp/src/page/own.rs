//! The person's own page: their browsers, how they sign in there, and their applications.

use super::Ways;
use crate::account::{App, Overview, Seen};
use shared::page::{ago, escape, name_or, page};
use shared::time::UnixTime;

/// What the page shows.
#[derive(Clone, Copy, Debug)]
pub struct OwnPage<'a> {
    /// How things stand.
    pub overview: &'a Overview,
    /// What the clients of `overview.apps` are called, in the same order.
    pub names: &'a [String],
    /// The ways to sign in.
    pub ways: Ways<'a>,
    /// The account's name: its `sub`.
    pub account: &'a str,
    /// Now.
    pub now: UnixTime,
}

/// The page.
#[must_use]
pub fn own(view: &OwnPage<'_>) -> String {
    let OwnPage { overview, names, ways, account, now } = *view;
    let person = name_or(&overview.name, "you");
    let sessions: String = overview.sessions.iter().map(|seen| session(seen, now)).collect();
    let apps: String =
        overview.apps.iter().zip(names).map(|(client, name)| app(client, name, now)).collect();
    let others = if overview.sessions.len() > 1 {
        button("end", "others", "", "Sign out all other browsers")
    } else {
        String::new()
    };
    let apps = if apps.is_empty() {
        "<p class=\"note\">No application may act for you right now.</p>\n".to_owned()
    } else {
        format!("<ul class=\"list\">\n{apps}</ul>\n")
    };
    let everything =
        button("end", "everything", "", "Sign out everywhere and remove all applications");
    page(
        "Your account",
        "",
        &format!(
            "<h1>Your account</h1>\n<p class=\"host\">Signed in as <b>{person}</b></p>\n\
             <h2>Where you\u{2019}re signed in</h2>\n<ul class=\"list\">\n{sessions}</ul>\n{others}\
             {}\
             <h2>Applications that may act for you</h2>\n{apps}\
             <h2>Lost a device?</h2>\n\
             <p class=\"note\">This ends everything above at once, here too.</p>\n{everything}\
             <p class=\"id\"><span>Account</span> <code>{}</code></p>\n",
            ways.section(now),
            escape(account)
        ),
    )
}

fn session(seen: &Seen, now: UnixTime) -> String {
    let this = if seen.is_this { " <span class=\"tag\">this browser</span>" } else { "" };
    let (what, label) = (seen.id.to_string(), format!("Sign out {}", seen.agent));
    format!(
        "<li><div><b>{}</b>{this}<br><span class=\"note\">Signed in {}, used {}</span></div>\n{}</li>\n",
        escape(&seen.agent),
        ago(now.since(seen.opened_at)),
        ago(now.since(seen.used_at)),
        button("session", &what, &label, "Sign out"),
    )
}

fn app(app: &App, name: &str, now: UnixTime) -> String {
    let label = format!("Remove {name}");
    let allowed = app
        .consent
        .as_ref()
        .map_or(String::new(), |consent| format!("Allowed {}. ", ago(now.since(consent.since))));
    let stays = if app.offline { ", also while you\u{2019}re signed out" } else { "" };
    format!(
        "<li><div><b>{}</b><br><span class=\"note\">{allowed}Last used {}{stays}</span></div>\n{}</li>\n",
        name_or(name, "An application"),
        ago(now.since(app.used_at)),
        button("app", &app.client_id, &label, "Remove"),
    )
}

/// A form that is one button. `label` tells it from its neighbours for who cannot see them.
pub(super) fn button(name: &str, value: &str, label: &str, words: &str) -> String {
    let label =
        if label.is_empty() { String::new() } else { format!(" aria-label=\"{}\"", escape(label)) };
    format!(
        "<form method=\"post\" action=\"/account\">\
         <button name=\"{name}\" value=\"{}\"{label}>{words}</button></form>\n",
        escape(value)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Consented;
    use crate::resource::Resources;
    use shared::scope::Scope;
    use uuid::Uuid;

    const NOON: UnixTime = UnixTime(1_800_000_000);

    fn shown(name: &str) -> String {
        let seen = |byte, is_this| Seen {
            id: Uuid::from_bytes([byte; 16]),
            is_this,
            agent: "Firefox on Linux".into(),
            opened_at: NOON.minus(7_200),
            used_at: NOON,
        };
        let (used_at, since) = (NOON.minus(86_400), NOON.minus(172_800));
        let consent = Some(Consented {
            scope: Scope::default(),
            resources: Resources::default(),
            since,
            last: used_at,
        });
        let app = App { client_id: "notes".into(), used_at, offline: true, consent };
        let overview = Overview {
            name: "Alice".into(),
            sessions: vec![seen(1, true), seen(2, false)],
            apps: vec![app],
            ..Overview::default()
        };
        let names = [name.to_owned()];
        let ways = Ways { listed: &[], labels: &[], upstreams: &[] };
        own(&OwnPage { overview: &overview, names: &names, ways, account: "sub", now: NOON })
    }

    #[test]
    fn everything_that_is_listed_can_be_ended_by_a_button_of_its_own() {
        let page = shown("Notes");
        for value in [Uuid::from_bytes([1; 16]).to_string(), Uuid::from_bytes([2; 16]).to_string()]
        {
            assert!(page.contains(&format!("name=\"session\" value=\"{value}\"")));
        }
        assert!(page.contains("name=\"app\" value=\"notes\" aria-label=\"Remove Notes\""));
        assert_eq!(page.matches("this browser").count(), 1);
        assert!(page.contains("Signed in 2 hours ago, used just now"));
        assert!(page.contains("Allowed 2 days ago. Last used 1 day ago, also while"));
    }

    #[test]
    fn ui_04_a_clients_name_is_text_wherever_it_stands() {
        let page = shown("\"><script>alert(1)</script>");
        assert!(!page.contains("<script") && !page.contains("\"\">"));
    }
}
