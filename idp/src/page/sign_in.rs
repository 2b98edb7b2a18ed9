//! The page on which a person signs in.

use shared::page::{escape, name_or, page};

/// What the page says and offers.
#[derive(Clone, Copy, Debug)]
pub struct SignIn<'a> {
    /// The client that asked, as registered.
    pub client_name: &'a str,
    /// Where the person will be sent afterwards: the host of the redirect URI.
    pub client_host: Option<&'a str>,
    /// The sealed interaction that both forms carry.
    pub interaction: &'a str,
    /// From `login_hint` (OpenID Connect Core §3.1.2.1) or the try before; may be empty.
    pub username: &'a str,
    /// What went wrong before.
    pub problem: Option<Problem>,
    /// Whether the person is taken to have no account yet, Initiating User Registration 1.0: one is
    /// made when they come back from the upstream, so that way comes first.
    pub creates: bool,
    /// Whether to ask for user name and password; the form posts to `/sign-in`.
    pub local: bool,
    /// The name of the upstream to go to instead; the form posts to `/sign-in/upstream`.
    pub upstream: Option<&'a str>,
}

/// Why the person sees the page again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Problem {
    /// Unknown user name or wrong password: which of them is not told (FD-35).
    WrongCredentials,
    /// The brake is on.
    TooManyTries {
        /// Until the next try.
        wait_seconds: u64,
    },
    /// All hashing capacity is taken (FD-39).
    Busy,
    /// The session at the issuer is over, or too old for what the client asks.
    SessionExpired,
    /// The upstream answered no, or the person turned back there.
    UpstreamRefused,
    /// The upstream did not answer as it should.
    UpstreamFailed,
}

impl Problem {
    /// The words for it.
    fn text(self) -> String {
        match self {
            Self::WrongCredentials => "That username and password don\u{2019}t match.".to_owned(),
            Self::TooManyTries { wait_seconds } => {
                format!("Too many tries. Wait {}, then try again.", duration(wait_seconds))
            }
            Self::Busy => "We\u{2019}re busy right now. Try again in a moment.".to_owned(),
            Self::SessionExpired => "For your safety, please sign in again.".to_owned(),
            Self::UpstreamRefused => {
                "Sign-in wasn\u{2019}t completed. You can try again.".to_owned()
            }
            Self::UpstreamFailed => {
                "We couldn\u{2019}t reach the sign-in service. Try again in a moment.".to_owned()
            }
        }
    }

    /// Whether it is about what stands in the fields, which are then marked as invalid.
    const fn is_in_the_fields(self) -> bool {
        match self {
            Self::WrongCredentials => true,
            Self::TooManyTries { .. }
            | Self::Busy
            | Self::SessionExpired
            | Self::UpstreamRefused
            | Self::UpstreamFailed => false,
        }
    }
}

/// A wait in words, rounded up.
fn duration(seconds: u64) -> String {
    match seconds {
        0 | 1 => "a second".to_owned(),
        2..=90 => format!("{seconds} seconds"),
        _ => format!("{} minutes", seconds.div_ceil(60)),
    }
}

