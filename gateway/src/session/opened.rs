//! Session cookies that this isolate has opened lately. A browser sends the same one again and
//! again, and to open it costs as much as everything else the gateway decides about a request.

use super::cookie::{Contents, NAME};
use super::remembered::Remembered;
use super::unwritten::Unwritten;
use crate::config::Config;
use crate::forward::Bearer;
use http::HeaderMap;
use shared::jar;
use shared::secret::AccessToken;
use shared::time::UnixTime;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::mem;
use std::rc::Rc;

/// How many cookies each generation holds; one is a few kilobytes.
const MOST: usize = 256;

/// How a cookie is found: by the first bytes of it, which are drawn at random for each.
type Mark = [u8; 32];

/// What came out of cookies. Only what we sealed ourselves gets in, so nobody else can fill it, and
/// whoever finds something here sent all of what opens it. Times are not believed: they are looked
/// at on every request.
#[derive(Debug, Default)]
pub struct Opened {
    cookies: RefCell<Generations>,
    /// What the objects of those sessions said besides.
    pub remembered: Remembered,
    /// What has become of those without an object that their browsers are not told.
    pub unwritten: Unwritten,
}

/// What was used since the young ones filled up last, and what was used before that.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Mark, Rc<Entry>>,
    old: HashMap<Mark, Rc<Entry>>,
}

/// One cookie.
#[derive(Debug)]
pub struct Entry {
    sealed: String,
    /// What it holds.
    pub contents: Contents,
    bearer: OnceCell<Option<Bearer>>,
}

impl Entry {
    /// The access token in it, as origins are sent it; none when no header can hold it.
    #[must_use]
    pub fn bearer(&self, token: &AccessToken) -> Option<Bearer> {
        self.bearer.get_or_init(|| Bearer::new(token)).clone()
    }
}

impl Opened {
    /// The session of a request; none when there is none that we made and that may still live.
    #[must_use]
    pub fn read(&self, config: &Config, headers: &HeaderMap, now: UnixTime) -> Option<Rc<Entry>> {
        let sealed = jar::read(headers, NAME)?;
        let mark = *sealed.as_bytes().first_chunk::<32>()?;
        let mut generations = self.cookies.borrow_mut();
        let known = generations.find(mark).filter(|entry| entry.sealed == sealed);
        let entry = if let Some(known) = known {
            known
        } else {
            let contents = Contents::open(config, &sealed)?;
            Rc::new(Entry { sealed, contents, bearer: OnceCell::new() })
        };
        generations.keep(mark, &entry);
        entry.contents.may_live(now).then_some(entry)
    }
}

impl Generations {
    fn find(&mut self, mark: Mark) -> Option<Rc<Entry>> {
        self.young.get(&mark).map(Rc::clone).or_else(|| self.old.remove(&mark))
    }

    fn keep(&mut self, mark: Mark, entry: &Rc<Entry>) {
        if self.young.contains_key(&mark) {
            return;
        }
        if self.young.len() == MOST {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(mark, Rc::clone(entry));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::with;
    use http::HeaderValue;
    use http::header::{COOKIE, SET_COOKIE};
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    const NOON: UnixTime = UnixTime(1_800_000_000);

    fn contents() -> Contents {
        Contents::Handle { handle: "h".into(), ends_at: NOON.plus(10), place: None }
    }

    /// What a browser sends that was given the contents in a cookie of its own.
    fn sent(config: &Config, browser: u64) -> HeaderMap {
        let (mut out, mut sent) = (HeaderMap::new(), HeaderMap::new());
        let mut rng = ChaCha20Rng::seed_from_u64(browser);
        contents().write(config, (&mut out, &sent), &mut rng).unwrap();
        let line = out[SET_COOKIE].to_str().unwrap().split(';').next().unwrap();
        sent.insert(COOKIE, HeaderValue::from_str(line).unwrap());
        sent
    }

    #[test]
    fn a_cookie_is_opened_once_and_its_end_is_looked_at_every_time() {
        let (config, opened) = (with(&[]).unwrap(), Opened::default());
        let headers = sent(&config, 0);
        let first = opened.read(&config, &headers, NOON).unwrap();
        assert_eq!(first.contents, contents());
        let again = opened.read(&config, &headers, NOON.plus(9)).unwrap();
        assert!(Rc::ptr_eq(&first, &again));
        assert!(opened.read(&config, &headers, NOON.plus(10)).is_none());
    }

    #[test]
    fn gs_02_what_we_did_not_seal_is_not_kept() {
        let (config, opened) = (with(&[]).unwrap(), Opened::default());
        for value in ["__Host-gatelatch-session=garbage", "__Host-gatelatch-session=", "a=b"] {
            let headers = [(COOKIE, HeaderValue::from_static(value))].into_iter().collect();
            assert!(opened.read(&config, &headers, NOON).is_none());
        }
        assert!(opened.cookies.borrow().young.is_empty());
    }

    #[test]
    fn gs_02_a_cookie_that_begins_as_a_known_one_is_not_it() {
        let (config, opened) = (with(&[]).unwrap(), Opened::default());
        let headers = sent(&config, 0);
        assert!(opened.read(&config, &headers, NOON).is_some());
        let mut bytes = headers[COOKIE].as_bytes().to_vec();
        for last in [bytes.len() - 1, bytes.len() - 40] {
            bytes[last] ^= 1;
            let changed = HeaderValue::from_bytes(&bytes).unwrap();
            let changed = [(COOKIE, changed)].into_iter().collect();
            assert!(opened.read(&config, &changed, NOON).is_none());
        }
        assert!(opened.read(&config, &headers, NOON).is_some());
    }

    #[test]
    fn a_cookie_that_nobody_sends_any_more_is_forgotten() {
        let (config, opened) = (with(&[]).unwrap(), Opened::default());
        let first = opened.read(&config, &sent(&config, 0), NOON).unwrap();
        let second = opened.read(&config, &sent(&config, 1), NOON).unwrap();
        for browser in 2..600 {
            opened.read(&config, &sent(&config, browser), NOON).unwrap();
            // One that is sent now and then stays.
            let again = opened.read(&config, &sent(&config, 1), NOON).unwrap();
            assert!(Rc::ptr_eq(&second, &again));
        }
        assert_eq!(Rc::strong_count(&first), 1);
        let Generations { young, old } = &*opened.cookies.borrow();
        assert!(young.len() + old.len() <= 2 * MOST);
    }
}
