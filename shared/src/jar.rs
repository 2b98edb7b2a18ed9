//! Our cookies: told from everybody else's, and values too long for one cookie spread over several.
//!
//! A short value is one cookie, `name`. A longer one is `name.0`, `name.1` and so on, each value
//! `index.count.part`, so that a chunk that is missing, repeated, swapped or too many makes the
//! whole unreadable (GS-06). That the parts are ours is for the seal of the content to say.

use crate::cookie;
use http::header::HeaderMap;

/// What the name of each of our cookies begins with.
pub const OURS: &str = "__Host-gatelatch";

/// Bytes of a value in one cookie. With the longest name and prefix it stays under 3500, so that
/// with its attributes it stays under the 4096 that browsers keep.
const LONGEST_PART: usize = 3400;

/// More would crowd out the other headers of a request.
const MOST_PARTS: usize = 5;

/// A value that would not fit, or is not the text of a cookie: five chunks are 17 000 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TooLarge;

/// Whether a cookie's name is for us alone, in any case: browsers differ on whether the prefix
/// protects other cases, and frameworks on whether they tell them apart (GS-09).
#[must_use]
pub fn is_ours(name: &[u8]) -> bool {
    let name = name.trim_ascii();
    name.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS.as_bytes()))
}

/// The name that a cookie's value was written under: its own, or that of the whole whose chunk it is.
#[must_use]
pub fn base(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((base, index)) if index.bytes().all(|byte| byte.is_ascii_digit()) => base,
        _ => name,
    }
}

/// The value of `name`, put together from its chunks; none unless all of them are there exactly
/// once and no other one is.
#[must_use]
pub fn read(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut whole = None;
    let mut parts = [None; MOST_PARTS];
    for (found, value) in cookie::all(headers) {
        let place = if found == name {
            &mut whole
        } else if let Some(index) = chunk(found, name) {
            parts.get_mut(index.parse::<usize>().ok().filter(|n| n.to_string() == index)?)?
        } else {
            continue;
        };
        if place.replace(value).is_some() {
            return None;
        }
    }
    let sent = parts.iter().flatten().count();
    if sent == 0 {
        return whole.filter(|value| !value.is_empty()).map(str::to_owned);
    }
    let mut value = String::new();
    for (index, part) in parts.iter().take(sent).enumerate() {
        value.push_str((*part)?.strip_prefix(&format!("{index}.{sent}."))?);
    }
    whole.is_none().then_some(value)
}

/// Sets `name`, in chunks where it must, and deletes what the browser sent of it and would keep
/// beside the new value (GS-07). `seconds` as in [`cookie::set`].
///
/// # Errors
/// [`TooLarge`]; then nothing was written.
pub fn write(
    out: &mut HeaderMap,
    sent: &HeaderMap,
    name: &str,
    value: &str,
    seconds: Option<u64>,
) -> Result<(), TooLarge> {
    let count = value.len().div_ceil(LONGEST_PART).max(1);
    if count > MOST_PARTS || !is_cookie_text(value) {
        return Err(TooLarge);
    }
    if count == 1 {
        cookie::set(out, name, value, seconds);
        delete_others(out, sent, name, |kept| kept == name);
        return Ok(());
    }
    for index in 0..count {
        let start = index * LONGEST_PART;
        let end = value.len().min(start + LONGEST_PART);
        let part = value.get(start..end).ok_or(TooLarge)?;
        cookie::set(out, &format!("{name}.{index}"), &format!("{index}.{count}.{part}"), seconds);
    }
    delete_others(out, sent, name, |kept| {
        chunk(kept, name).is_some_and(|index| (0..count).any(|n| n.to_string() == index))
    });
    Ok(())
}

/// Deletes `name` and every chunk of it that the browser sent.
pub fn delete(out: &mut HeaderMap, sent: &HeaderMap, name: &str) {
    cookie::delete(out, name);
    delete_others(out, sent, name, |kept| kept == name);
}

fn delete_others(
    out: &mut HeaderMap,
    sent: &HeaderMap,
    name: &str,
    is_kept: impl Fn(&str) -> bool,
) {
    let mut names: Vec<_> = cookie::all(sent).map(|(found, _)| found).collect();
    names.sort_unstable();
    names.dedup();
    for found in names {
        if (found == name || chunk(found, name).is_some()) && !is_kept(found) {
            cookie::delete(out, found);
        }
    }
}

/// The digits after `name.`; none when the cookie is no chunk of `name`.
fn chunk<'c>(found: &'c str, name: &str) -> Option<&'c str> {
    let index = found.strip_prefix(name)?.strip_prefix('.')?;
    let digits = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some(index)
}

