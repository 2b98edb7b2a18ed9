//! Cloudflare Turnstile: the widget, as far as a token comes out of it, and the service that says what a
//! token is worth. Below `/turnstile`:
//!
//! | request | what it does |
//! |---|---|
//! | `POST v0/siteverify` | what the service does, for a form or JSON |
//! | `POST _token` | a [`Widget`] in JSON: what passing its challenge gives, `{"token"}` |
//! | `PUT _faults` | arranges a JSON list of [`Fault`]s for the next requests to the service |

use crate::ask::Ask;
use crate::fault::Fault;
use crate::reply::{self, Response};
use crate::spoil::{self, Answer};
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// The widgets that are registered: site key and secret. Every host at loopback or below `.test` is theirs.
pub const WIDGETS: [(&str, &str); 2] = [
    ("0x4AAAAAAAstandin", "0x4AAAAAAAstandin-secret"),
    ("0x4AAAAAAAanother", "0x4AAAAAAAanother-secret"),
];

/// What the widgets for tests give, and secrets for tests take.
pub const DUMMY: &str = "XXXX.DUMMY.TOKEN.XXXX";

/// How long a token is good, in seconds.
const LIFE: u64 = 300;
/// A longer one is none.
const LONGEST: usize = 2048;

/// A widget on a page, with its attributes.
#[derive(Clone, Debug, Deserialize)]
pub struct Widget {
    /// `data-sitekey`.
    pub sitekey: String,
    /// The page's host, without its port.
    pub hostname: String,
    /// `data-action`.
    #[serde(default)]
    pub action: String,
    /// `data-cdata`.
    #[serde(default)]
    pub cdata: String,
}

/// What the next request gets in place of an answer, or as one.
#[derive(Debug)]
enum Next {
    Fault(Fault),
    Says(Value),
}

#[derive(Debug)]
struct Issued {
    widget: Widget,
    at: u64,
    used: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Siteverify {
    issued: BTreeMap<String, Issued>,
    next: VecDeque<Next>,
    asked: Vec<BTreeMap<String, String>>,
}

impl Siteverify {
    pub(crate) fn answer(&mut self, ask: &Ask<'_>) -> Answer {
        let whole = |status, body: &Value| Answer::Response(reply::json(status, body));
        match (ask.path, ask.method) {
            ("/v0/siteverify", &Method::POST) => self.service(ask),
            ("/v0/siteverify", _) => Answer::Response(reply::empty(405)),
            ("/_token", &Method::POST) => {
                let widget = ask.json.clone().and_then(|json| serde_json::from_value(json).ok());
                match widget {
                    Some(widget) => whole(200, &json!({ "token": self.token(widget, ask.now) })),
                    None => whole(400, &json!({})),
                }
            }
            ("/_faults", &Method::PUT) => {
                let faults: Option<Vec<Fault>> =
                    ask.json.clone().and_then(|json| serde_json::from_value(json).ok());
                let Some(faults) = faults else { return whole(400, &json!({})) };
                self.next.extend(faults.into_iter().map(Next::Fault));
                Answer::Response(reply::empty(204))
            }
            _ => Answer::Response(reply::not_found()),
        }
    }

    /// What passing the challenge of a widget gives.
    pub(crate) fn token(&mut self, widget: Widget, now: u64) -> String {
        if WIDGETS.iter().all(|(sitekey, _)| *sitekey != widget.sitekey) {
            return DUMMY.to_owned();
        }
        let token = format!("0.{}.{}", "standin-".repeat(40), self.issued.len());
        self.issued.insert(token.clone(), Issued { widget, at: now, used: false });
        token
    }

    pub(crate) fn fault(&mut self, fault: Fault) {
        self.next.push_back(Next::Fault(fault));
    }

    pub(crate) fn say(&mut self, answer: Value) {
        self.next.push_back(Next::Says(answer));
    }

    pub(crate) fn asked(&self) -> Vec<BTreeMap<String, String>> {
        self.asked.clone()
    }

    fn service(&mut self, ask: &Ask<'_>) -> Answer {
        let names = ["secret", "response", "remoteip", "idempotency_key"];
        let sent =
            names.iter().filter_map(|name| Some(((*name).to_owned(), ask.body(name)?.to_owned())));
        self.asked.push(sent.collect());
        match self.next.pop_front() {
            None => Answer::Response(self.verify(ask)),
            Some(Next::Says(answer)) => Answer::Response(reply::json(200, &answer)),
            Some(Next::Fault(fault)) => spoil::instead(&fault)
                .unwrap_or_else(|| spoil::on_the_way(&fault, self.verify(ask))),
        }
    }

    fn verify(&mut self, ask: &Ask<'_>) -> Response {
        if ask.form.is_none() && ask.json.is_none() {
            return no("bad-request");
        }
        let Some(secret) = ask.body("secret") else { return no("missing-input-secret") };
        let widget = WIDGETS.iter().find(|(_, known)| *known == secret);
        let token = ask.body("response");
        let Some((sitekey, _)) = widget else { return for_tests(secret, token, ask.now) };
        let Some(token) = token else { return no("missing-input-response") };
        let issued = self.issued.get_mut(token).filter(|_| token.len() <= LONGEST);
        let Some(Issued { widget, at, used }) = issued.filter(|one| one.widget.sitekey == *sitekey)
        else {
            return no("invalid-input-response");
        };
        if *used || ask.now.saturating_sub(*at) > LIFE {
            return no("timeout-or-duplicate");
        }
        *used = true;
        reply::json(
            200,
            &json!({
                "success": true, "error-codes": [], "challenge_ts": instant(*at),
                "hostname": widget.hostname, "action": widget.action, "cdata": widget.cdata,
                "metadata": { "interactive": false },
            }),
        )
    }
}

/// The secrets that Cloudflare publishes: one passes everything, one nothing, one nothing any more.
fn for_tests(secret: &str, token: Option<&str>, now: u64) -> Response {
    let (kind, rest) = secret.split_at_checked(1).unwrap_or_default();
    match (kind, rest, token) {
        (_, "x0000000000000000000000000000000AA", None) => no("missing-input-response"),
        ("1", "x0000000000000000000000000000000AA", _) => reply::json(
            200,
            &json!({
                "success": true, "error-codes": [], "challenge_ts": instant(now),
                "hostname": "example.com", "metadata": { "interactive": false },
            }),
        ),
        ("2", "x0000000000000000000000000000000AA", _) => no("invalid-input-response"),
        ("3", "x0000000000000000000000000000000AA", _) => no("timeout-or-duplicate"),
        _ => no("invalid-input-secret"),
    }
}

fn no(code: &str) -> Response {
    reply::json(200, &json!({ "success": false, "error-codes": [code], "messages": [] }))
}

/// RFC 3339, by counting years and months.
fn instant(now: u64) -> String {
    let (mut days, second) = (now / 86_400, now % 86_400);
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.274Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_those_of_a_calendar() {
        for (now, text) in [
            (0, "1970-01-01T00:00:00.274Z"),
            (951_782_400, "2000-02-29T00:00:00.274Z"),
            (1_800_000_000, "2027-01-15T08:00:00.274Z"),
            (4_107_542_399, "2100-02-28T23:59:59.274Z"),
            (4_107_542_400, "2100-03-01T00:00:00.274Z"),
        ] {
            assert_eq!(instant(now), text);
        }
    }
}