/// The sign-in page.
///
/// Its forms are the local one, with `interaction`, `username` and `password`, and the upstream
/// one, with `interaction` alone.
#[must_use]
pub fn sign_in(view: &SignIn<'_>) -> String {
    let SignIn { client_name, client_host, interaction, username, problem, .. } = *view;
    let SignIn { creates, local, upstream, .. } = *view;
    let client = name_or(client_name, "the application");
    let interaction = escape(interaction);

    let host = client_host.map(escape).filter(|host| !host.trim().is_empty());
    let host = host.map_or(String::new(), |host| {
        format!("<p class=\"host\">You\u{2019}ll be sent to <b><bdi>{host}</bdi></b></p>\n")
    });
    let alert = problem.map_or(String::new(), |problem| {
        format!("<p class=\"alert\" id=\"problem\" role=\"alert\">{}</p>\n", problem.text())
    });
    let upstream_first = upstream.is_some() && (creates || !local);
    let kind = |first| if first { " class=\"primary\"" } else { "" };
    let local_form = if local {
        local_form(&interaction, username, problem, kind(!upstream_first))
    } else {
        String::new()
    };
    let upstream_form = upstream.map_or(String::new(), |label| {
        let kind = kind(upstream_first);
        let label = name_or(label, "your organization");
        format!(
            "<form method=\"post\" action=\"/sign-in/upstream\">\n\
             <input type=\"hidden\" name=\"interaction\" value=\"{interaction}\">\n\
             <button{kind}>Continue with {label}</button>\n\
             </form>\n"
        )
    });
    let neither = if !local && upstream.is_none() {
        "<p>No way to sign in is set up here yet. Please tell the people who run this service.</p>\n"
    } else {
        ""
    };

    let (or, heading) = if creates {
        ("or, with an account of yours", "Create an account for")
    } else {
        ("or", "Sign in to")
    };
    let or = if local && upstream.is_some() {
        format!("<p class=\"or\"><span>{or}</span></p>\n")
    } else {
        String::new()
    };
    let (first, second) =
        if upstream_first { (upstream_form, local_form) } else { (local_form, upstream_form) };
    let title_name = client.replace("<bdi>", "").replace("</bdi>", "");
    let title_error = if problem.is_some() { "Error: " } else { "" };
    page(
        &format!("{title_error}{heading} {title_name}"),
        "",
        &format!("<h1>{heading} {client}</h1>\n{host}{alert}{first}{or}{second}{neither}"),
    )
}

