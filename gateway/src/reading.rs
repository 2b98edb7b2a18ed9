//! How an origin laxer than we are might read a path: decoding it again, taking a backslash for a
//! slash, dropping matrix parameters, merging slashes. Nobody knows what stands behind a gateway,
//! so a path is sent only when all of these readings belong to the same route.

use crate::path::resolve_dots;
use std::collections::BTreeSet;

/// No honest path has as many readings; one that does is not worth the time.
const MOST_READINGS: usize = 64;

/// How often an origin may decode what it was sent.
const MOST_DECODINGS: u8 = 2;

/// A path somebody might read, and how often it was decoded to get there.
type Reading = (Vec<u8>, u8);

/// Every reading of a canonical path that is not the path itself; none when there are too many.
pub(crate) fn readings(path: &str) -> Option<BTreeSet<Reading>> {
    let mut found = BTreeSet::new();
    if !path.contains(['%', ';']) && !path.contains("//") {
        return Some(found);
    }
    let mut waiting = vec![(path.as_bytes().to_vec(), 0)];
    while let Some((path, decodings)) = waiting.pop() {
        let steps = [backslashes, parameters, cut, merge, resolve_dots].map(|step| step(&path));
        let mut next: Vec<Reading> = steps.into_iter().map(|path| (path, decodings)).collect();
        if decodings < MOST_DECODINGS {
            next.push((decode(&path), decodings + 1));
        }
        for reading in next {
            if reading.0 != path && found.insert(reading.clone()) {
                waiting.push(reading);
            }
        }
        if found.len() > MOST_READINGS {
            return None;
        }
    }
    Some(found)
}

/// Every escape decoded; what is no escape stays.
fn decode(path: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path;
    while let [first, after @ ..] = rest {
        rest = after;
        let escape = match after {
            [high, low, ..] if *first == b'%' => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match escape {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                rest = after.get(2..).unwrap_or_default();
            }
            None => decoded.push(*first),
        }
    }
    decoded
}

/// As on Windows, and as the URL standard has it for the web's schemes.
fn backslashes(path: &[u8]) -> Vec<u8> {
    path.iter().map(|byte| if *byte == b'\\' { b'/' } else { *byte }).collect()
}

/// Without matrix parameters, as Java's servers read it: `/a;x/b` is `/a/b`.
fn parameters(path: &[u8]) -> Vec<u8> {
    let bare = |segment: &[u8]| segment.split(|byte| *byte == b';').next().map(<[u8]>::to_vec);
    let segments: Vec<_> = path.split(|byte| *byte == b'/').filter_map(bare).collect();
    segments.join(&b'/')
}

/// As one that decodes first and looks for query and fragment afterwards.
fn cut(path: &[u8]) -> Vec<u8> {
    path.iter().take_while(|byte| !matches!(byte, b'?' | b'#')).copied().collect()
}

/// Runs of slashes as one.
fn merge(path: &[u8]) -> Vec<u8> {
    let mut merged = path.to_vec();
    merged.dedup_by(|later, earlier| *later == b'/' && *earlier == b'/');
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reads_as(path: &str, other: &str) -> bool {
        readings(path).unwrap().iter().any(|(reading, _)| reading == other.as_bytes())
    }

    #[test]
    fn gp_10_the_known_ways_to_read_a_path_otherwise_are_tried_together() {
        for path in [
            "/public/..%2Fadmin",
            "/public/..;/admin",
            "//admin",
            "/admin;x",
            "/admin%3Bx",
            "/public%5C..%5Cadmin",
            "/public/%252E%252E/admin",
            "/public/..%253B%252Fadmin",
            "/public/%2E%2E%2f;a=b%2F/admin",
            "/admin%23/public",
            "/admin%3F/public",
        ] {
            assert!(reads_as(path, "/admin"), "{path}");
        }
    }

    #[test]
    fn a_reading_that_another_step_would_undo_is_found_too() {
        assert!(reads_as("/public/x/..%2F..%2Fadmin/..;/..;/public", "/admin/..;/..;/public"));
    }

    #[test]
    fn a_plain_path_has_no_other_reading_and_a_maze_has_too_many() {
        assert_eq!(readings("/a/b.c/d-e").map(|found| found.len()), Some(0));
        assert_eq!(readings("/%2541;%253B%5C..%252F//..%23%3F/;/%255C%2523/..;%2F%2F"), None);
        assert!(readings("/a%20b/c%2Fd;v=1").is_some());
    }
}
