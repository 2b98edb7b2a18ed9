//! Asking a provider later whether somebody whom it vouched for is still somebody there.

use super::{Desk, Dialect};
use crate::fetch::Fetch;
use crate::jose::Signer;
use crate::rp::token::Tokens;
use crate::secret::{AccessToken, RefreshToken};
use serde::{Deserialize, Serialize};

/// What has to be kept to ask.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// A token that does not end, and opens the person's own entry.
    Access(AccessToken),
    /// One that brings another.
    Refresh(RefreshToken),
}

/// What came of asking.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rechecked {
    /// What the provider says.
    pub verdict: Verdict,
    /// What is to be kept from now on, where that is another; whatever it says.
    pub next: Option<Kept>,
}

/// What a provider says of somebody whom it vouched for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// They are who they were.
    Same,
    /// They are not, or not there any more.
    Gone,
    /// Nothing that says anything about them.
    Unknown,
}

impl From<Verdict> for Rechecked {
    fn from(verdict: Verdict) -> Self {
        Self { verdict, next: None }
    }
}

impl Dialect {
    /// What of a good answer has to be kept; none when nothing in it will do.
    #[must_use]
    pub fn keeps(&self, tokens: &Tokens) -> Option<Kept> {
        let refresh = tokens.refresh_token.clone().map(Kept::Refresh);
        match self {
            Self::OpenId(_) | Self::AuthKit(_) => refresh,
            // Those of an OAuth app do not end and come alone.
            Self::GitHub(_) => {
                Some(refresh.unwrap_or_else(|| Kept::Access(tokens.access_token.clone())))
            }
            Self::WorkosSso(_) => None,
        }
    }

