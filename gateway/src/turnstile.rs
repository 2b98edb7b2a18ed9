//! Cloudflare Turnstile: what the site has registered there, and what the service says of a token.
//!
//! A token counts only if the service says so of this very challenge: this host, the action that the
//! route requires, the browser that was asked, and lately. Where the service does not say, or cannot be
//! asked, nobody passes.

pub mod clearance;
#[cfg(test)]
mod tests;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;
use shared::fetch::{Fetch, Request, Response};
use shared::form::encode;
use shared::origin::{Origin, is_secure};
use shared::secret::TurnstileSecret;
use shared::settings::Settings;
use shared::time::UnixTime;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use url::Url;

/// Where tokens are verified.
const SITEVERIFY: &str = "https://challenges.cloudflare.com/turnstile/v0/siteverify";
/// How long whoever has passed is let through.
const CLEARANCE: RangeInclusive<u64> = 60..=86_400;
/// How long a token is good, by the service's own rule.
const TOKEN_SECONDS: u64 = 300;
/// How far the service's clock may be ahead of ours.
const SKEW_SECONDS: u64 = 30;
/// No token is longer.
const LONGEST_TOKEN: usize = 2048;
/// No action is longer.
const LONGEST_ACTION: usize = 32;

/// The site keys that Cloudflare publishes for tests. They are everybody's.
const TEST_SITE_KEYS: [&str; 5] = [
    "1x00000000000000000000AA",
    "2x00000000000000000000AB",
    "1x00000000000000000000BB",
    "2x00000000000000000000BB",
    "3x00000000000000000000FF",
];
/// The secrets that belong to them. One of them calls every token good.
const TEST_SECRETS: [&str; 3] = [
    "1x0000000000000000000000000000000AA",
    "2x0000000000000000000000000000000AA",
    "3x0000000000000000000000000000000AA",
];

/// What a challenge is for, as a route names it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Action(String);

impl Action {
    /// Reads an action: 1 to 32 of `a-z`, `0-9`, `_` and `-`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
        let sound = (1..=LONGEST_ACTION).contains(&text.len()) && text.bytes().all(allowed);
        sound.then(|| Self(text.to_owned()))
    }

    /// The text, which needs no escaping anywhere.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The registration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Turnstile {
    /// What pages name it by; public.
    pub site_key: String,
    /// How long whoever has passed is let through.
    pub clearance_seconds: u64,
    secret: TurnstileSecret,
    siteverify: Uri,
}

impl Turnstile {
    /// Reads the settings; none when there are none, which [`crate::route::Routes`] holds against a route
    /// that requires it.
    pub(crate) fn read<V: Fn(&str) -> Option<String>>(settings: &mut Settings<V>) -> Option<Self> {
        let site_key = settings.text("TURNSTILE_SITE_KEY");
        let secret = settings.text("TURNSTILE_SECRET");
        let clearance_seconds = settings.seconds("TURNSTILE_CLEARANCE_SECONDS", 1800, CLEARANCE);
        let deployed = settings.text("PUBLIC_URL").is_some_and(|urls| urls.contains("https:"));
        let siteverify = settings.optional(
            "TURNSTILE_SITEVERIFY_URL",
            "absent, or in development an https URL (http on loopback)",
            Uri::from_static(SITEVERIFY),
            |text| {
                let secure = !deployed && Url::parse(text).is_ok_and(|url| is_secure(&url));
                secure.then(|| text.parse().ok()).flatten()
            },
        );
        if let (Some(_), None) = (&site_key, &secret) {
            settings.refuse("TURNSTILE_SECRET", "set, for there is a TURNSTILE_SITE_KEY");
        }
        if let (None, Some(_)) = (&site_key, &secret) {
            settings.refuse("TURNSTILE_SITE_KEY", "set, for there is a TURNSTILE_SECRET");
        }
        let (site_key, secret) = (site_key?, secret?);
        let is_test = |key: &str, tests: &[&str]| deployed && tests.contains(&key);
        if !is_key(&site_key) || is_test(&site_key, &TEST_SITE_KEYS) {
            settings.refuse("TURNSTILE_SITE_KEY", "your widget's own, and none for tests");
        }
        if !is_key(&secret) || is_test(&secret, &TEST_SECRETS) {
            settings.refuse("TURNSTILE_SECRET", "your widget's own, and none for tests");
        }
        let secret = TurnstileSecret::new(secret);
        Some(Self { site_key, clearance_seconds, secret, siteverify })
    }

