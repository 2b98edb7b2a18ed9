//! The people that all stand-ins know. Each of them is one case that a relying party has to get
//! right; GitHub has a few more, for what its API may say.

use crate::Preset;

/// What GitHub's `/user` says as `id`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GitHubId {
    /// A number, as it does.
    Number(u64),
    /// The same digits, but as a string.
    Text(&'static str),
    /// `null`.
    Null,
    /// Nothing.
    Absent,
}

/// An address, and whether the provider says that it is verified.
pub type Email = (&'static str, bool);

/// Somebody who may sign in.
#[derive(Debug, Eq, PartialEq)]
pub struct Person {
    /// What a test, the form and `login_hint` call them; their login at GitHub.
    pub key: &'static str,
    /// Given and family name.
    pub name: (&'static str, &'static str),
    /// What is peculiar about them, for the page.
    pub note: &'static str,
    /// Their addresses, the primary first.
    pub emails: &'static [Email],
    /// Where they belong: an organization of Auth0 and WorkOS, a hosted domain of Google, a tenant
    /// of Entra.
    pub home: Home,
    /// Their number at GitHub.
    pub github: GitHubId,
    /// Set when one provider alone knows them.
    pub only: Option<Preset>,
}

/// Where somebody belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Home {
    /// `org_alpha`, `alpha.test`.
    Alpha,
    /// `org_beta`, `beta.test`.
    Beta,
    /// Nowhere: no organization and no hosted domain.
    Nowhere,
}

impl Home {
    /// The organization's identifier.
    #[must_use]
    pub fn organization(self) -> Option<&'static str> {
        self.pick("org_alpha", "org_beta")
    }

    /// The organization's name at Auth0.
    #[must_use]
    pub fn organization_name(self) -> Option<&'static str> {
        self.pick("alpha", "beta")
    }

    /// The hosted domain.
    #[must_use]
    pub fn domain(self) -> Option<&'static str> {
        self.pick("alpha.test", "beta.test")
    }

    /// The tenant's identifier at Entra. Who belongs nowhere has the one of personal accounts.
    #[must_use]
    pub fn tenant(self) -> &'static str {
        let known = self
            .pick("a1fa0000-0000-4000-8000-000000000001", "be7a0000-0000-4000-8000-000000000002");
        known.unwrap_or("9188040d-6c67-4c5b-b112-36a304b66dad")
    }

    fn pick(self, alpha: &'static str, beta: &'static str) -> Option<&'static str> {
        match self {
            Self::Alpha => Some(alpha),
            Self::Beta => Some(beta),
            Self::Nowhere => None,
        }
    }
}

const ANYBODY: Person = Person {
    key: "",
    name: ("", ""),
    note: "",
    emails: &[],
    home: Home::Alpha,
    github: GitHubId::Absent,
    only: None,
};

const GITHUB: Person = Person { only: Some(Preset::GitHub), ..ANYBODY };

/// Everybody.
pub static PEOPLE: [Person; 14] = [
    Person {
        key: "alice",
        name: ("Alice", "Archer"),
        note: "verified e-mail",
        emails: &[("alice@alpha.test", true)],
        github: GitHubId::Number(1001),
        ..ANYBODY
    },
    Person {
        key: "bob",
        name: ("Bob", "Baker"),
        note: "e-mail not verified",
        emails: &[("bob@alpha.test", false)],
        github: GitHubId::Number(1002),
        ..ANYBODY
    },
    Person {
        key: "carol",
        name: ("Carol", "Cooper"),
        note: "no e-mail, no organization",
        home: Home::Nowhere,
        github: GitHubId::Number(1003),
        ..ANYBODY
    },
    Person {
        key: "dave",
        name: ("Dave", "Draper"),
        note: "another organization, domain and tenant",
        emails: &[("dave@beta.test", true)],
        home: Home::Beta,
        github: GitHubId::Number(1004),
        ..ANYBODY
    },
    Person {
        key: "erin",
        name: ("Erin", "Eaton"),
        note: "an e-mail with two @",
        emails: &[("\"erin@beta.test\"@alpha.test", true)],
        github: GitHubId::Number(1005),
        ..ANYBODY
    },
    Person {
        key: "frank",
        name: ("Frank", "Fisher"),
        note: "an e-mail with a full-width \u{ff20}; more groups than fit",
        emails: &[("frank\u{ff20}alpha.test", true)],
        github: GitHubId::Number(1006),
        ..ANYBODY
    },
    Person {
        key: "grace",
        name: ("Grace", "<b>Glover</b>"),
        note: "markup in her name",
        emails: &[("GRACE@Alpha.Test", true)],
        github: GitHubId::Number(1007),
        ..ANYBODY
    },
    Person {
        key: "heidi",
        name: ("Heidi", "Harper"),
        note: "primary e-mail not verified, another one is",
        emails: &[("heidi@alpha.test", false), ("heidi@other.test", true)],
        github: GitHubId::Number(1008),
        ..GITHUB
    },
    Person {
        key: "ivan",
        name: ("Ivan", "Ironside"),
        note: "his id is null",
        emails: &[("ivan@alpha.test", true)],
        github: GitHubId::Null,
        ..GITHUB
    },
    Person {
        key: "judy",
        name: ("Judy", "Joiner"),
        note: "her id is Alice's, as a string",
        emails: &[("judy@alpha.test", true)],
        github: GitHubId::Text("1001"),
        ..GITHUB
    },
    Person {
        key: "kim",
        name: ("Kim", "Keeler"),
        note: "the id is 0",
        emails: &[("kim@alpha.test", true)],
        github: GitHubId::Number(0),
        ..GITHUB
    },
    Person {
        key: "leo",
        name: ("Leo", "Lorimer"),
        note: "no id at all",
        emails: &[("leo@alpha.test", true)],
        ..GITHUB
    },
    Person {
        key: "mallory",
        name: ("Mallory", "Mason"),
        note: "claims Alice's e-mail, not verified",
        emails: &[("alice@alpha.test", false)],
        home: Home::Beta,
        github: GitHubId::Number(1013),
        ..ANYBODY
    },
    Person {
        key: "niaj",
        name: ("Niaj", "Naylor"),
        note: "another account with Alice's e-mail, verified",
        emails: &[("alice@alpha.test", true)],
        home: Home::Beta,
        github: GitHubId::Number(1014),
        ..ANYBODY
    },
];

impl Person {
    /// Those that a preset knows.
    pub fn known(preset: Preset) -> impl Iterator<Item = &'static Self> {
        PEOPLE.iter().filter(move |person| person.only.is_none_or(|only| only == preset))
    }

    /// One of them, by key or by primary address.
    #[must_use]
    pub fn find(preset: Preset, hint: &str) -> Option<&'static Self> {
        Self::known(preset).find(|person| person.key == hint).or_else(|| {
            Self::known(preset).find(|person| person.email().is_some_and(|(of, _)| of == hint))
        })
    }

    /// The primary address.
    #[must_use]
    pub fn email(&self) -> Option<Email> {
        self.emails.first().copied()
    }

    /// Both names.
    #[must_use]
    pub fn full_name(&self) -> String {
        format!("{} {}", self.name.0, self.name.1)
    }
}
