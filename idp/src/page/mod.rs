//! The pages a person sees: pure functions from what is to be said to complete HTML.
//!
//! No page has a script. Whatever others wrote goes through [`escape`]; all other words are fixed.
//! The style stands in the page, and its hash in the [`policy`].

mod escape;
mod plain;
mod policy;
mod sign_in;

pub use escape::escape;
pub use plain::{ProblemPage, SignedOut, confirm_sign_out, home, onward, problem, signed_out};
pub use policy::{policy, respond};
pub use sign_in::{Problem, SignIn, sign_in};

/// The style of all pages, as it stands in them.
const STYLE: &str = include_str!("style.css");

/// The mark: a gate and its latch. The icon is the same drawing in one colour, which
/// does for light and dark tabs alike.
const MARK: &str = "<svg class=\"mark\" viewBox=\"0 0 32 32\" width=\"32\" height=\"32\" \
    aria-hidden=\"true\" focusable=\"false\"><rect width=\"32\" height=\"32\" rx=\"8\"/>\
    <path d=\"M8.5 25V14.5a7.5 7.5 0 0 1 15 0V25M8.5 18.5h8\"/></svg>";

/// [`MARK`] as a picture.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns=%27http://www.w3.org/2000/svg%27 \
    viewBox=%270 0 32 32%27%3E%3Crect width=%2732%27 height=%2732%27 rx=%278%27 \
    fill=%27%231f6b52%27/%3E%3Cpath \
    d=%27M8.5 25V14.5a7.5 7.5 0 0 1 15 0V25M8.5 18.5h8%27 fill=%27none%27 stroke=%27%23fff%27 stroke-width=%273%27 stroke-linecap=%27round%27/%3E%3C/svg%3E";

/// Puts the frame around a page. `title` and `main` are HTML already.
fn page(title: &str, extra_head: &str, main: &str) -> String {
    format!(
        "<!DOCTYPE html>\n\
         <html lang=\"en\">\n\
         <head>\n\
         <meta charset=\"utf-8\">\n\
         <title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         {extra_head}\
         <link rel=\"icon\" href=\"{ICON}\">\n\
         <style>{STYLE}</style>\n\
         </head>\n\
         <body>\n\
         <header class=\"brand\">{MARK}<span>Gatelatch</span></header>\n\
         <main>\n{main}</main>\n\
         </body>\n\
         </html>\n"
    )
}

/// `name` for people to read, isolated from the direction of the words around it; `instead` when
/// nothing of it can be seen.
fn name_or(name: &str, instead: &str) -> String {
    let name = escape(name);
    let name = name.trim();
    if name.is_empty() { instead.to_owned() } else { format!("<bdi>{name}</bdi>") }
}

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
            local: true,
            upstream: Some(text),
        };
        vec![
            sign_in(&all),
            problem(&ProblemPage { title: "Title", text: "Text.", correlation_id: text }),
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
        assert!(!STYLE.contains('<'), "the style could end itself");
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

    #[test]
    fn ui_13_a_name_that_cannot_be_seen_is_replaced() {
        assert_eq!(name_or("\u{200B}\u{202E} ", "the app"), "the app");
        assert_eq!(name_or(" Notes\u{202E} ", "the app"), "<bdi>Notes</bdi>");
    }
}
