//! The page on which a person says whether a client may have what it asks for.

use shared::page::{escape, name_or, page};
use std::borrow::Cow;

/// What the page says and offers.
#[derive(Clone, Debug)]
pub struct Consent<'a> {
    /// The client that asks, as registered.
    pub client_name: &'a str,
    /// Where the person will be sent afterwards: the host of the redirect URI, if it has one.
    pub client_host: Option<String>,
    /// Whether that is a program of this device, which could be any.
    pub is_on_this_device: bool,
    /// Whether nobody has checked who the client is.
    pub is_unchecked: bool,
    /// The host in its `client_id`, if that is an address.
    pub id_host: Option<String>,
    /// Who is asked, in their own words.
    pub account: &'a str,
    /// The sealed page that both forms carry.
    pub interaction: &'a str,
    /// What is asked for; nothing when it is only about going on.
    pub permissions: Vec<Permission<'a>>,
    /// An `https` address of a picture.
    pub logo: Option<&'a str>,
    /// The client's home page, `https`.
    pub home: Option<&'a str>,
    /// What it does with people's data, `https`.
    pub policy: Option<&'a str>,
    /// Its terms of service, `https`.
    pub terms: Option<&'a str>,
}

/// One thing that is asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Permission<'a> {
    /// What, in the person's words.
    pub words: Cow<'a, str>,
    /// Whether they have agreed to other things before, and not to this.
    pub is_new: bool,
}

/// The consent page. Its two forms carry `interaction` and post a `decision`.
#[must_use]
pub fn consent(view: &Consent<'_>) -> String {
    let Consent { client_name, is_on_this_device, account, permissions, .. } = view;
    let client = name_or(client_name, "the application");
    let account = name_or(account, "your account");
    let interaction = escape(view.interaction);
    let hidden = format!("<input type=\"hidden\" name=\"interaction\" value=\"{interaction}\">\n");

    let asks = !permissions.is_empty();
    let plain = |name: &str| name.replace("<bdi>", "").replace("</bdi>", "");
    let (title, heading, allow) = if asks {
        (format!("Allow {}?", plain(&client)), format!("Allow {client}?"), "Allow".to_owned())
    } else {
        let title = format!("Continue to {}?", plain(&client));
        (title, format!("Continue to {client}?"), format!("Continue as {account}"))
    };
    let logo = view.logo.map_or(String::new(), |logo| {
        format!(
            "<img class=\"logo\" src=\"{}\" alt=\"\" width=\"48\" height=\"48\">\n",
            escape(logo)
        )
    });
    let host = view.client_host.as_deref().map(escape).filter(|host| !host.trim().is_empty());
    let program = if *is_on_this_device { ", a program on this device" } else { "" };
    let host = match host {
        Some(host) => format!("<b><bdi>{host}</bdi></b>{program}"),
        None => "a program on this device".to_owned(),
    };
    let warning =
        if view.is_unchecked { unchecked(view.id_host.as_deref()) } else { String::new() };
    let started = if *is_on_this_device {
        "<p class=\"note\">Go on only if you have just started this from there yourself.</p>\n"
    } else {
        ""
    };
    let list = list(permissions);
    let links = links(view, &client);
    page(
        &title,
        "",
        &format!(
            "{logo}<h1>{heading}</h1>\n\
             <form class=\"who\" method=\"post\" action=\"/consent\">\n{hidden}\
             <p>Signed in as <b>{account}</b></p>\n\
             <button class=\"quiet\" name=\"decision\" value=\"somebody-else\">Not you?</button>\n\
             </form>\n{warning}{list}{started}\
             <form method=\"post\" action=\"/consent\">\n{hidden}\
             <button class=\"primary\" name=\"decision\" value=\"allow\">{allow}</button>\n\
             <button name=\"decision\" value=\"deny\">Cancel</button>\n\
             </form>\n\
             <p class=\"host\">You\u{2019}ll be sent to {host}.</p>\n{links}"
        ),
    )
}

/// That nobody vouches for the name.
fn unchecked(host: Option<&str>) -> String {
    let host = host.map_or(String::new(), |host| {
        format!(" It says it belongs to <b><bdi>{}</bdi></b>.", escape(host))
    });
    format!(
        "<p class=\"warning\">This application registered itself here, and nobody has checked its \
         name.{host}</p>\n"
    )
}

fn list(permissions: &[Permission<'_>]) -> String {
    if permissions.is_empty() {
        return String::new();
    }
    let item = |Permission { words, is_new }: &Permission<'_>| {
        let mark = if *is_new { " <strong class=\"new\">New</strong>" } else { "" };
        format!("<li>{}{mark}</li>\n", name_or(words, "Something without a name"))
    };
    let items = permissions.iter().map(item).collect::<Vec<_>>().concat();
    format!("<p class=\"asks\">It will be able to:</p>\n<ul class=\"permissions\">\n{items}</ul>\n")
}

