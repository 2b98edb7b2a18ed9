//! The pages that only say something.

use shared::page::{escape, name_or, page};
use url::Url;

/// Something that went wrong with no client to tell it to.
#[derive(Clone, Copy, Debug)]
pub struct ProblemPage<'a> {
    /// A few fixed words: static, so that they cannot echo input.
    pub title: &'static str,
    /// What the person can do about it; fixed too.
    pub text: &'static str,
    /// What the operator finds in the log.
    pub correlation_id: &'a str,
    /// The way to try again from here, where there is one.
    pub retry: Option<Retry<'a>>,
}

/// Trying an upstream again.
#[derive(Clone, Copy, Debug)]
pub struct Retry<'a> {
    /// The sealed interaction.
    pub interaction: &'a str,
    /// Which upstream.
    pub upstream: &'a str,
    /// What people call it.
    pub label: &'a str,
}

impl<'a> ProblemPage<'a> {
    /// The client is unknown: OAuth 2.1 forbids to send anybody anywhere (RFC 6749 §4.1.2.1).
    #[must_use]
    pub const fn unknown_client(correlation_id: &'a str) -> Self {
        Self {
            title: "We don\u{2019}t know this application",
            text: "The application that sent you here isn\u{2019}t registered with this sign-in \
                   service. If you followed a link, it may be out of date.",
            correlation_id,
            retry: None,
        }
    }

    /// The redirect URI is not one of the client's, RFC 6749 §4.1.2.1.
    #[must_use]
    pub const fn unregistered_redirect(correlation_id: &'a str) -> Self {
        Self {
            title: "This sign-in link isn\u{2019}t right",
            text: "The application asked to send you somewhere it isn\u{2019}t registered for, so \
                   we stopped here. Go back to the application and start again.",
            correlation_id,
            retry: None,
        }
    }

    /// The interaction is over, used or not from this browser.
    #[must_use]
    pub const fn expired(correlation_id: &'a str) -> Self {
        Self {
            title: "This sign-in has expired",
            text: "It took too long, or was already finished in another tab. Go back to the \
                   application and sign in again.",
            correlation_id,
            retry: None,
        }
    }

    /// Another person has signed in since the page was shown.
    #[must_use]
    pub const fn somebody_else(correlation_id: &'a str) -> Self {
        Self {
            title: "Somebody else is signed in now",
            text: "Nothing was allowed: the page was meant for another account than the one that \
                   is signed in here. Go back to the application and start again.",
            correlation_id,
            retry: None,
        }
    }

    /// The cookie of the interaction did not come back.
    #[must_use]
    pub const fn cookies_blocked(correlation_id: &'a str) -> Self {
        Self {
            title: "Your browser didn\u{2019}t send our cookie",
            text: "Signing in needs a cookie from this site. Allow cookies for it, then go back to \
                   the application and sign in again.",
            correlation_id,
            retry: None,
        }
    }

    /// The request came from another site's page (FD-34, UI-01).
    #[must_use]
    pub const fn cross_site(correlation_id: &'a str) -> Self {
        Self {
            title: "This request came from another site",
            text: "We only take sign-ins from our own page. Go back to the application and sign in \
                   again.",
            correlation_id,
            retry: None,
        }
    }

    /// The request cannot be read.
    #[must_use]
    pub const fn malformed(correlation_id: &'a str) -> Self {
        Self {
            title: "This sign-in link isn\u{2019}t right",
            text: "Something in the request is missing, doubled or garbled, so we stopped here. Go \
                   back to the application and start again.",
            correlation_id,
            retry: None,
        }
    }

    /// The upstream failed, or answered something that cannot be believed.
    #[must_use]
    pub const fn upstream(correlation_id: &'a str) -> Self {
        Self {
            title: "The sign-in service didn\u{2019}t answer as it should",
            text: "Nobody was signed in. Wait a moment, then try again.",
            correlation_id,
            retry: None,
        }
    }

    /// There is no such page.
    #[must_use]
    pub const fn not_found(correlation_id: &'a str) -> Self {
        Self {
            title: "There\u{2019}s nothing here",
            text: "This address isn\u{2019}t one of ours. Go back to the application you came from.",
            correlation_id,
            retry: None,
        }
    }

