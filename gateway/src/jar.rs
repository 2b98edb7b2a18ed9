//! Stand-in: the same as the real file without its tests; to be dropped for it.
//!
//! Our cookies: told from everybody else's, and values too long for one cookie spread over several.
//!
//! A short value is one cookie, `name`. A longer one is `name.0`, `name.1` and so on, each value
//! `index.count.part`, so that a chunk that is missing, repeated, swapped or too many makes the
//! whole unreadable (GS-06). That the parts are ours is for the seal of the content to say.

use http::header::HeaderMap;
use shared::cookie;

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