/// What the client says about itself, elsewhere.
fn links(view: &Consent<'_>, client: &str) -> String {
    let link = |address: Option<&str>, label: Cow<'_, str>| {
        address.map(|address| {
            let address = escape(address);
            format!("<a href=\"{address}\" rel=\"noopener noreferrer\">{label}</a>")
        })
    };
    let links = [
        link(view.home, format!("About {client}").into()),
        link(view.policy, "Privacy policy".into()),
        link(view.terms, "Terms of service".into()),
    ];
    let links: Vec<_> = links.into_iter().flatten().collect();
    if links.is_empty() {
        return String::new();
    }
    format!("<p class=\"links\">{}</p>\n", links.join(" \u{b7} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMAIL: Permission<'_> =
        Permission { words: Cow::Borrowed("See your email address"), is_new: false };
    const REPORTS: Permission<'_> =
        Permission { words: Cow::Borrowed("Read your reports"), is_new: true };

    fn plain() -> Consent<'static> {
        Consent {
            client_name: "Notes",
            client_host: Some("notes.example".to_owned()),
            is_on_this_device: false,
            is_unchecked: false,
            id_host: None,
            account: "alice",
            interaction: "sealed-text",
            permissions: vec![EMAIL],
            logo: None,
            home: None,
            policy: None,
            terms: None,
        }
    }

    #[test]
    fn the_page_says_who_asks_for_what_of_whom_and_where_the_way_leads() {
        let page = consent(&plain());
        for said in [
            "<title>Allow Notes?</title>",
            "<h1>Allow <bdi>Notes</bdi>?</h1>",
            "<b><bdi>alice</bdi></b>",
            "<li><bdi>See your email address</bdi></li>",
            "<b><bdi>notes.example</bdi></b>",
        ] {
            assert_eq!(page.matches(said).count(), 1, "{said} in {page}");
        }
        assert!(!page.contains("New") && !page.contains("nobody has checked"));
        assert!(!page.contains("this device"));
    }

    #[test]
    fn every_decision_is_a_button_of_a_form_that_carries_the_page() {
        let page = consent(&plain());
        for decision in ["allow", "deny", "somebody-else"] {
            let button = format!("name=\"decision\" value=\"{decision}\"");
            assert_eq!(page.matches(&button).count(), 1, "{decision}");
        }
        let hidden = "<input type=\"hidden\" name=\"interaction\" value=\"sealed-text\">";
        assert_eq!(page.matches(hidden).count(), 2);
        assert_eq!(page.matches("<form ").count(), 2);
        assert_eq!(page.matches("class=\"primary\"").count(), 1);
    }

    #[test]
    fn ui_03_what_is_new_is_marked() {
        let page = consent(&Consent { permissions: vec![EMAIL, REPORTS], ..plain() });
        assert_eq!(page.matches("class=\"new\"").count(), 1);
        assert!(page.contains("<bdi>Read your reports</bdi> <strong"));
    }

    #[test]
    fn ui_10_nobody_vouches_for_a_client_that_registered_itself() {
        let id_host = Some("client.example".to_owned());
        let page = consent(&Consent { is_unchecked: true, id_host, ..plain() });
        assert!(page.contains("nobody has checked") && page.contains("<bdi>client.example</bdi>"));
    }

    #[test]
    fn rfc8252_8_6_going_on_to_a_program_of_this_device_is_said_so() {
        for client_host in [Some("127.0.0.1:51004".to_owned()), None] {
            let (is_on_this_device, permissions) = (true, Vec::new());
            let view = Consent { client_host, is_on_this_device, permissions, ..plain() };
            let page = consent(&view);
            assert!(page.contains("a program on this device") && !page.contains("<ul"));
            assert!(page.contains("Continue as <bdi>alice</bdi></button>"));
        }
    }

    #[test]
    fn ui_04_links_say_nothing_about_where_they_come_from() {
        let page = consent(&Consent {
            home: Some("https://notes.example/?a=1&b=2"),
            policy: Some("https://notes.example/policy"),
            terms: Some("https://notes.example/terms\"onclick=x"),
            ..plain()
        });
        assert_eq!(page.matches("<a href=\"https://notes.example/").count(), 3);
        assert_eq!(page.matches(" rel=\"noopener noreferrer\">").count(), 3);
        assert!(page.contains("?a=1&amp;b=2\"") && page.contains("terms&quot;onclick=x\""));
    }

    #[test]
    fn ui_13_a_name_that_cannot_be_seen_is_replaced() {
        let unseen = "\u{200b}\u{202e}";
        let view = Consent { client_name: unseen, account: unseen, ..plain() };
        let page = consent(&view);
        assert!(page.contains("<h1>Allow the application?</h1>"));
        assert!(page.contains("<b>your account</b>"));
    }
}