    /// Something here broke.
    #[must_use]
    pub const fn server_trouble(correlation_id: &'a str) -> Self {
        Self {
            title: "Something went wrong on our side",
            text: "You did nothing wrong. Wait a moment, go back to the application and try again.",
            correlation_id,
            retry: None,
        }
    }
}

/// The error page.
#[must_use]
pub fn problem(view: &ProblemPage<'_>) -> String {
    let ProblemPage { title, text, correlation_id, retry } = *view;
    let (title, text, id) = (escape(title), escape(text), escape(correlation_id));
    let retry = retry.map_or(String::new(), |Retry { interaction, upstream, label }| {
        format!(
            "<form method=\"post\" action=\"/sign-in/upstream\">\n\
             <input type=\"hidden\" name=\"interaction\" value=\"{}\">\n\
             <button class=\"primary\" name=\"upstream\" value=\"{}\">Try {} again</button>\n\
             </form>\n",
            escape(interaction),
            escape(upstream),
            name_or(label, "it"),
        )
    });
    page(
        &title,
        "",
        &format!(
            "<h1>{title}</h1>\n\
             <p>{text}</p>\n\
             {retry}\
             <p class=\"note\">If it keeps happening, tell the people who run this service:</p>\n\
             <p class=\"id\"><span>Reference</span> <code>{id}</code></p>\n"
        ),
    )
}

/// What the page after signing out says.
#[derive(Clone, Copy, Debug)]
pub struct SignedOut<'a> {
    /// The client that asked to sign out, or an empty text.
    pub client_name: &'a str,
    /// Where it wants the person next, already checked to be registered. Only a link to `http` or
    /// `https` is shown (UI-04).
    pub continue_to: Option<&'a str>,
}

/// The page after signing out, OpenID Connect RP-Initiated Logout §3.
#[must_use]
pub fn signed_out(view: &SignedOut<'_>) -> String {
    let SignedOut { client_name, continue_to } = *view;
    let client = name_or(client_name, "the application");
    let link = continue_to.and_then(web_address).map_or(String::new(), |address| {
        format!(
            "<p><a class=\"button\" href=\"{}\" rel=\"noopener noreferrer\">Back to {client}</a></p>\n",
            escape(&address)
        )
    });
    page(
        "Signed out",
        "",
        &format!(
            "<h1>You\u{2019}re signed out</h1>\n\
             <p>Your session here has ended. On a shared computer, close the browser too.</p>\n\
             {link}"
        ),
    )
}

/// The question before signing out, OpenID Connect RP-Initiated Logout §2: anybody can send a
/// browser to the endpoint, so without proof that it was a client of this session, the person
/// decides. `kept` are the parameters of the request, to be sent again with the answer.
#[must_use]
pub fn confirm_sign_out(client_name: &str, kept: &[(&str, &str)]) -> String {
    let asks = if client_name.is_empty() {
        String::new()
    } else {
        format!("<p><b>{}</b> asks to sign you out.</p>\n", name_or(client_name, "An application"))
    };
    let field = |(name, value): &(&str, &str)| {
        let (name, value) = (escape(name), escape(value));
        format!("<input type=\"hidden\" name=\"{name}\" value=\"{value}\">\n")
    };
    let kept = kept.iter().filter(|(_, value)| !value.is_empty());
    let kept = kept.map(field).collect::<Vec<_>>().concat();
    page(
        "Sign out",
        "",
        &format!(
            "<h1>Sign out?</h1>\n{asks}\
             <p>You\u{2019}ll have to sign in again for every application that uses this service.</p>\n\
             <form method=\"post\" action=\"/end_session\">\n{kept}\
             <button class=\"primary\" name=\"confirm\" value=\"yes\">Sign out</button>\n\
             </form>\n"
        ),
    )
}

