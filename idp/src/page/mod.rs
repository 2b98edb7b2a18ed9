//! The pages a person sees: pure functions from what is to be said to complete HTML.
//!
//! The frame around them is [`shared::page`]. Whatever others wrote goes through [`escape`]; all
//! other words are fixed.

mod consent;
mod own;
mod plain;
mod sign_in;
mod ways;

pub use consent::{Consent, Permission, consent};
pub use own::{OwnPage, own};
pub use plain::{
    ProblemPage, Retry, SignedOut, confirm_sign_out, home, onward, problem, signed_out,
};
pub use shared::page::{escape, picture_origin, policy, respond, respond_with_picture};
pub use sign_in::{Problem, SignIn, sign_in};
pub use ways::Ways;

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that others write, in every page.
    fn every_page(text: &str) -> Vec<String> {
        let all = SignIn {
            client_name: text,
            client_host: Some(text),
            interaction: text,
            username: text,
            problem: Some(Problem::WrongCredentials),
            creates: false,
            local: true,
            upstreams: &[(text, text)],
            by_domain: true,
        };
        let asks = Consent {
            client_name: text,
            client_host: Some(text.to_owned()),
            is_on_this_device: true,
            is_unchecked: true,
            id_host: Some(text.to_owned()),
            account: text,
            interaction: text,
            permissions: vec![Permission { words: text.into(), is_new: true }],
            logo: None,
            home: Some(text),
            policy: Some(text),
            terms: Some(text),
        };
        vec![
            sign_in(&all),
            sign_in(&SignIn { creates: true, ..all }),
            consent(&asks),
            problem(&ProblemPage {
                title: "Title",
                text: "Text.",
                correlation_id: text,
                retry: Some(Retry { interaction: text, upstream: text, label: text }),
            }),
            signed_out(&SignedOut { client_name: text, continue_to: Some(text) }),
            onward(text, text),
            home(text),
        ]
    }

    #[test]
    fn ui_04_ui_07_nothing_that_others_wrote_becomes_markup() {
        // Nothing that was put in may add a tag or an attribute: a page has as many of them as its
        // twin, in which the same places hold something harmless.
        let shape = |page: &str| (page.matches('<').count(), page.matches('"').count());
        for (payload, twin) in [
            ("<script>alert(1)</script>", "x"),
            ("\"><img src=x onerror=alert(1)>", "x"),
            ("' autofocus onfocus='alert(1)", "x"),
            ("</title><svg onload=alert(1)>", "x"),
            ("</style><script>alert(1)</script>", "x"),
            ("--><script>", "x"),
            ("&lt;script&gt;", "x"),
            ("https://a.example/\"><script>alert(1)</script>", "https://a.example/"),
        ] {
            for (page, twin) in every_page(payload).iter().zip(&every_page(twin)) {
                assert_eq!(shape(page), shape(twin), "{page}");
                assert!(!page.contains("<script") && !page.contains("<img"), "{page}");
                assert!(!page.contains("onfocus='"), "{page}");
            }
        }
    }

    #[test]
    fn ui_06_no_page_has_a_script_a_handler_an_inline_style_or_anything_from_elsewhere() {
        for page in every_page("x") {
            for banned in ["<script", " style=", " src=", "@import", "url("] {
                assert!(!page.contains(banned), "{banned} in {page}");
            }
            let mut tags = page.split('<').filter_map(|rest| rest.split_once('>'));
            assert!(tags.all(|(tag, _)| !tag.contains(" on")), "{page}");
        }
    }

    #[test]
    fn every_page_says_its_language_its_title_and_its_one_heading() {
        for page in every_page("x") {
            assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
            for once in ["<title>", "<h1", "<main>", "name=\"viewport\""] {
                assert_eq!(page.matches(once).count(), 1, "{once} in {page}");
            }
            assert!(!page.contains("user-scalable") && !page.contains("maximum-scale"));
        }
    }
}
