//! What people, their sessions and their tokens are called to a client, OpenID Connect Core §8.
//!
//! A public client is told our own names. A pairwise client is told names of its sector: the same
//! to every client of that sector, and such that two sectors cannot find out from anything they are
//! told that it is the same person. Nothing of it is stored: names are made when they are told, and
//! compared with what is asked.

use crate::Idp;
use crate::client::{Client, SubjectType};
use crate::config::Config;
use crate::platform::Platform;
use crate::rows::Unavailable;
use crate::tokens::{HintClaims, TokenId, read_id_token_hint};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand_core::CryptoRng;
use shared::handle::Handle;
use shared::seal::{Purpose, mac};
use shared::secret::Bits;
use shared::time::UnixTime;
use std::rc::Rc;
use uuid::Uuid;

/// What the name of a token that leads back to its account is sealed for.
const TOKEN_ID: Purpose<'_> = Purpose::new("token id", "");

/// How one client is told who somebody is.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    sector: Option<&'a str>,
    config: &'a Config,
}

impl<'a> Names<'a> {
    /// The names that `client` is told.
    #[must_use]
    pub fn of(client: &'a Client, config: &'a Config) -> Self {
        let sector = match &client.subject {
            SubjectType::Public => None,
            SubjectType::Pairwise { sector } => Some(sector.as_str()),
        };
        Self { sector, config }
    }

    /// The `sub` of an account.
    #[must_use]
    pub fn name(&self, account: Uuid) -> String {
        self.tell("pairwise", account)
    }

    /// The `sid` of a sign-in session.
    #[must_use]
    pub fn session(&self, session: Uuid) -> String {
        self.tell("session", session)
    }

    /// The `jti` of an access token: the same when an answer is repeated, and from it and the `sub`
    /// we find the account again.
    #[must_use]
    pub fn token(&self, account: Uuid, id: TokenId) -> String {
        if self.sector.is_none() {
            let TokenId { grant, generation } = id;
            return format!("{grant}.{generation}");
        }
        self.config.keys.seal_the_same(TOKEN_ID, &whole(account, id))
    }

    fn tell(&self, what: &str, id: Uuid) -> String {
        let Some(sector) = self.sector else { return id.to_string() };
        let parts = [what.as_bytes(), sector.as_bytes(), id.as_bytes()];
        // No client is pairwise while there is no secret, its registration saw to it. If one were,
        // it would be told names that end with the sealing key, and never our own.
        let without = || self.config.keys.derive(Purpose::new("pairwise", ""), &[]);
        let secret = self.config.pairwise.map_or_else(without, Bits::expose);
        URL_SAFE_NO_PAD.encode(mac(&secret, &parts))
    }
}

/// The `jti` of an access token that another was exchanged for: it leads back to the same account and
/// grant, whatever the `sub`, and no two are the same.
#[must_use]
pub fn exchanged_token(
    account: Uuid,
    id: TokenId,
    config: &Config,
    rng: &mut impl CryptoRng,
) -> String {
    config.keys.seal(TOKEN_ID, &whole(account, id), rng)
}

fn whole(account: Uuid, TokenId { grant, generation }: TokenId) -> Vec<u8> {
    [&account.as_bytes()[..], grant.as_bytes(), &generation.to_be_bytes()].concat()
}

/// The account and the token that a `sub` and a `jti` of ours name, whatever the client is told
/// nowadays.
#[must_use]
pub fn comes_from(sub: &str, jti: &str, config: &Config) -> Option<(Uuid, TokenId)> {
    if let Some((grant, generation)) = jti.split_once('.') {
        let id = TokenId { grant: grant.parse().ok()?, generation: generation.parse().ok()? };
        return Some((sub.parse().ok()?, id));
    }
    let plain = config.keys.open(TOKEN_ID, jti)?;
    let (account, rest) = plain.split_first_chunk()?;
    let (grant, generation) = rest.split_first_chunk()?;
    let generation = u32::from_be_bytes(generation.try_into().ok()?);
    let id = TokenId { grant: Uuid::from_bytes(*grant), generation };
    Some((Uuid::from_bytes(*account), id))
}

