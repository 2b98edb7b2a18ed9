//! The ways to sign in, on the person's own page, and the pages that say why one stays as it is.

use super::ProblemPage;
use super::own::button;
use crate::account::Way;
use crate::linking::Unchanged;
use http::StatusCode;
use shared::page::{ago, escape, name_or};
use shared::time::UnixTime;

/// The ways there are, and those that may be added.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'a> {
    /// The account's.
    pub listed: &'a [Way],
    /// What they are called, in the same order.
    pub labels: &'a [String],
    /// Every upstream: our name for it, and what people call it.
    pub upstreams: &'a [(&'a str, &'a str)],
}

impl Ways<'_> {
    /// The section.
    pub(super) fn section(&self, now: UnixTime) -> String {
        let Self { listed, labels, upstreams } = *self;
        let listed: String =
            listed.iter().zip(labels).map(|(one, label)| way(one, label, now)).collect();
        let listed = if listed.is_empty() {
            String::new()
        } else {
            format!("<ul class=\"list\">\n{listed}</ul>\n")
        };
        let add = |(id, label): &(&str, &str)| {
            let words = format!("Add {}", name_or(label, "another"));
            button("link", id, &format!("Add {label} as a way to sign in"), &words)
        };
        let added: String = upstreams.iter().map(add).collect();
        if listed.is_empty() && added.is_empty() {
            return String::new();
        }
        format!("<h2>Ways to sign in</h2>\n{listed}{added}")
    }
}

fn way(way: &Way, label: &str, now: UnixTime) -> String {
    let known_as = if way.known_as.is_empty() {
        String::new()
    } else {
        format!("{} \u{b7} ", escape(&way.known_as))
    };
    let aria = format!("Remove {label} {}", way.known_as);
    let remove = if way.can_leave {
        button("unlink", way.entry.as_str(), aria.trim_end(), "Remove")
    } else {
        String::new()
    };
    let state = match (way.is_leaving, way.can_leave) {
        (true, _) => ". Removing it was not finished: remove it again",
        (false, true) => "",
        (false, false) => ". You have no other",
    };
    format!(
        "<li><div><b>{}</b><br><span class=\"note\">{known_as}Last used {}{state}</span></div>\n{remove}</li>\n",
        name_or(label, "A sign-in service"),
        ago(now.since(way.used_at)),
    )
}

impl Unchanged {
    /// The status of its page.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::OtherSession | Self::TooLongAgo | Self::NoProof => StatusCode::BAD_REQUEST,
            Self::Taken | Self::BeingRemoved | Self::LastWay => StatusCode::CONFLICT,
        }
    }
}

impl<'a> ProblemPage<'a> {
    /// The ways to sign in are as they were.
    #[must_use]
    pub const fn unchanged(why: Unchanged, correlation_id: &'a str) -> Self {
        let (title, text) = match why {
            Unchanged::OtherSession => (
                "Nothing was added",
                "You aren\u{2019}t signed in here the way you were when you started. Go to your \
                 account page and start again.",
            ),
            Unchanged::TooLongAgo => (
                "Nothing was added",
                "It took too long. Go to your account page and start again; you\u{2019}ll be asked \
                 to sign in first.",
            ),
            Unchanged::NoProof => (
                "Nothing was added",
                "Before a way to sign in is added you have to prove that it\u{2019}s you, and that \
                 sign-in service doesn\u{2019}t tell us when you last did. If you have another way \
                 to sign in, such as a password, sign out and in with that, then add it. \
                 Otherwise ask the people who run this service.",
            ),
            Unchanged::Taken => (
                "That belongs to another account",
                "Somebody already signs in here with it, so nothing was added. If that is you, sign \
                 in with it and remove it there first.",
            ),
            Unchanged::BeingRemoved => (
                "Nothing was added",
                "It was being removed from your account at the same time. Go to your account page; \
                 once it isn\u{2019}t there any more, you can add it again.",
            ),
            Unchanged::LastWay => (
                "That\u{2019}s your only way in",
                "Nothing was removed: you couldn\u{2019}t sign in any more. Add another way first.",
            ),
        };
        Self { title, text, correlation_id, retry: None }
    }

    /// The account is disabled.
    #[must_use]
    pub const fn disabled(correlation_id: &'a str) -> Self {
        Self {
            title: "This account is disabled",
            text: "You can\u{2019}t sign in with it. If you think that\u{2019}s a mistake, tell the \
                   people who run this service.",
            correlation_id,
            retry: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Identity;
    use crate::directory::Entry;

    const NOON: UnixTime = UnixTime(1_800_000_000);

    fn entry(subject: &str) -> Entry {
        Entry::of(&Identity { upstream: "https://up.test".into(), subject: subject.into() })
    }

    fn one(known_as: &str) -> Way {
        Way {
            entry: entry("1"),
            upstream: Some("acme".into()),
            known_as: known_as.into(),
            used_at: NOON.minus(7_200),
            can_leave: true,
            is_leaving: false,
            round: 0,
        }
    }

    fn shown(listed: &[Way], label: &str) -> String {
        let labels = vec![label.to_owned(); listed.len()];
        Ways { listed, labels: &labels, upstreams: &[("acme", label)] }.section(NOON)
    }

    #[test]
    fn every_way_can_be_removed_but_the_last_and_every_upstream_added() {
        let page = shown(&[one("alice@up.test")], "Acme");
        let button = format!("name=\"unlink\" value=\"{}\"", entry("1").as_str());
        assert!(page.contains(&button), "{page}");
        assert!(page.contains("aria-label=\"Remove Acme alice@up.test\""), "{page}");
        assert!(page.contains("alice@up.test \u{b7} Last used 2 hours ago"), "{page}");
        assert!(page.contains("name=\"link\" value=\"acme\""), "{page}");
        let last = shown(&[Way { can_leave: false, ..one("") }], "Acme");
        assert!(!last.contains("unlink") && last.contains("no other"), "{last}");
        let again = shown(&[Way { is_leaving: true, ..one("") }], "Acme");
        assert!(again.contains(&button) && again.contains("not finished"), "{again}");
        let none = Ways { listed: &[], labels: &[], upstreams: &[] };
        assert_eq!(none.section(NOON), "");
    }

    #[test]
    fn ui_04_what_an_upstream_calls_somebody_is_text_wherever_it_stands() {
        let shape = |page: &str| (page.matches('<').count(), page.matches('"').count());
        let harmless = shape(&shown(&[one("x")], "x"));
        for payload in [
            "<script>alert(1)</script>",
            "\"><img src=x onerror=alert(1)>",
            "' autofocus onfocus='alert(1)",
            "</ul><form action=//evil.test>",
        ] {
            let page = shown(&[one(payload)], payload);
            assert_eq!(shape(&page), harmless, "{page}");
            assert!(!page.contains("<script") && !page.contains("onfocus='"), "{page}");
        }
        // Nor can it look like words of ours.
        assert!(!shown(&[one("a\u{202e}b")], "x").contains('\u{202e}'));
    }
}
