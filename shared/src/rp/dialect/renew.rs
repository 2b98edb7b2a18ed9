//! New tokens for a session that a provider has vouched for, and whether they are still about the same
//! person.

use super::open_id::OpenId;
use super::{Desk, Dialect, NotVouched};
use crate::fetch::Fetch;
use crate::jose::Signer;
use crate::rp::id_token::{Before, IdTokenClaims, Occasion};
use crate::rp::token::{TokenError, Tokens};
use crate::secret::RefreshToken;

/// Why there are no new tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotRenewed {
    /// The refresh token gave none.
    Token(TokenError),
    /// They are about somebody else, or somebody acts in the person's name.
    OtherPerson,
}

impl From<TokenError> for NotRenewed {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

impl From<NotVouched> for NotRenewed {
    fn from(_: NotVouched) -> Self {
        Self::OtherPerson
    }
}

impl Dialect {
    /// Redeems a refresh token of the person who is called `subject` there.
    ///
    /// # Errors
    /// [`NotRenewed`]. An ID token in the answer is still to be verified: see [`Self::occasion`].
    pub async fn refresh(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        token: &RefreshToken,
        subject: &str,
    ) -> Result<Tokens, NotRenewed> {
        match self {
            Self::OpenId(_) => {
                let ways = (at.fetch, at.verifier);
                Ok(at.party.refresh(at.metadata, token, ways, at.now).await?)
            }
            Self::GitHub(github) => Ok(github.refresh(at, token).await?),
            Self::AuthKit(authkit) => authkit.refresh(at, token, subject).await,
            // It gives out none.
            Self::WorkosSso(_) => Err(TokenError::Refused.into()),
        }
    }

    /// What an ID token that comes with a refresh has to answer to. Where people have another name
    /// than `sub`, [`Self::is_about`] compares them.
    #[must_use]
    pub const fn occasion<'b>(&self, before: Before<'b>) -> Occasion<'b> {
        match self {
            Self::OpenId(OpenId { is_entra: true, .. }) => Occasion::Recheck,
            _ => Occasion::Refresh(before),
        }
    }

    /// Whether a verified ID token is about the person whom `authority` calls `subject`.
    #[must_use]
    pub fn is_about(&self, claims: &IdTokenClaims, (authority, subject): (&str, &str)) -> bool {
        match self {
            Self::OpenId(OpenId { is_entra: true, .. }) => {
                claims.issuer == authority && super::text(&claims.other, "oid") == Some(subject)
            }
            _ => claims.subject == subject,
        }
    }

    /// The same without userinfo, and whether that would have been asked for: for who asks only when
    /// something is missing.
    #[must_use]
    pub fn without_userinfo(mut self) -> (Self, bool) {
        let asks = match &mut self {
            Self::OpenId(open_id) => std::mem::take(&mut open_id.asks_userinfo),
            Self::GitHub(_) | Self::AuthKit(_) | Self::WorkosSso(_) => false,
        };
        (self, asks)
    }
}
