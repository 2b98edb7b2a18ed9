//! `UPSTREAMS`: the providers that people may sign in with, each a few lines.

use super::{OwnClaims, Rule, Var};
use crate::proof::{How, Means};
use crate::words::{Endpoint, ScopeWord};
use serde::Deserialize;
use shared::origin::Origin;
use shared::rp::client::{Issuers, RelyingParty};
use shared::rp::dialect::Dialect;
use shared::rp::discovery::Provider;
use shared::rp::entry::{Entry, List, Registered};
use shared::rp::preset::Way;
use std::collections::BTreeMap;

/// A provider that people may sign in with.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// What we call it: the last part of the callback's path, and what `idp_hint` names.
    pub id: String,
    /// What the button says.
    pub label: String,
    /// Ourselves, as its client.
    pub client: RelyingParty,
    /// Where it is, and what differs.
    pub way: Way,
    /// How what it tells becomes claims of ours, by the names of those.
    pub claims: BTreeMap<String, Rule>,
    /// Domains of e-mail addresses whose people sign in here.
    pub domains: Vec<String>,
    /// Domains of e-mail addresses about which its word counts.
    pub authoritative_for: Vec<String>,
    /// Whether who signs out here is sent to sign out there, where it has such a place.
    pub logout: bool,
    /// How often it is asked again about whoever it vouched for; never when absent.
    pub recheck: Option<Recheck>,
}

/// How often an upstream is asked again, in seconds.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Recheck {
    /// A refresh asks when the last good answer is older.
    pub every: u64,
    /// While the upstream says nothing, refreshes go on until it is older than this.
    pub stale: u64,
}

impl Upstream {
    /// How it says who somebody is.
    #[must_use]
    pub const fn dialect(&self) -> &Dialect {
        &self.way.dialect
    }

    /// What an isolate remembers of it, before it has been asked anything.
    #[must_use]
    pub fn provider(&self) -> Provider {
        self.way.provider(&self.client.issuer)
    }

    /// Whether it still vouches for what somebody signed in by.
    #[must_use]
    pub fn vouches_for(&self, means: &Means) -> bool {
        let authority = &means.identity.upstream;
        let named = match &self.client.issuers {
            Issuers::Exact | Issuers::Also(_) => self.client.issuer.as_str() == authority,
            Issuers::Tenants(tenants) => {
                tenants.iter().any(|tenant| self.client.is_from(authority, Some(tenant)))
            }
        };
        named && matches!(&means.how, How::Upstream { id, .. } if *id == self.id)
    }
}

/// One entry, as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(flatten)]
    entry: Entry,
    #[serde(default)]
    claims: BTreeMap<String, Rule>,
    #[serde(default)]
    domains: Vec<String>,
    #[serde(default)]
    authoritative_for: Vec<String>,
    #[serde(default)]
    logout: bool,
    recheck_seconds: Option<u64>,
    stale_seconds: Option<u64>,
}

const LIST: List<'_> = List { setting: "UPSTREAMS", secret: "UPSTREAM_", key: None };

