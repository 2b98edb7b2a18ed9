//! What token endpoints check, whoever's they are. How they say no is each provider's own.

use crate::ask::Ask;
use crate::client::{self, Client, Credentials, NoCredentials};
use crate::instance::{Grant, Instance};
use crate::keys::digest;

/// Why a token request is refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Refused {
    /// The body is of another type than the provider reads.
    Type,
    /// A parameter is there more than once.
    Repeated,
    /// A parameter is missing.
    Missing(&'static str),
    /// Who asks did not say who it is, or said it twice.
    NoCredentials(NoCredentials),
    /// There is no such client.
    UnknownClient,
    /// The secret is missing or wrong.
    Secret,
    /// Another grant type than there is.
    GrantType,
    /// We never gave this code, or it is too old.
    UnknownCode,
    /// The code was used before.
    UsedCode,
    /// The code is another client's.
    OtherClient,
    /// The redirect URI is not the one of the authorization request.
    RedirectUri,
    /// The verifier is missing, wrong, or there although there was no challenge.
    Verifier,
    /// We never gave this refresh token, or it is dead.
    UnknownRefresh,
    /// The refresh token was used before.
    UsedRefresh,
}

/// What becomes of a refresh token that is used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Use {
    /// It is good once; a second time ends everything that came from the sign-in.
    EndsFamily,
    /// It is good once.
    Once,
    /// It stays good.
    Stays,
}

/// A form, each of whose parameters is there once.
pub(crate) fn form(ask: &Ask<'_>) -> Result<(), Refused> {
    let form = ask.form.as_ref().ok_or(Refused::Type)?;
    form.repeated().map_or(Ok(()), |_| Err(Refused::Repeated))
}

/// The client, which has to know its secret.
pub(crate) fn client(ask: &Ask<'_>) -> Result<&'static Client, Refused> {
    let Credentials { id, secret } = Credentials::read(ask).map_err(Refused::NoCredentials)?;
    let client = client::find(&id).ok_or(Refused::UnknownClient)?;
    let is_right = secret.as_deref() == Some(client.secret);
    is_right.then_some(client).ok_or(Refused::Secret)
}

/// Redeems a code: everything is checked before it is used up.
pub(crate) fn redeem(
    instance: &mut Instance,
    ask: &Ask<'_>,
    client: &Client,
    realm: &str,
    redirects: Redirects,
) -> Result<Grant, Refused> {
    let code = ask.body("code").ok_or(Refused::Missing("code"))?;
    let found = instance.codes.get_mut(code).filter(|found| found.path == realm);
    let found = found.filter(|found| found.expires_at > ask.now).ok_or(Refused::UnknownCode)?;
    let grant = &found.grant;
    if grant.client != client.id {
        return Err(Refused::OtherClient);
    }
    if found.is_used {
        return Err(Refused::UsedCode);
    }
    let redirect_uri = ask.body("redirect_uri");
    let is_same = redirect_uri == grant.asked.get("redirect_uri");
    match redirects {
        Redirects::Repeated if redirect_uri.is_none() => {
            return Err(Refused::Missing("redirect_uri"));
        }
        Redirects::Repeated | Redirects::Optional if redirect_uri.is_some() && !is_same => {
            return Err(Refused::RedirectUri);
        }
        _ => {}
    }
    let verifier = ask.body("code_verifier").map(digest);
    if verifier.as_deref() != grant.asked.get("code_challenge") {
        return Err(Refused::Verifier);
    }
    found.is_used = true;
    Ok(grant.clone())
}

/// Whether `redirect_uri` has to be said again with the code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Redirects {
    /// It has to.
    Repeated,
    /// It may, and is the same then.
    Optional,
    /// Nobody asks.
    Ignored,
}

/// Uses a refresh token.
pub(crate) fn refresh(
    instance: &mut Instance,
    ask: &Ask<'_>,
    client: &Client,
    kind: Use,
) -> Result<Grant, Refused> {
    let token = ask.body("refresh_token").ok_or(Refused::Missing("refresh_token"))?;
    let found = instance.refresh.get_mut(token).filter(|found| found.grant.client == client.id);
    let found = found.ok_or(Refused::UnknownRefresh)?;
    let grant = found.grant.clone();
    if found.is_used {
        if kind == Use::EndsFamily {
            instance.end(|other| other.family == grant.family);
        }
        return Err(Refused::UsedRefresh);
    }
    found.is_used = kind != Use::Stays;
    Ok(grant)
}