    /// Asks about the person whom `authority` calls `subject`. Once: a refresh token may be spent
    /// although the answer was lost.
    pub async fn recheck(
        &self,
        at: &Desk<'_, impl Fetch, impl Signer>,
        kept: &Kept,
        (authority, subject): (&str, &str),
    ) -> Rechecked {
        match (self, kept) {
            (Self::OpenId(open_id), Kept::Refresh(token)) => {
                open_id.recheck(at, token, (authority, subject)).await
            }
            (Self::AuthKit(authkit), Kept::Refresh(token)) => {
                authkit.recheck(at, token, subject).await
            }
            (Self::GitHub(github), kept) => github.recheck(at, kept, subject).await,
            (Self::OpenId(_) | Self::AuthKit(_), Kept::Access(_)) | (Self::WorkosSso(_), _) => {
                Verdict::Unknown.into()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::authkit::AuthKit;
    use super::super::github::GitHub;
    use super::super::open_id::OpenId;
    use super::*;
    use crate::jose::native::Native;
    use crate::rp::fixture::{NOON, Peer, claims, client, metadata, provider, sign};
    use pollster::block_on;
    use serde_json::{Value, json};

    fn ask(peer: &Peer, dialect: &Dialect, kept: &Kept, subject: &str) -> Rechecked {
        let (party, provider, metadata, fetch) = (client(), provider(), metadata(), peer.fetch());
        let verifier = Native;
        let at = Desk {
            party: &party,
            provider: &provider,
            metadata: &metadata,
            fetch: &fetch,
            verifier: &verifier,
            now: NOON,
        };
        block_on(dialect.recheck(&at, kept, ("https://idp.test", subject)))
    }

    fn refresh() -> Kept {
        Kept::Refresh(RefreshToken::new("r1"))
    }

    fn open_id(status: u16, body: &Value) -> Rechecked {
        let peer = Peer::new();
        peer.put("/token", status, &body.to_string());
        ask(&peer, &Dialect::OpenId(OpenId::default()), &refresh(), "alice")
    }

    fn tokens(more: &Value) -> Value {
        let mut body = json!({ "access_token": "access", "token_type": "bearer" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    }

    #[test]
    fn oidc_core_12_2_tokens_are_a_yes_and_about_somebody_else_a_no() {
        let id_token = |name: &str, value: Value| {
            let mut claims = claims();
            claims[name] = value;
            json!({ "id_token": sign(&claims), "refresh_token": "r2" })
        };
        let next = Some(Kept::Refresh(RefreshToken::new("r2")));
        for (more, verdict, next) in [
            (json!({}), Verdict::Same, None),
            (json!({ "refresh_token": "r2" }), Verdict::Same, next.clone()),
            (id_token("sub", json!("alice")), Verdict::Same, next.clone()),
            (id_token("sub", json!("bob")), Verdict::Gone, next.clone()),
            // What is wrong with the token and not with the person is no verdict, but what has
            // rotated has rotated.
            (id_token("exp", json!(NOON.0 - 60)), Verdict::Unknown, next.clone()),
            (id_token("aud", json!("other")), Verdict::Unknown, next),
        ] {
            assert_eq!(open_id(200, &tokens(&more)), Rechecked { verdict, next }, "{more}");
        }
    }

    #[test]
    fn only_invalid_grant_is_a_no() {
        for (status, body, verdict) in [
            (400, json!({ "error": "invalid_grant" }), Verdict::Gone),
            (403, json!({ "error": "invalid_grant" }), Verdict::Gone),
            (401, json!({ "error": "invalid_client" }), Verdict::Unknown),
            (400, json!({ "error": "temporarily_unavailable" }), Verdict::Unknown),
            (429, json!({}), Verdict::Unknown),
            (503, json!({}), Verdict::Unknown),
            (200, json!({}), Verdict::Unknown),
        ] {
            assert_eq!(open_id(status, &body), verdict.into(), "{status} {body}");
        }
        let peer = Peer::new();
        peer.cut("/token");
        let dialect = Dialect::OpenId(OpenId::default());
        assert_eq!(ask(&peer, &dialect, &refresh(), "alice"), Verdict::Unknown.into());
    }

    #[test]
    fn people_of_entra_are_compared_by_tenant_and_object() {
        let entra = Dialect::OpenId(OpenId { is_entra: true, ..OpenId::default() });
        for (oid, verdict) in [("o1", Verdict::Same), ("o2", Verdict::Gone)] {
            let peer = Peer::new();
            let mut claims = claims();
            claims["oid"] = oid.into();
            let body = tokens(&json!({ "id_token": sign(&claims) }));
            peer.put("/token", 200, &body.to_string());
            assert_eq!(ask(&peer, &entra, &refresh(), "o1"), verdict.into(), "{oid}");
        }
    }

    #[test]
    fn fd_20_github_has_to_give_the_same_number() {
        let github = Dialect::GitHub(GitHub { api: "https://idp.test".to_owned() });
        let kept = Kept::Access(AccessToken::new("gho"));
        for (status, body, verdict) in [
            (200, json!({ "id": 42, "login": "renamed" }), Verdict::Same),
            (200, json!({ "id": 43, "login": "alice" }), Verdict::Gone),
            (401, json!({ "message": "Bad credentials" }), Verdict::Gone),
            (403, json!({ "message": "rate limit" }), Verdict::Unknown),
            (404, json!({}), Verdict::Unknown),
            (500, json!({}), Verdict::Unknown),
            (200, json!({ "id": "42" }), Verdict::Unknown),
            (200, json!("<html>"), Verdict::Unknown),
        ] {
            let peer = Peer::new();
            peer.put("/user", status, &body.to_string());
            assert_eq!(ask(&peer, &github, &kept, "42"), verdict.into(), "{status} {body}");
        }
        // A GitHub App's token ends, so its refresh token is what is kept.
        let peer = Peer::new();
        let app = tokens(&json!({ "refresh_token": "ghr_2" }));
        peer.put("/token", 200, &app.to_string());
        peer.put("/user", 200, r#"{"id":42}"#);
        let asked = ask(&peer, &github, &refresh(), "42");
        let next = Some(Kept::Refresh(RefreshToken::new("ghr_2")));
        assert_eq!(asked, Rechecked { verdict: Verdict::Same, next: next.clone() });
        peer.put("/user", 500, "");
        let asked = ask(&peer, &github, &refresh(), "42");
        assert_eq!(asked, Rechecked { verdict: Verdict::Unknown, next });
        // GitHub says 200 where it says no.
        peer.put("/token", 200, r#"{"error":"bad_refresh_token"}"#);
        assert_eq!(ask(&peer, &github, &refresh(), "42"), Verdict::Gone.into());
    }

    #[test]
    fn authkit_says_no_in_several_ways() {
        let authkit = |organization: Option<&str>| {
            let organization = organization.map(str::to_owned);
            Dialect::AuthKit(AuthKit { issuers: Vec::new(), organization })
        };
        let any = authkit(None);
        let user = |id: &str| json!({ "user": { "id": id }, "refresh_token": "r2" });
        let next = Some(Kept::Refresh(RefreshToken::new("r2")));
        for (status, body, verdict, next) in [
            (200, user("user_1"), Verdict::Same, next.clone()),
            (200, user("user_2"), Verdict::Gone, next.clone()),
            (200, json!({ "refresh_token": "r2" }), Verdict::Unknown, next.clone()),
            (400, json!({ "error": "invalid_grant" }), Verdict::Gone, None),
            (403, json!({ "code": "sso_required" }), Verdict::Gone, None),
            (403, json!({ "error": "mfa_enrollment" }), Verdict::Gone, None),
            (429, json!({ "code": "rate_limited" }), Verdict::Unknown, None),
            (500, json!({}), Verdict::Unknown, None),
        ] {
            let peer = Peer::new();
            peer.put("/token", status, &body.to_string());
            let asked = ask(&peer, &any, &refresh(), "user_1");
            assert_eq!(asked, Rechecked { verdict, next }, "{status} {body}");
        }
        let peer = Peer::new();
        let mut elsewhere = user("user_1");
        elsewhere["organization_id"] = "org_b".into();
        peer.put("/token", 200, &elsewhere.to_string());
        let asked = ask(&peer, &authkit(Some("org_a")), &refresh(), "user_1");
        assert_eq!(asked, Rechecked { verdict: Verdict::Gone, next });
    }

    #[test]
    fn what_does_not_fit_says_nothing() {
        let access = Kept::Access(AccessToken::new("a"));
        let dialect = Dialect::OpenId(OpenId::default());
        assert_eq!(ask(&Peer::new(), &dialect, &access, "alice"), Verdict::Unknown.into());
        assert!(!format!("{access:?}").contains("\"a\""));
    }
}