    /// Asks the service whether `token` was given for `challenge`, not long before `now` and for the first
    /// time. `from` is who brought it, when the platform knows.
    ///
    /// # Errors
    /// [`Refused`]: whatever is not a clear yes.
    pub async fn verify(
        &self,
        token: &Token<'_>,
        challenge: &Challenge<'_>,
        from: Option<IpAddr>,
        fetch: &impl Fetch,
        now: UnixTime,
    ) -> Result<(), Refused> {
        let from = from.map(|address| address.to_string());
        let fields = [("secret", self.secret.expose()), ("response", token.0)].into_iter();
        let body = encode(fields.chain(from.as_deref().map(|from| ("remoteip", from))));
        let mut request = Request::new(body.into_bytes());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.siteverify.clone();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        let answer = fetch.fetch(request).await.map_err(|_| Refused::Unreachable)?;
        let verdict = Verdict::read(&answer)?;
        // A secret for tests says yes to everything and tells nothing true about it.
        if self.is_for_tests() { Ok(()) } else { verdict.check(challenge, now) }
    }

    /// Whether these are Cloudflare's published keys, which only development may have. Their tokens are
    /// all the same.
    #[must_use]
    pub fn is_for_tests(&self) -> bool {
        TEST_SECRETS.contains(&self.secret.expose())
    }
}

/// Site keys and secrets: letters, digits, `-` and `_`.
fn is_key(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=128).contains(&text.len()) && text.bytes().all(allowed)
}

/// What a browser brings, unverified.
#[derive(Clone, Copy)]
pub struct Token<'t>(&'t str);

impl std::fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(..)")
    }
}

impl<'t> Token<'t> {
    /// None when the service need not be asked: no token is empty, longer than 2048 characters, or has
    /// others than those of ASCII that are seen.
    #[must_use]
    pub fn read(text: Option<&'t str>) -> Option<Self> {
        let text = text?;
        let plain = text.len() <= LONGEST_TOKEN && text.bytes().all(|b| b.is_ascii_graphic());
        plain.then_some(Self(text))
    }

    /// The token itself.
    #[must_use]
    pub const fn expose(self) -> &'t str {
        self.0
    }
}

/// What a token has to be for.
#[derive(Clone, Copy, Debug)]
pub struct Challenge<'c> {
    /// The site that asked.
    pub site: &'c Origin,
    /// What it asked for.
    pub action: &'c Action,
    /// Whom it asked: what the widget was given as `cdata`.
    pub data: &'c str,
}

/// Why a token does not count. For the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Refused {
    /// There is none, or what is there cannot be one.
    NoToken,
    /// This browser was not asked, or has lost the cookie that says so.
    NoChallenge,
    /// The service never issued it.
    Invalid,
    /// It was used before, or is older than five minutes.
    Duplicate,
    /// This isolate has seen it used, whatever the service says.
    Used,
    /// The service says no and not why.
    No,
    /// It was issued on another site.
    Hostname,
    /// It was issued for something else.
    Action,
    /// It was issued to another browser.
    Data,
    /// It was issued too long ago, or nobody says when.
    Age,
    /// The service could not be reached.
    Unreachable,
    /// It answered with this status.
    Status(u16),
    /// It answered with what is no answer.
    Nonsense,
    /// It does not know the secret: the operator has to mend that.
    Secret,
    /// It has trouble of its own.
    Internal,
}

