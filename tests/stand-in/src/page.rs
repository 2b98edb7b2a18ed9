//! The pages. They say plainly that nobody signs in anywhere here.

use crate::Preset;
use crate::instance::Instance;
use crate::person::Person;
use crate::reply::{self, Response};
use std::fmt::Write;

const STYLE: &str = include_str!("style.css");

fn frame(status: u16, preset: Preset, title: &str, main: &str) -> Response {
    let name = preset.name();
    reply::html(
        status,
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <title>{title} \u{2013} {name} stand-in</title>\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <main>\n<p class=\"banner\"><strong>This is a stand-in for {name},</strong> \
             to test and to try with. Nobody has an account here, and there are no passwords.</p>\n\
             <h1>{title}</h1>\n{main}</main>\n</body>\n</html>\n"
        ),
    )
}

/// Everybody, to choose from.
pub(crate) fn choice(
    instance: &Instance,
    action: &str,
    client: &str,
    hint: Option<&str>,
) -> Response {
    let hinted = hint.and_then(|hint| Person::find(instance.preset, hint));
    let mut people: Vec<_> = Person::known(instance.preset).collect();
    people.sort_by_key(|person| hinted != Some(*person));
    let mut buttons = String::new();
    for person in people {
        let focus = if hinted == Some(person) { " autofocus" } else { "" };
        let _ = writeln!(
            buttons,
            "<li><button name=\"person\" value=\"{key}\"{focus}><span class=\"name\">{name}</span> \
             <span class=\"email\">{email}</span> <span class=\"note\">{note}</span></button></li>",
            key = person.key,
            name = escape(&person.full_name()),
            email = escape(person.email().map_or("", |(email, _)| email)),
            note = escape(person.note),
        );
    }
    let main = format!(
        "<p>Who signs in to <strong>{}</strong>?</p>\n\
         <form method=\"post\" action=\"{}\">\n<ul class=\"people\">\n{buttons}</ul>\n\
         <p><button class=\"deny\" name=\"deny\" value=\"deny\">Deny</button></p>\n</form>\n",
        escape(client),
        escape(&format!("/{}{action}", instance.place)),
    );
    frame(200, instance.preset, "Choose a person", &main)
}

/// A request that cannot be sent back to anybody.
pub(crate) fn problem(preset: Preset, status: u16, text: &str) -> Response {
    frame(status, preset, "This request is not right", &format!("<p>{}</p>\n", escape(text)))
}

/// Nobody said who signs out.
pub(crate) fn confirm_sign_out(preset: Preset) -> Response {
    let main = "<p>The request says neither who signs out nor from where. Here the real one asks \
                the person whether they want to.</p>\n";
    frame(200, preset, "Do you want to sign out?", main)
}

/// Nobody is signed in any more.
pub(crate) fn signed_out(preset: Preset) -> Response {
    frame(200, preset, "You are signed out", "<p>This window can be closed.</p>\n")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}
