//! Text that others wrote, made harmless.

/// `text` as the content of an element or of an attribute in double quotes.
///
/// Characters that are not seen but change what is seen are left out: controls, and what turns the
/// direction of writing or has no width (UI-13). A client's name cannot pretend to be another's by
/// them, nor run into the words around it.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars().filter(|character| !is_unseen(*character)) {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// `text` as the content of an attribute in double quotes, for a program at the other end: nothing is
/// left out, so a form gives back what was put in.
#[must_use]
pub fn verbatim(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // As they are, an HTML parser takes both for a line feed.
            '\r' => escaped.push_str("&#13;"),
            '\n' => escaped.push_str("&#10;"),
            plain => escaped.push(plain),
        }
    }
    escaped
}

/// Whether a character is to be left out.
fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{AD}'
                | '\u{61C}'
                | '\u{180E}'
                | '\u{200B}'..='\u{200F}'
                | '\u{2028}'..='\u{202E}'
                | '\u{2060}'..='\u{206F}'
                | '\u{FEFF}'
                | '\u{FFF9}'..='\u{FFFB}'
                | '\u{E0000}'..='\u{E007F}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ui_04_markup_becomes_text() {
        let escaped = escape(r#"<img src=x onerror="alert('&')">"#);
        assert_eq!(escaped, "&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;");
    }

    #[test]
    fn ui_04_no_ascii_character_gets_out_of_an_attribute_or_starts_an_element() {
        for byte in 0..=127_u8 {
            let escaped = escape(&char::from(byte).to_string());
            assert!(!escaped.contains(['<', '>', '"', '\'']), "{byte}");
            assert!(!escaped.contains('&') || escaped.ends_with(';'), "{byte}");
        }
    }

    #[test]
    fn ui_13_unseen_characters_are_left_out() {
        let unseen = ('\u{200B}'..='\u{200F}')
            .chain('\u{202A}'..='\u{202E}')
            .chain('\u{2066}'..='\u{2069}')
            .chain(['\0', '\u{1B}', '\u{7F}', '\u{9F}', '\n', '\u{FEFF}']);
        for character in unseen {
            let escaped = escape(&format!("Pay{character}Pal"));
            assert_eq!(escaped, "PayPal", "{}", character.escape_unicode());
        }
    }

    #[test]
    fn az_06_az_07_what_a_program_reads_keeps_every_character_and_ends_no_attribute() {
        let odd = "\u{200b}\u{202e}a\u{1b}\t\u{9f} \u{e9}";
        assert_eq!(verbatim(odd), odd);
        assert_eq!(verbatim("\"><script>'&\r\n"), "&quot;&gt;&lt;script&gt;&#39;&amp;&#13;&#10;");
    }

    #[test]
    fn every_writing_stays_as_it_is() {
        for name in ["Übung", "注文", "حساب", "חשבון", "Ça va ?", "naïve 🙂"] {
            assert_eq!(escape(name), name);
        }
    }
}