pub(super) fn upstreams<V: Fn(&str) -> Option<String>>(
    settings: &mut Var<V>,
    issuer: Option<&Origin>,
    own: &OwnClaims,
) -> Vec<Upstream> {
    let listed: Vec<Raw> = settings.json(
        LIST.setting,
        "a JSON array of upstreams, each with id, provider and client_id, and what its provider needs",
    );
    let mut upstreams: Vec<Upstream> = Vec::new();
    for (position, raw) in listed.into_iter().enumerate() {
        let name = format!("UPSTREAMS[{position}]");
        for claim in raw.claims.keys() {
            let not_mapped = ["sub", "address"].contains(&claim.as_str());
            let standard =
                ScopeWord::ALL.iter().any(|word| word.claims().contains(&claim.as_str()));
            if not_mapped || (!standard && own.kind(claim).is_none()) {
                let wanted = "a standard claim other than sub and address, or one of CLAIMS";
                settings.refuse(format!("{name}.claims.{claim}"), wanted);
            }
        }
        for domain in &raw.domains {
            if !is_domain(domain) {
                settings.refuse(format!("{name}.domains"), "domain names in lower-case ASCII");
            }
            if upstreams.iter().any(|known| known.domains.contains(domain)) {
                settings.refuse(format!("{name}.domains"), "domains that no other upstream has");
            }
        }
        if !raw.authoritative_for.iter().all(|domain| is_domain(domain)) {
            let wanted = "domain names in lower-case ASCII";
            settings.refuse(format!("{name}.authoritative_for"), wanted);
        }
        let recheck = recheck(settings, &name, &raw);
        let Raw { entry, claims, domains, authoritative_for, logout, .. } = raw;
        let is_taken = |id: &str| upstreams.iter().any(|known| known.id == id);
        let callback = |id: &str| {
            let path = format!("{}{id}", Endpoint::UpstreamCallback.path());
            Some(issuer?.at(&path))
        };
        let registered = LIST.read(settings, (position, entry), is_taken, callback);
        // Only who is asked to be remembered gives out something to ask with later.
        let registered = match recheck {
            Some(_) => registered.and_then(|registered| {
                let remembered = registered.remembered();
                if remembered.is_none() {
                    let wanted = "absent: its provider can't be asked";
                    settings.refuse(format!("{name}.recheck_seconds"), wanted);
                }
                remembered
            }),
            None => registered,
        };
        upstreams.extend(registered.map(|registered| {
            let Registered { id, label, client, way, preset: _, has_scope: _ } = registered;
            Upstream { id, label, client, way, claims, domains, authoritative_for, logout, recheck }
        }));
    }
    upstreams
}

fn recheck<V: Fn(&str) -> Option<String>>(
    settings: &mut Var<V>,
    name: &str,
    raw: &Raw,
) -> Option<Recheck> {
    const YEAR: u64 = 365 * 86_400;
    let (every, stale) = match (raw.recheck_seconds, raw.stale_seconds) {
        (None, None) => return None,
        (None, Some(_)) => {
            settings.refuse(format!("{name}.stale_seconds"), "absent without recheck_seconds");
            return None;
        }
        (Some(every), stale) => (every, stale.unwrap_or(every.max(86_400))),
    };
    if !(1..=YEAR).contains(&every) {
        settings.refuse(format!("{name}.recheck_seconds"), "a number from 1 to 31536000");
    }
    if !(every..=YEAR).contains(&stale) {
        let wanted = "a number from recheck_seconds to 31536000";
        settings.refuse(format!("{name}.stale_seconds"), wanted);
    }
    Some(Recheck { every, stale })
}

/// A domain name as it stands in an e-mail address: labels of lower-case ASCII.
fn is_domain(text: &str) -> bool {
    let of_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|label| !label.is_empty() && label.bytes().all(of_label))
}