/// An ID token of ours that says whom a client means.
#[derive(Clone, Debug)]
pub struct Hint {
    /// The client it was issued to.
    pub client: Rc<Client>,
    claims: HintClaims,
}

impl Hint {
    /// Reads one. None for what is not an ID token of ours, and for one whose client is gone.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn read<P: Platform>(
        idp: &Idp<'_, P>,
        text: &str,
        now: UnixTime,
    ) -> Result<Option<Self>, Unavailable> {
        let keys = idp.published(now).await?;
        let claims = read_id_token_hint(text, idp.config, &keys, &idp.verifier).await;
        let Some(claims) = claims else { return Ok(None) };
        let client = idp.client(&claims.aud).await?;
        Ok(client.map(|client| Self { client, claims }))
    }

    /// What the person is called to the client it was issued to.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.claims.sub
    }

    /// Whether it names this account.
    #[must_use]
    pub fn names(&self, account: Uuid, config: &Config) -> bool {
        Names::of(&self.client, config).name(account) == self.claims.sub
    }

    /// Whether it comes from this very session.
    #[must_use]
    pub fn is_of(&self, session: Handle, config: &Config) -> bool {
        let same = Names::of(&self.client, config).session(session.item) == self.claims.sid;
        same && self.names(session.object, config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Uuid = Uuid::from_bytes([1; 16]);
    const ID: TokenId = TokenId { grant: Uuid::from_bytes([2; 16]), generation: 7 };

    fn config(keys: &str) -> Config {
        let clients = r#"[
            {"client_id":"public","redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"none"},
            {"client_id":"a","redirect_uris":["https://a.test/"],"token_endpoint_auth_method":"none","subject_type":"pairwise"},
            {"client_id":"a2","redirect_uris":["https://a.test/2"],"token_endpoint_auth_method":"none","subject_type":"pairwise"},
            {"client_id":"b","redirect_uris":["https://b.test/"],"token_endpoint_auth_method":"none","subject_type":"pairwise"}]"#;
        let read = Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some(keys.into()),
            "PAIRWISE_SECRET" => Some("cHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHA".into()),
            "CLIENTS" => Some(clients.into()),
            _ => None,
        });
        read.unwrap()
    }

    const A: &str = "YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";
    const BA: &str = "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI,\
                      YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE";

    fn told(config: &Config, client: &str) -> [String; 3] {
        let client = config.client(client).unwrap();
        let names = Names::of(client, config);
        [names.name(ACCOUNT), names.session(ACCOUNT), names.token(ACCOUNT, ID)]
    }

    #[test]
    fn oidc_core_8_1_a_sector_has_names_of_its_own() {
        let config = config(A);
        assert_eq!(told(&config, "public")[0], ACCOUNT.to_string());
        assert_eq!(told(&config, "a"), told(&config, "a2"));
        let all = ["public", "a", "b"].map(|client| told(&config, client)[..2].to_vec());
        let mut all: Vec<_> = all.concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 5, "a public account and a session of one id are called the same");
        for name in all {
            assert!(name.len() <= 255 && name.is_ascii(), "{name}");
        }
    }

    #[test]
    fn oidc_core_8_1_names_outlive_a_change_of_the_sealing_keys() {
        let (before, after) = (config(A), config(BA));
        assert_eq!(told(&before, "a")[..2], told(&after, "a")[..2]);
    }

    #[test]
    fn every_token_leads_back_to_its_account() {
        let (before, after) = (config(A), config(BA));
        for client in ["public", "a", "b"] {
            let [sub, _, jti] = told(&before, client);
            for config in [&before, &after] {
                assert_eq!(comes_from(&sub, &jti, config), Some((ACCOUNT, ID)), "{client}");
            }
            for wrong in [&jti[1..], &jti[..jti.len() - 1], "", ".", "x.7"] {
                assert_ne!(comes_from(&sub, wrong, &before), Some((ACCOUNT, ID)), "{wrong}");
            }
        }
    }
}
