//! `prompt`: what the client wants shown to the person, OpenID Connect Core §3.1.2.1 and Initiating
//! User Registration 1.0.

use crate::config::Config;
use crate::words::Prompt;
use shared::metadata::ProviderMetadata;

/// The words of one request; none of them when it said nothing.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prompts(Vec<Prompt>);

/// The words that this deployment understands. Accounts are made by the first sign-in with an
/// upstream: without one there is no way to `create` any.
pub fn offered(config: &Config) -> impl Iterator<Item = Prompt> {
    let can_create = !config.upstreams.is_empty();
    Prompt::ALL.iter().copied().filter(move |word| *word != Prompt::Create || can_create)
}

impl Prompts {
    /// Reads the parameter.
    ///
    /// # Errors
    /// What is wrong with it: `none` stands alone, and a word that is not offered is no word
    /// (Initiating User Registration §4.1).
    pub fn read(text: &str, config: &Config) -> Result<Self, &'static str> {
        let words = text.split(' ').filter(|word| !word.is_empty());
        let known = words.map(|word| offered(config).find(|known| known.as_str() == word));
        let known: Option<Vec<_>> = known.collect();
        let words = known.ok_or("prompt is not a value that this issuer knows")?;
        if words.contains(&Prompt::None) && words.len() > 1 {
            return Err("prompt=none stands alone");
        }
        Ok(Self(words))
    }

    /// One word.
    #[must_use]
    pub fn of(word: Prompt) -> Self {
        Self(vec![word])
    }

    fn has(&self, word: Prompt) -> bool {
        self.0.contains(&word)
    }

    /// Whether nothing may be shown: a code or an error.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.has(Prompt::None)
    }

    /// Whether the sign-in page is shown whoever is signed in: to prove it again, or to be somebody
    /// else.
    #[must_use]
    pub fn wants_sign_in(&self) -> bool {
        [Prompt::Login, Prompt::SelectAccount, Prompt::Create].iter().any(|word| self.has(*word))
    }

    /// Whether the person is to prove again who they are.
    #[must_use]
    pub fn wants_login(&self) -> bool {
        self.has(Prompt::Login)
    }

    /// Whether the person is asked for their consent, were it given before.
    #[must_use]
    pub fn wants_consent(&self) -> bool {
        self.has(Prompt::Consent)
    }

    /// Whether the person has no account yet, as far as the client knows.
    #[must_use]
    pub fn wants_account(&self) -> bool {
        self.has(Prompt::Create)
    }

    /// What is asked of an upstream in turn, in words that it knows: those that it lists, or else those
    /// that it documents. Of `login` and `select_account` one stands in for the other: both show the
    /// person who they are about to be. Whether they proved it again, `auth_time` says alone.
    #[must_use]
    pub fn passed_on(&self, upstream: &ProviderMetadata, documented: &[Prompt]) -> Option<String> {
        let listed = &upstream.prompt_values_supported;
        let knows = |word: Prompt| match listed.as_slice() {
            [] => documented.contains(&word),
            listed => listed.iter().any(|listed| listed == word.as_str()),
        };
        let mut words = Vec::new();
        for word in &self.0 {
            let wanted = match word {
                Prompt::Login => [Prompt::Login, Prompt::SelectAccount].as_slice(),
                Prompt::SelectAccount => &[Prompt::SelectAccount, Prompt::Login],
                Prompt::Create => &[Prompt::Create],
                // What the person agrees to is between them, the client and us.
                Prompt::Consent | Prompt::None => &[],
            };
            let word = wanted.iter().find(|word| knows(**word)).map(|word| word.as_str());
            words.extend(word.filter(|word| !words.contains(word)));
        }
        (!words.is_empty()).then(|| words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(upstream: Option<&str>) -> Config {
        Config::read(|name| match name {
            "ISSUER" => Some("https://idp.test".into()),
            "SEALING_KEYS" => Some("YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE".into()),
            "UPSTREAMS" => upstream.map(str::to_owned),
            _ => None,
        })
        .unwrap()
    }

    const ACME: &str = r#"[{"id":"acme","provider":"openid","issuer":"https://up.test",
        "client_id":"below","token_endpoint_auth_method":"none"}]"#;

    fn read(text: &str) -> Result<Prompts, &'static str> {
        Prompts::read(text, &config(Some(ACME)))
    }

    #[test]
    fn az_17_none_stands_alone_and_other_words_in_any_company() {
        assert!(read("none").unwrap().is_silent());
        for bad in ["none login", "login none", "none consent", "none none", "none create", "NONE"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        let both = read("consent  login").unwrap();
        assert!(both.wants_consent() && both.wants_login() && both.wants_sign_in());
        assert!(!read("consent").unwrap().wants_sign_in());
        assert!(read("select_account").unwrap().wants_sign_in());
        assert_eq!(read(""), Ok(Prompts::default()));
    }

    #[test]
    fn initiating_registration_4_1_create_is_known_only_where_an_account_can_be_made() {
        assert!(read("create").unwrap().wants_account());
        assert!(Prompts::read("create", &config(None)).is_err());
        assert!(!offered(&config(None)).any(|word| word == Prompt::Create));
    }

    #[test]
    fn an_upstream_is_asked_in_words_that_it_knows() {
        let metadata = |words: &[&str]| ProviderMetadata {
            prompt_values_supported: words.iter().map(|word| (*word).to_owned()).collect(),
            ..ProviderMetadata::default()
        };
        let passed_on = |asked: &str, listed: &[&str], documented: &[Prompt]| {
            read(asked).unwrap().passed_on(&metadata(listed), documented)
        };
        for (asked, listed, wanted) in [
            ("login", &[][..], Some("login")),
            ("login consent", &[], Some("login")),
            ("consent", &[], None),
            ("none", &[], None),
            ("select_account", &[], Some("select_account")),
            ("select_account", &["none", "login", "select_account"], Some("select_account")),
            ("login select_account", &["none", "login"], Some("login")),
            ("login", &["none", "select_account"], Some("select_account")),
            ("create", &["login", "create"], Some("create")),
            ("create", &[], None),
        ] {
            let core = [Prompt::None, Prompt::Login, Prompt::Consent, Prompt::SelectAccount];
            let passed_on = passed_on(asked, listed, &core);
            assert_eq!(passed_on.as_deref(), wanted, "{asked} {listed:?}");
        }
        // One that lists nothing knows what it documents.
        for (asked, documented, wanted) in [
            ("login", &[Prompt::SelectAccount][..], Some("select_account")),
            ("login select_account", &[Prompt::SelectAccount], Some("select_account")),
            ("select_account", &[Prompt::Login], Some("login")),
            ("login select_account", &[], None),
        ] {
            let passed_on = passed_on(asked, &[], documented);
            assert_eq!(passed_on.as_deref(), wanted, "{asked} {documented:?}");
        }
    }
}