/// A page that goes on to `address` by itself, and by a link where it may not.
///
/// It stands between a form and a redirect that may lead through hosts we do not know: a navigation
/// that a page begins is no longer the form's, and `form-action` has no say in it. An address that
/// is not `http` or `https` is not gone to. `name` says where the way leads.
#[must_use]
pub fn onward(address: &str, name: &str) -> String {
    let name = name_or(name, "the next page");
    let title = name.replace("<bdi>", "").replace("</bdi>", "");
    let Some(address) = web_address(address).map(|address| escape(&address)) else {
        return page(
            "Stopped",
            "",
            "<h1>This way leads nowhere</h1>\n<p>Go back and try again.</p>\n",
        );
    };
    page(
        &format!("Going to {title}"),
        &format!("<meta http-equiv=\"refresh\" content=\"0;url={address}\">\n"),
        &format!(
            "<h1>Taking you to {name}\u{2026}</h1>\n\
             <p><a class=\"button\" href=\"{address}\" rel=\"noopener noreferrer\">Continue</a></p>\n"
        ),
    )
}

/// The page at `/`: what this is, and where a program reads on.
#[must_use]
pub fn home(issuer: &str) -> String {
    let name = escape(issuer);
    let address = web_address(issuer).map(|issuer| {
        let discovery =
            format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        format!(
            "<p><a class=\"button\" href=\"{}\">Discovery document</a></p>\n",
            escape(&discovery)
        )
    });
    page(
        "Gatelatch",
        "",
        &format!(
            "<h1>An OpenID Connect issuer</h1>\n\
             <p>Applications send you here to sign in. There is nothing to do on this page \
             itself, but for <a href=\"/account\">your own account</a>.</p>\n\
             <p class=\"id\"><span>Issuer</span> <code>{name}</code></p>\n{}",
            address.unwrap_or_default()
        ),
    )
}

/// `text` as an absolute address that a browser may be sent to.
fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    Some(url.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_shows_fixed_words_and_the_correlation_id() {
        for view in [
            ProblemPage::unknown_client("4f1c"),
            ProblemPage::unregistered_redirect("4f1c"),
            ProblemPage::expired("4f1c"),
            ProblemPage::cookies_blocked("4f1c"),
            ProblemPage::cross_site("4f1c"),
            ProblemPage::not_found("4f1c"),
            ProblemPage::server_trouble("4f1c"),
        ] {
            let page = problem(&view);
            assert!(page.contains(&format!("<h1>{}</h1>", view.title)));
            assert!(page.contains(view.text));
            assert_eq!(page.matches("<code>4f1c</code>").count(), 1);
            // Nowhere to go and nothing to post: the page must not be a redirector.
            assert!(!page.contains("<a ") && !page.contains("<form") && !page.contains("refresh"));
        }
    }

    #[test]
    fn ui_04_only_web_addresses_become_links() {
        for address in ["javascript:alert(1)", "data:text/html,x", "/relative", "//host", "", "x"] {
            let view = SignedOut { client_name: "Notes", continue_to: Some(address) };
            assert!(!signed_out(&view).contains("href=\"j") && !signed_out(&view).contains("<a "));
            assert!(!onward(address, "Acme").contains("http-equiv"), "{address}");
            // Besides the one to the person's own page.
            assert_eq!(home(address).matches("<a ").count(), 1, "{address}");
        }
        let view =
            SignedOut { client_name: "Notes", continue_to: Some("https://notes.example/?a=1&b=2") };
        let link = "href=\"https://notes.example/?a=1&amp;b=2\" rel=\"noopener noreferrer\"";
        assert!(signed_out(&view).contains(link));
    }

    #[test]
    fn ui_04_an_address_cannot_end_the_refresh_or_begin_another() {
        let page = onward("https://a.example/\"><script>;url=https://b.example", "Acme");
        assert_eq!(page.matches("http-equiv").count(), 1);
        let (_, rest) = page.split_once("content=\"0;url=").unwrap();
        let (address, _) = rest.split_once('"').unwrap();
        assert!(address.starts_with("https://a.example/"));
    }

    #[test]
    fn the_front_page_names_the_issuer_and_links_to_its_discovery_document() {
        let page = home("https://id.example");
        assert!(page.contains("<code>https://id.example</code>"));
        assert!(page.contains("href=\"https://id.example/.well-known/openid-configuration\""));
        let page = home("https://id.example/tenant");
        assert!(
            page.contains("href=\"https://id.example/tenant/.well-known/openid-configuration\"")
        );
    }
}