/// RFC 6265 §4.1.1 `cookie-octet`.
fn is_cookie_text(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b',' | b';' | b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{COOKIE, HeaderValue, SET_COOKIE};
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const NAME: &str = "__Host-gatelatch";

    type Browser = BTreeMap<String, String>;

    fn sent(browser: &Browser) -> HeaderMap {
        let pairs: Vec<_> = browser.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(&pairs.join("; ")).unwrap());
        headers
    }

    fn keep(browser: &mut Browser, out: &HeaderMap) {
        for line in out.get_all(SET_COOKIE) {
            let (pair, attributes) = line.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(pair.len() < 3500, "{}", pair.len());
            if attributes.contains("Max-Age=0") {
                browser.remove(name);
            } else {
                browser.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn put(browser: &mut Browser, value: &str) {
        let mut out = HeaderMap::new();
        write(&mut out, &sent(browser), NAME, value, None).unwrap();
        keep(browser, &out);
    }

    fn three_chunks() -> Browser {
        let mut browser = Browser::new();
        let value: String =
            ["a", "b", "c"].iter().map(|letter| letter.repeat(LONGEST_PART)).collect();
        put(&mut browser, &value);
        assert_eq!(read(&sent(&browser), NAME), Some(value));
        browser
    }

    #[test]
    fn gs_06_a_chunk_missing_added_or_swapped_makes_the_whole_unreadable() {
        let key = |index: usize| format!("{NAME}.{index}");
        for index in 0..3 {
            let mut browser = three_chunks();
            browser.remove(&key(index));
            assert_eq!(read(&sent(&browser), NAME), None, "{index} is missing");
        }
        for extra in [3, 4, 5, 99] {
            let mut browser = three_chunks();
            browser.insert(key(extra), format!("{extra}.3.x"));
            assert_eq!(read(&sent(&browser), NAME), None, "{extra} is extra");
        }
        for (one, other) in [(0, 1), (1, 2), (0, 2)] {
            let mut browser = three_chunks();
            let value = browser.remove(&key(one)).unwrap();
            let value = browser.insert(key(other), value).unwrap();
            browser.insert(key(one), value);
            assert_eq!(read(&sent(&browser), NAME), None, "{one} and {other} are swapped");
        }
        let mut both = three_chunks();
        both.insert(NAME.to_owned(), "x".to_owned());
        assert_eq!(read(&sent(&both), NAME), None);
    }

    #[test]
    fn gs_06_a_repeated_chunk_and_odd_indices_are_unreadable() {
        for line in [
            "n.0=0.1.a; n.0=0.1.a",
            "n=a; n=a",
            "n.0=0.2.a; n.1=1.3.b",
            "n.0=a",
            "n.00=0.1.a",
            "n.0=0.1.a; n.00=0.1.a",
            "n.99999999999999999999999=x; n=a",
            "n=",
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, HeaderValue::from_static(line));
            assert_eq!(read(&headers, "n"), None, "{line}");
        }
    }

    #[test]
    fn gs_07_a_session_that_shrinks_leaves_no_stale_chunk() {
        let mut browser = three_chunks();
        put(&mut browser, "small");
        assert_eq!(browser.keys().collect::<Vec<_>>(), [NAME]);
        put(&mut browser, &"x".repeat(LONGEST_PART + 1));
        assert_eq!(browser.len(), 2);
        browser.insert(format!("{NAME}.07"), String::new());
        put(&mut browser, &"x".repeat(LONGEST_PART * 2 + 1));
        assert_eq!(browser.len(), 3);
        let mut out = HeaderMap::new();
        delete(&mut out, &sent(&browser), NAME);
        keep(&mut browser, &out);
        assert!(browser.is_empty());
    }

    #[test]
    fn gs_08_what_does_not_fit_is_an_error_and_writes_nothing() {
        for value in ["x".repeat(LONGEST_PART * MOST_PARTS + 1), "a;b".to_owned(), "\u{e9}".into()]
        {
            let mut out = HeaderMap::new();
            assert_eq!(write(&mut out, &HeaderMap::new(), NAME, &value, None), Err(TooLarge));
            assert!(out.is_empty());
        }
    }

    #[test]
    fn gs_09_our_names_are_ours_in_any_case() {
        for ours in ["__Host-gatelatch", " __host-GATELATCH-login", "__Host-gatelatch.0"] {
            assert!(is_ours(ours.as_bytes()), "{ours}");
        }
        for other in ["", "gatelatch", "__Host-gate", "x__Host-gatelatch"] {
            assert!(!is_ours(other.as_bytes()), "{other}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_written_after_whatever_reads_back(
            lengths in prop::collection::vec(1..LONGEST_PART * MOST_PARTS, 1..5),
        ) {
            let mut browser = Browser::new();
            for length in lengths {
                let value: String = ('a'..='z').cycle().take(length).collect();
                put(&mut browser, &value);
                prop_assert_eq!(read(&sent(&browser), NAME), Some(value));
            }
        }

        #[test]
        fn gs_10_no_cookie_header_makes_it_panic(line in "\\PC{0,80}", name in "[a-z.]{0,3}") {
            let mut headers = HeaderMap::new();
            if let Ok(line) = HeaderValue::from_bytes(line.as_bytes()) {
                headers.insert(COOKIE, line);
            }
            let _ = read(&headers, &name);
            let _ = write(&mut HeaderMap::new(), &headers, &name, "v", None);
        }
    }
}