/// The domain of an e-mail address, in lower case; none of what could be read in two ways (FD-23):
/// one `@`, no quotes, ASCII alone.
#[must_use]
pub fn domain_of(address: &str) -> Option<String> {
    let (name, domain) = address.split_once('@')?;
    let plain = |byte: u8| byte.is_ascii_graphic() && !br#""(),:;<>@[\]"#.contains(&byte);
    let domain = domain.to_ascii_lowercase();
    (!name.is_empty() && name.len() <= 64 && name.bytes().all(plain) && is_domain(&domain))
        .then_some(domain)
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod entries;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;
    use shared::rp::authorization::Flow;

    #[test]
    fn fd_07_rfc9207_2_4_github_is_known_by_the_name_that_its_answers_have() {
        let config = Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
            "UPSTREAMS" => Some(r#"[{"id":"hub","provider":"github","client_id":"x"}]"#.to_owned()),
            "UPSTREAM_HUB_SECRET" => Some("s".into()),
            _ => None,
        });
        let config = config.unwrap();
        let hub = config.upstream("hub").unwrap();
        assert_eq!(hub.client.issuer.as_str(), "https://github.com", "whose people they are");
        let metadata = hub.way.metadata.clone().unwrap();
        let flow = Flow::new(None, &mut ChaCha20Rng::seed_from_u64(1));
        let back = |iss: &str| {
            flow.callback(format!("code=c&state={}{iss}", flow.state).as_bytes(), &metadata)
        };
        assert!(back("&iss=https%3A%2F%2Fgithub.com%2Flogin%2Foauth").is_ok());
        assert!(back("").is_ok(), "an Enterprise Server may not say it yet");
        for other in ["&iss=https%3A%2F%2Fgithub.com", "&iss=https%3A%2F%2Fevil.test", "&iss="] {
            assert!(back(other).is_err(), "{other}");
        }
    }

    /// One upstream with these members besides, or the names of what is wrong.
    fn entry(members: &str) -> Result<Upstream, Vec<String>> {
        let listed = format!(r#"[{{"id":"up","client_id":"us",{members}}}]"#);
        let read = Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
            "UPSTREAMS" => Some(listed.clone()),
            "UPSTREAM_UP_SECRET" => Some("up-secret".into()),
            _ => None,
        });
        let named = read.map_err(|all| all.into_iter().map(|problem| problem.name).collect());
        named.map(|config| config.upstreams.into_iter().next().unwrap())
    }

    #[test]
    fn asking_again_is_off_unless_its_seconds_make_sense() {
        let open_id = r#""provider":"openid","issuer":"https://up.test""#;
        let with = |more: &str| entry(&format!("{open_id},{more}"));
        let off = entry(open_id).unwrap();
        assert!(off.recheck.is_none() && !off.logout);
        assert!(!off.client.scope.has("offline_access"));
        let on = with(r#""recheck_seconds":600,"stale_seconds":600"#).unwrap();
        assert_eq!(on.recheck, Some(Recheck { every: 600, stale: 600 }));
        let stale = |more| with(more).unwrap().recheck.map(|recheck| recheck.stale);
        assert_eq!(stale(r#""recheck_seconds":600"#), Some(86_400));
        assert_eq!(stale(r#""recheck_seconds":100000"#), Some(100_000));
        for (more, name) in [
            (r#""stale_seconds":600"#, "stale_seconds"),
            (r#""recheck_seconds":600,"stale_seconds":599"#, "stale_seconds"),
            (r#""recheck_seconds":0"#, "recheck_seconds"),
        ] {
            assert_eq!(with(more).unwrap_err(), [format!("UPSTREAMS[0].{name}")], "{more}");
        }
        let sso = r#""provider":"workos-sso","organization":"o","recheck_seconds":600"#;
        assert_eq!(entry(sso).unwrap_err(), ["UPSTREAMS[0].recheck_seconds"]);
    }

    #[test]
    fn who_is_asked_again_is_asked_to_be_remembered() {
        let scope = |members: &str| entry(members).unwrap().client.scope.to_string();
        let on = r#""recheck_seconds":600"#;
        let auth0 = scope(&format!(r#""provider":"auth0","domain":"t.auth0.test",{on}"#));
        assert!(auth0.contains("openid") && auth0.contains("offline_access"), "{auth0}");
        let own = r#""provider":"openid","issuer":"https://up.test","scope":"openid""#;
        assert_eq!(scope(&format!("{own},{on}")).split(' ').count(), 2);
        let google = entry(&format!(r#""provider":"google",{on}"#)).unwrap();
        assert!(!google.client.scope.has("offline_access"));
        for (name, value) in [("access_type", "offline"), ("prompt", "consent")] {
            assert!(google.way.parameters.contains(&(name.to_owned(), value.to_owned())));
        }
        let github = scope(&format!(r#""provider":"github",{on}"#));
        assert_eq!(github, scope(r#""provider":"github""#));
    }

    #[test]
    fn fd_23_an_address_that_could_be_read_in_two_ways_has_no_domain() {
        assert_eq!(domain_of("Alice@Corp.Test").as_deref(), Some("corp.test"));
        for bad in [
            "\"a@evil\"@corp.test",
            "a@evil.test@corp.test",
            "alice\u{ff20}corp.test",
            "alice@corp\u{3002}test",
            "alice@corp.test\0.evil.test",
            "alice@corp.test ",
            " alice@corp.test",
            "a,b@corp.test",
            "@corp.test",
            "alice@",
            "alice@corp",
            "alice@corp..test",
            "corp.test",
            "",
        ] {
            assert_eq!(domain_of(bad), None, "{bad:?}");
        }
    }
}
