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
    /// The upstreams to go to instead, each by what we and what people call it; the form posts to
    /// `/sign-in/upstream`.
    pub upstreams: &'a [(&'a str, &'a str)],
    /// Whether there are upstreams that an e-mail address leads to; the same form asks for one.
    pub by_domain: bool,
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
    /// The field for an e-mail address was left empty.
    NoAddress,
    /// No upstream is for people with such an e-mail address, or it could be read in two ways.
    NoUpstream,
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
            Self::NoAddress => {
                "Type your e-mail address at work in full, like name@example.com.".to_owned()
            }
            Self::NoUpstream => "There\u{2019}s no sign-in service for that e-mail address here. \
                                 Check that it\u{2019}s your address at work, in full, like \
                                 name@example.com."
                .to_owned(),
        }
    }

    /// Whether it is about what stands in the local form's fields, which are then marked as invalid.
    const fn is_in_the_fields(self) -> bool {
        match self {
            Self::WrongCredentials => true,
            Self::TooManyTries { .. }
            | Self::Busy
            | Self::SessionExpired
            | Self::NoAddress
            | Self::NoUpstream => false,
        }
    }

    /// Whether it is about the field for an e-mail address.
    const fn is_in_the_address(self) -> bool {
        matches!(self, Self::NoAddress | Self::NoUpstream)
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

/// Between two ways of which one will do.
const OR: &str = "<p class=\"or\"><span>or</span></p>\n";

/// The sign-in page.
///
/// Its forms are the local one, with `interaction`, `username` and `password`, one with `interaction`
/// and `email`, and one with `interaction` and a button for each upstream.
#[must_use]
pub fn sign_in(view: &SignIn<'_>) -> String {
    let SignIn { client_name, client_host, interaction, username, problem, .. } = *view;
    let SignIn { creates, local, upstreams, by_domain, .. } = *view;
    let has_upstreams = by_domain || !upstreams.is_empty();
    let client = name_or(client_name, "the application");
    let interaction = escape(interaction);

    let host = client_host.map(escape).filter(|host| !host.trim().is_empty());
    let host = host.map_or(String::new(), |host| {
        format!("<p class=\"host\">You\u{2019}ll be sent to <b><bdi>{host}</bdi></b></p>\n")
    });
    let alert = problem.map_or(String::new(), |problem| {
        format!("<p class=\"alert\" id=\"problem\" role=\"alert\">{}</p>\n", problem.text())
    });
    let upstream_first = has_upstreams && (creates || !local);
    let kind = |first| if first { " class=\"primary\"" } else { "" };
    // Somebody whose address leads nowhere typed it below, and goes on there.
    let is_below = problem.is_some_and(Problem::is_in_the_address);
    let name = if is_below { "" } else { username };
    let local_form = if local {
        local_form(&interaction, name, problem, kind(!upstream_first))
    } else {
        String::new()
    };
    let mut upstream_forms = String::new();
    if by_domain {
        let email = if username.contains('@') { username } else { "" };
        let has_focus = is_below || !local;
        upstream_forms +=
            &email_form(&interaction, email, has_focus, is_below, kind(upstream_first));
    }
    if !upstreams.is_empty() {
        if by_domain {
            upstream_forms += OR;
        }
        upstream_forms += &buttons(&interaction, upstreams, kind(upstream_first && !by_domain));
    }
    let neither = if !local && !has_upstreams {
        "<p>No way to sign in is set up here yet. Please tell the people who run this service.</p>\n"
    } else {
        ""
    };

    let (or, heading) = if creates {
        ("or, with an account of yours", "Create an account for")
    } else {
        ("or", "Sign in to")
    };
    let or = if local && has_upstreams {
        format!("<p class=\"or\"><span>{or}</span></p>\n")
    } else {
        String::new()
    };
    let (first, second) =
        if upstream_first { (upstream_forms, local_form) } else { (local_form, upstream_forms) };
    let title_name = client.replace("<bdi>", "").replace("</bdi>", "");
    let title_error = if problem.is_some() { "Error: " } else { "" };
    page(
        &format!("{title_error}{heading} {title_name}"),
        "",
        &format!("<h1>{heading} {client}</h1>\n{host}{alert}{first}{or}{second}{neither}"),
    )
}

/// Of a field in which something is wrong.
const INVALID: &str = " aria-invalid=\"true\" aria-describedby=\"problem\"";

/// The form for an e-mail address, whose domain says where somebody signs in.
fn email_form(
    interaction: &str,
    email: &str,
    has_focus: bool,
    is_wrong: bool,
    kind: &str,
) -> String {
    let email = escape(email);
    let described = if is_wrong { INVALID } else { "" };
    let focus = if has_focus { " autofocus" } else { "" };
    format!(
        "<form method=\"post\" action=\"/sign-in/upstream\">\n\
         <input type=\"hidden\" name=\"interaction\" value=\"{interaction}\">\n\
         <label for=\"email\">E-mail address at work</label>\n\
         <input id=\"email\" name=\"email\" type=\"email\" value=\"{email}\" \
         autocomplete=\"email\" required{described}{focus}>\n\
         <button{kind}>Continue</button>\n\
         </form>\n"
    )
}

/// The form with a button for each upstream; the first may stand out.
fn buttons(interaction: &str, upstreams: &[(&str, &str)], first: &str) -> String {
    let mut form = format!(
        "<form method=\"post\" action=\"/sign-in/upstream\">\n\
         <input type=\"hidden\" name=\"interaction\" value=\"{interaction}\">\n"
    );
    for (position, (id, label)) in upstreams.iter().enumerate() {
        let kind = if position == 0 { first } else { "" };
        let (id, label) = (escape(id), name_or(label, "your organization"));
        let button = format!(
            "<button{kind} name=\"upstream\" value=\"{id}\">Continue with {label}</button>\n"
        );
        form.push_str(&button);
    }
    form.push_str("</form>\n");
    form
}

/// The form for user name and password. The first field that is empty has the focus.
fn local_form(interaction: &str, username: &str, problem: Option<Problem>, kind: &str) -> String {
    let username = escape(username);
    let (on_username, on_password) = match problem {
        Some(problem) if problem.is_in_the_address() => ("", ""),
        _ if username.is_empty() => (" autofocus", ""),
        _ => ("", " autofocus"),
    };
    let described = match problem {
        Some(problem) if problem.is_in_the_fields() => INVALID,
        None => "",
        Some(problem) if problem.is_in_the_address() => "",
        Some(_) => " aria-describedby=\"problem\"",
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
        upstreams: &[],
        by_domain: false,
    };
    const ACME: &[(&str, &str)] = &[("acme", "Acme")];
    const PROBLEMS: [Problem; 6] = [
        Problem::WrongCredentials,
        Problem::TooManyTries { wait_seconds: 256 },
        Problem::Busy,
        Problem::SessionExpired,
        Problem::NoAddress,
        Problem::NoUpstream,
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
        for (local, upstreams, by_domain, forms) in [
            (true, &[][..], false, 1),
            (false, ACME, false, 1),
            (true, ACME, false, 2),
            (true, ACME, true, 3),
            (false, &[], true, 1),
            (false, &[], false, 0),
        ] {
            let page = sign_in(&SignIn { local, upstreams, by_domain, ..PLAIN });
            assert_eq!(page.contains("action=\"/sign-in\""), local);
            let there = by_domain || !upstreams.is_empty();
            assert_eq!(page.contains("action=\"/sign-in/upstream\""), there);
            assert_eq!(page.contains("name=\"email\""), by_domain);
            assert_eq!(page.matches("<form method=\"post\"").count(), forms);
            let hidden = "<input type=\"hidden\" name=\"interaction\" value=\"sealed-text\">";
            assert_eq!(page.matches(hidden).count(), forms);
            assert_eq!(page.matches("class=\"primary\"").count(), forms.min(1));
        }
    }

    #[test]
    fn whoever_has_no_account_yet_is_led_to_where_one_is_made_first() {
        let upstreams = &[("acme", "Acme"), ("hub", "Hub")];
        let page = sign_in(&SignIn { creates: true, upstreams, ..PLAIN });
        assert!(page.contains("<h1>Create an account for <bdi>Notes</bdi></h1>"));
        assert!(page.contains("<title>Create an account for Notes</title>"));
        let (before, after) = page.split_once("class=\"or\"").unwrap();
        let acme = "<button class=\"primary\" name=\"upstream\" value=\"acme\">Continue with ";
        assert!(before.contains(&format!("{acme}<bdi>Acme</bdi>")));
        let hub = "<button name=\"upstream\" value=\"hub\">Continue with <bdi>Hub</bdi>";
        assert!(before.contains(hub));
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
        let page = sign_in(&SignIn { local: false, upstreams: ACME, ..PLAIN });
        assert!(!page.contains("autofocus"));
        let page = sign_in(&SignIn { local: false, by_domain: true, ..PLAIN });
        assert!(field(&page, "email").contains(" autofocus"));
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
                let described = field.contains("aria-describedby=\"problem\"");
                let is_theirs = ![Problem::NoAddress, Problem::NoUpstream].contains(&problem);
                assert_eq!(described, is_theirs, "{problem:?}");
                let invalid = field.contains("aria-invalid=\"true\"");
                assert_eq!(invalid, problem == Problem::WrongCredentials);
            }
            assert!(page.contains("<title>Error: "));
        }
    }

    #[test]
    fn an_address_that_leads_nowhere_is_tied_to_its_own_field_and_is_no_username() {
        let problem = Some(Problem::NoUpstream);
        let typed = SignIn { problem, by_domain: true, username: "a@nowhere.test", ..PLAIN };
        let page = sign_in(&typed);
        let email = field(&page, "email");
        assert!(email.contains("value=\"a@nowhere.test\"") && email.contains(INVALID));
        assert!(email.contains(" autofocus"));
        assert_eq!(page.matches(" autofocus").count(), 1);
        assert!(field(&page, "username").contains("value=\"\""));
        assert_eq!(page.matches("aria-describedby").count(), 1);
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
