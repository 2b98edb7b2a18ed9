//! Signs in at an issuer with the `openidconnect` crate, unmodified, as any Rust program would.
//!
//! `ISSUER` names the issuer, `CLIENT_ID`, `CLIENT_SECRET` and `REDIRECT_URI` a client registered
//! there, `USERNAME` and `PASSWORD` somebody who has an account. Says one line for each thing that
//! worked; ends with 1 at the first that did not.

use foreign_rust::{Browser, Failed, Wire, parameter, passed, require, variable};
use openidconnect::core::{
    CoreAuthPrompt, CoreAuthenticationFlow, CoreClient, CoreIdTokenClaims, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet,
    EndpointNotSet, EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, TokenResponse,
};
use std::process::ExitCode;
use std::time::Duration;
use url::Url;

/// A client made from metadata: what is discovered is set, what may be missing may be set.
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Everything that an authorization response is checked against.
struct Asked {
    url: Url,
    state: CsrfToken,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

fn main() -> ExitCode {
    foreign_rust::main("openidconnect", run)
}

fn run() -> Result<(), Failed> {
    let wire = Wire::new();
    let send = |request| wire.send(request);
    let mut browser = Browser::new(&wire);

    let issuer = IssuerUrl::new(variable("ISSUER")?)?;
    let metadata = CoreProviderMetadata::discover(&issuer, &send)?;
    require(metadata.issuer() == &issuer, "the metadata is another issuer's")?;
    passed("the issuer is discovered with its keys");

    let client = CoreClient::from_provider_metadata(
        metadata,
        ClientId::new(variable("CLIENT_ID")?),
        Some(ClientSecret::new(variable("CLIENT_SECRET")?)),
    )
    .set_redirect_uri(RedirectUrl::new(variable("REDIRECT_URI")?)?);

    let asked = ask(&client, None);
    let somebody = (variable("USERNAME")?, variable("PASSWORD")?);
    let back = browser.sign_in(&asked.url, (&somebody.0, &somebody.1))?;
    let (tokens, nonce) = redeem(&client, asked, &back, &wire)?;
    let claims = verified(&client, &tokens, &nonce)?;
    passed("a code is redeemed with PKCE, and the ID token verifies with nonce and at_hash");

    let another = tokens.id_token().ok_or("there is no ID token")?;
    let wrong = another.claims(&client.id_token_verifier(), &Nonce::new("another".to_owned()));
    require(wrong.is_err(), "an ID token passes with any nonce")?;
    passed("the ID token is refused with another nonce");

    let about: CoreUserInfoClaims = client
        .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))?
        .request(&send)?;
    require(about.email().is_some(), "userinfo tells no e-mail address")?;
    require(about.name() == claims.name() || claims.name().is_none(), "the names differ")?;
    passed("userinfo is about the same subject");

    let refresh_token = tokens.refresh_token().ok_or("there is no refresh token")?;
    let renewed = client.exchange_refresh_token(refresh_token)?.request(&send)?;
    require(
        renewed.refresh_token().is_some_and(|next| next.secret() != refresh_token.secret()),
        "the refresh token did not rotate",
    )?;
    require(
        renewed.access_token().secret() != tokens.access_token().secret(),
        "the access token is the old one",
    )?;
    let id_token = renewed.id_token().ok_or("there is no ID token on refresh")?;
    let again = id_token.claims(&client.id_token_verifier(), |_: Option<&Nonce>| Ok(()))?;
    require(again.subject() == claims.subject(), "the subject changed on refresh")?;
    require(again.auth_time() == claims.auth_time(), "auth_time changed on refresh")?;
    passed("a refresh gives a new pair of tokens for the same subject");

    let asked = ask(&client, Some(CoreAuthPrompt::None));
    let back = browser.pass(&asked.url)?;
    let (tokens, nonce) = redeem(&client, asked, &back, &wire)?;
    let silent = verified(&client, &tokens, &nonce)?;
    require(silent.subject() == claims.subject(), "silent sign-in is somebody else's")?;
    passed("prompt=none gives the person who is signed in a code without a page");

    let asked = ask(&client, None);
    let back = browser.pass(&asked.url)?;
    let code = AuthorizationCode::new(parameter(&back, "code").ok_or("there is no code")?);
    let (_, stranger) = PkceCodeChallenge::new_random_sha256();
    let refused = client.exchange_code(code)?.set_pkce_verifier(stranger).request(&send);
    require(refused.is_err(), "a code is redeemed with another verifier")?;
    passed("a code is refused with another verifier");
    Ok(())
}

/// An authorization request with PKCE, nonce and state.
fn ask(client: &Client, prompt: Option<CoreAuthPrompt>) -> Asked {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let request = client
        .authorize_url(
            CoreAuthenticationFlow::AuthorizationCode,
            CsrfToken::new_random,
            Nonce::new_random,
        )
        .add_scopes(["profile", "email", "offline_access"].map(|word| Scope::new(word.to_owned())))
        .set_max_age(Duration::from_hours(1))
        .set_pkce_challenge(challenge);
    let (url, state, nonce) = match prompt {
        Some(prompt) => request.add_prompt(prompt).url(),
        None => request.url(),
    };
    Asked { url, state, nonce, verifier }
}

/// The tokens for the code in `back`, and the nonce that their ID token has to have.
fn redeem(
    client: &Client,
    asked: Asked,
    back: &Url,
    wire: &Wire,
) -> Result<(CoreTokenResponse, Nonce), Failed> {
    let state = parameter(back, "state");
    require(state.as_ref() == Some(asked.state.secret()), "the state is not the one we sent")?;
    let code = parameter(back, "code").ok_or_else(|| format!("there is no code in {back}"))?;
    let send = |request| wire.send(request);
    let exchange = client.exchange_code(AuthorizationCode::new(code))?;
    Ok((exchange.set_pkce_verifier(asked.verifier).request(&send)?, asked.nonce))
}

/// The claims of the ID token, with signature, issuer, audience, times, nonce and `at_hash` checked.
fn verified<'t>(
    client: &Client,
    tokens: &'t CoreTokenResponse,
    nonce: &Nonce,
) -> Result<&'t CoreIdTokenClaims, Failed> {
    let id_token = tokens.id_token().ok_or("there is no ID token")?;
    let verifier = client.id_token_verifier();
    let claims = id_token.claims(&verifier, nonce)?;
    let algorithm = id_token.signing_alg()?;
    require(
        *algorithm == CoreJwsSigningAlgorithm::EcdsaP256Sha256,
        "the ID token is not signed with ES256",
    )?;
    let key = id_token.signing_key(&verifier)?;
    let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key)?;
    require(claims.access_token_hash() == Some(&actual), "at_hash does not match")?;
    require(claims.auth_time().is_some(), "max_age was asked for, and auth_time is missing")?;
    Ok(claims)
}