/// The form for user name and password. The first field that is empty has the focus.
fn local_form(interaction: &str, username: &str, problem: Option<Problem>, kind: &str) -> String {
    let username = escape(username);
    let (on_username, on_password) =
        if username.is_empty() { (" autofocus", "") } else { ("", " autofocus") };
    let described = match problem {
        Some(problem) if problem.is_in_the_fields() => {
            " aria-invalid=\"true\" aria-describedby=\"problem\""
        }
        Some(_) => " aria-describedby=\"problem\"",
        None => "",
    };
    format!(
        "<form method=\"post\" action=\"/sign-in\">\n\
         <input type=\"hidden\" name=\"interaction\" value=\"{interaction}\">\n\
         <label for=\"username\">Username</label>\n\
         <input id=\"username\" name=\"username\" value=\"{username}\" autocomplete=\"username\" \
         autocapitalize=\"none\" spellcheck=\"false\" required{described}{on_username}>\n\
         <label for=\"password\">Password</label>\n\
         <input id=\"password\" name=\"password\" type=\"password\" \
         autocomplete=\"current-password\" required{described}{on_password}>\n\
         <button{kind}>Sign in</button>\n\
         </form>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: SignIn<'_> = SignIn {
        client_name: "Notes",
        client_host: Some("notes.example"),
        interaction: "sealed-text",
        username: "",
        problem: None,
        creates: false,
        local: true,
        upstream: None,
    };
    const PROBLEMS: [Problem; 6] = [
        Problem::WrongCredentials,
        Problem::TooManyTries { wait_seconds: 256 },
        Problem::Busy,
        Problem::SessionExpired,
        Problem::UpstreamRefused,
        Problem::UpstreamFailed,
    ];

    /// The start tag of the field.
    fn field<'p>(page: &'p str, id: &str) -> &'p str {
        let (_, rest) = page.split_once(&format!("<input id=\"{id}\"")).unwrap();
        rest.split_once('>').unwrap().0
    }

    #[test]
    fn the_page_says_who_asks_and_where_the_way_leads() {
        let page = sign_in(&PLAIN);
        assert!(page.contains("<h1>Sign in to <bdi>Notes</bdi></h1>"));
        assert!(page.contains("<title>Sign in to Notes</title>"));
        assert!(page.contains("<b><bdi>notes.example</bdi></b>"));
    }

    #[test]
    fn a_form_stands_there_when_its_way_is_offered_and_each_carries_the_interaction() {
        for (local, upstream, forms) in
            [(true, None, 1), (false, Some("Acme"), 1), (true, Some("Acme"), 2), (false, None, 0)]
        {
            let page = sign_in(&SignIn { local, upstream, ..PLAIN });
            assert_eq!(page.contains("action=\"/sign-in\""), local);
            assert_eq!(page.contains("action=\"/sign-in/upstream\""), upstream.is_some());
            assert_eq!(page.matches("<form method=\"post\"").count(), forms);
            let hidden = "<input type=\"hidden\" name=\"interaction\" value=\"sealed-text\">";
            assert_eq!(page.matches(hidden).count(), forms);
            assert_eq!(page.matches("class=\"primary\"").count(), forms.min(1));
        }
    }

    #[test]
    fn whoever_has_no_account_yet_is_led_to_where_one_is_made_first() {
        let upstream = Some("Acme");
        let page = sign_in(&SignIn { creates: true, upstream, ..PLAIN });
        assert!(page.contains("<h1>Create an account for <bdi>Notes</bdi></h1>"));
        assert!(page.contains("<title>Create an account for Notes</title>"));
        let (before, after) = page.split_once("class=\"or\"").unwrap();
        assert!(before.contains("<button class=\"primary\">Continue with <bdi>Acme</bdi>"));
        assert!(after.contains("<button>Sign in</button>"));
    }

    #[test]
    fn every_field_has_a_label_and_says_what_it_completes() {
        let page = sign_in(&PLAIN);
        for (id, autocomplete) in [("username", "username"), ("password", "current-password")] {
            assert_eq!(page.matches(&format!("<label for=\"{id}\">")).count(), 1);
            let wanted = format!("name=\"{id}\"");
            assert!(field(&page, id).contains(&wanted));
            assert!(field(&page, id).contains(&format!("autocomplete=\"{autocomplete}\"")));
        }
        // A limit would cut a pasted password without a word.
        assert!(!page.contains("maxlength"));
    }

    #[test]
    fn the_first_empty_field_has_the_focus_and_only_that() {
        for (username, focused, other) in
            [("", "username", "password"), ("alice", "password", "username")]
        {
            let page = sign_in(&SignIn { username, ..PLAIN });
            assert!(field(&page, focused).contains(" autofocus"));
            assert!(!field(&page, other).contains("autofocus"));
        }
        let page = sign_in(&SignIn { local: false, upstream: Some("Acme"), ..PLAIN });
        assert!(!page.contains("autofocus"));
    }

    #[test]
    fn a_problem_is_announced_once_and_tied_to_the_fields() {
        assert!(
            !sign_in(&PLAIN).contains("problem") && !sign_in(&PLAIN).contains("role=\"alert\"")
        );
        for problem in PROBLEMS {
            let page = sign_in(&SignIn { problem: Some(problem), username: "alice", ..PLAIN });
            assert_eq!(page.matches("id=\"problem\" role=\"alert\"").count(), 1);
            for id in ["username", "password"] {
                let field = field(&page, id);
                assert!(field.contains("aria-describedby=\"problem\""), "{problem:?}");
                let invalid = field.contains("aria-invalid=\"true\"");
                assert_eq!(invalid, problem == Problem::WrongCredentials);
            }
            assert!(page.contains("<title>Error: "));
        }
    }

    #[test]
    fn fd_35_a_failed_try_shows_the_name_again_but_never_a_password() {
        let page = sign_in(&SignIn { username: "a\"b", ..PLAIN });
        assert!(field(&page, "username").contains("value=\"a&quot;b\""));
        assert!(!field(&page, "password").contains("value="));
    }

    #[test]
    fn a_wait_is_told_in_words_and_never_too_short() {
        for (seconds, words) in [
            (0, "a second"),
            (1, "a second"),
            (2, "2 seconds"),
            (90, "90 seconds"),
            (91, "2 minutes"),
            (256, "5 minutes"),
            (300, "5 minutes"),
            (301, "6 minutes"),
        ] {
            assert_eq!(duration(seconds), words);
        }
        assert!(duration(u64::MAX).ends_with(" minutes"));
    }
}
