//! Closed sets of words on the wire, and those of them that both sides of a protocol say.

use serde::{Deserialize, Serialize};

/// Defines an enum whose members are words on the wire.
#[macro_export]
macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$member_doc:meta])* $member:ident = $word:literal,)+ })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
        pub enum $name {
            $($(#[$member_doc])* #[serde(rename = $word)] $member,)+
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$member,)+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$member => $word,)+ }
            }

            /// The member that `word` names.
            #[must_use]
            pub fn parse(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|member| member.as_str() == word)
            }

            /// All words, as discovery lists them.
            #[must_use]
            pub fn list() -> Vec<String> {
                Self::ALL.iter().map(|member| member.as_str().to_owned()).collect()
            }
        }
    )+};
}

words! {
    /// How a client authenticates at the token endpoint.
    AuthMethod {
        /// RFC 6749 §2.3.1, in the header.
        ClientSecretBasic = "client_secret_basic",
        /// RFC 6749 §2.3.1, in the body.
        ClientSecretPost = "client_secret_post",
        /// A signed assertion, RFC 7523 §2.2.
        PrivateKeyJwt = "private_key_jwt",
        /// A public client, which has nothing to show.
        None = "none",
    }
    /// What the client asks of the interaction, OpenID Connect Core §3.1.2.1.
    Prompt {
        /// Show nothing.
        None = "none",
        /// Sign in again, whoever is signed in.
        Login = "login",
        /// Ask for consent, were it given before.
        Consent = "consent",
        /// Let the person choose who they are.
        SelectAccount = "select_account",
        /// Make an account, Initiating User Registration 1.0.
        Create = "create",
    }
}
