//! The frame of every page that a person sees, at both Workers: one script of ours at the most, the
//! style in the page, and the hashes of both in the [`policy`]. Whatever others wrote goes through
//! [`escape`].

mod ago;
mod escape;
mod form_post;
mod policy;
pub mod widget;

pub use ago::ago;
pub use escape::{escape, verbatim};
pub use form_post::form_post;
pub use policy::{picture_origin, policy, respond, respond_with_picture, respond_with_script};

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

/// Puts the frame around a page. All three are HTML already.
#[must_use]
pub fn page(title: &str, extra_head: &str, main: &str) -> String {
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
#[must_use]
pub fn name_or(name: &str, instead: &str) -> String {
    let name = escape(name);
    let name = name.trim();
    if name.is_empty() { instead.to_owned() } else { format!("<bdi>{name}</bdi>") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_cannot_end_itself() {
        assert!(!STYLE.contains('<'));
    }

    #[test]
    fn ui_13_a_name_that_cannot_be_seen_is_replaced() {
        assert_eq!(name_or("\u{200b}\u{202e} ", "somebody"), "somebody");
        assert_eq!(name_or("a<b", "somebody"), "<bdi>a&lt;b</bdi>");
    }
}