impl Refused {
    /// Whether the token may be good, and only nobody can say so now.
    #[must_use]
    pub const fn leaves_open(self) -> bool {
        match self {
            Self::Unreachable
            | Self::Status(_)
            | Self::Nonsense
            | Self::Secret
            | Self::Internal => true,
            Self::NoToken
            | Self::NoChallenge
            | Self::Invalid
            | Self::Duplicate
            | Self::Used
            | Self::No
            | Self::Hostname
            | Self::Action
            | Self::Data
            | Self::Age => false,
        }
    }
}

/// What the service answers.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    #[serde(default, rename = "error-codes")]
    error_codes: Vec<String>,
    #[serde(flatten)]
    verdict: Verdict,
}

/// What it says of a token that is good.
#[derive(Deserialize)]
struct Verdict {
    hostname: Option<String>,
    action: Option<String>,
    cdata: Option<String>,
    challenge_ts: Option<String>,
}

impl Verdict {
    fn read(answer: &Response) -> Result<Self, Refused> {
        let status = answer.status();
        // The service says no with 200 or 400; whoever answers otherwise is not it, or is not well.
        if !matches!(status, StatusCode::OK | StatusCode::BAD_REQUEST) {
            return Err(Refused::Status(status.as_u16()));
        }
        let said: Answer = serde_json::from_slice(answer.body()).map_err(|_| Refused::Nonsense)?;
        match (said.success, &said.error_codes[..]) {
            (true, []) if status == StatusCode::OK => Ok(said.verdict),
            (true, _) => Err(Refused::Nonsense),
            (false, codes) => Err(refusal(codes)),
        }
    }

    fn check(&self, challenge: &Challenge<'_>, now: UnixTime) -> Result<(), Refused> {
        let is = |said: &Option<String>, wanted: &str| said.as_deref() == Some(wanted);
        let Challenge { site, action, data } = challenge;
        let site = Url::parse(site.as_str()).ok();
        let host = site.as_ref().and_then(Url::host_str).ok_or(Refused::Hostname)?;
        is(&self.hostname, host).then_some(()).ok_or(Refused::Hostname)?;
        is(&self.action, action.as_str()).then_some(()).ok_or(Refused::Action)?;
        is(&self.cdata, data).then_some(()).ok_or(Refused::Data)?;
        let at = self.challenge_ts.as_deref().and_then(instant).ok_or(Refused::Age)?;
        let lately = now.since(at) <= TOKEN_SECONDS && at.since(now) <= SKEW_SECONDS;
        lately.then_some(()).ok_or(Refused::Age)
    }
}

/// What error codes mean; with several, what leaves it open comes first.
fn refusal(codes: &[String]) -> Refused {
    let has = |code: &str| codes.iter().any(|one| one == code);
    if has("missing-input-secret") || has("invalid-input-secret") {
        Refused::Secret
    } else if has("internal-error") {
        Refused::Internal
    } else if has("timeout-or-duplicate") {
        Refused::Duplicate
    } else if has("invalid-input-response") || has("missing-input-response") {
        Refused::Invalid
    } else {
        Refused::No
    }
}

/// An instant of RFC 3339 in UTC, `2022-10-06T00:07:23.274Z`, to the second.
fn instant(text: &str) -> Option<UnixTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let time = time.split_once('.').map_or(time, |(seconds, _)| seconds);
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let sound = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !sound {
        return None;
    }
    // Years begin in March here, so that the day that some have more comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    let days = days.checked_sub(719_469)?;
    Some(UnixTime(days * 86_400 + hour * 3600 + minute * 60 + second))
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut read = [0; 3];
    for (number, digits) in read.iter_mut().zip(digits) {
        let part = parts.next()?;
        let plain = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        *number = part.parse().ok().filter(|_| plain)?;
    }
    parts.next().is_none().then_some(read)
}
