//! Signs in at an issuer with the `oauth2` crate, unmodified and without `openidconnect` around it.
//!
//! `ISSUER` names the issuer, `REDIRECT_URI` where all clients are sent back to, `USERNAME` and
//! `PASSWORD` somebody who has an account, and `CLIENT_SECRET` the secret of the clients
//! `BASIC_CLIENT`, `POST_CLIENT` and `ONCE_CLIENT`, of which the last has no refresh tokens;
//! `PUBLIC_CLIENT` has none.

use foreign_rust::{Browser, Failed, Wire, parameter, passed, require, variable};
use oauth2::basic::{
    BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse,
    BasicTokenResponse, BasicTokenType,
};
use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, ConfigurationError,
    CsrfToken, EndpointNotSet, EndpointSet, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername,
    RevocationErrorResponseType, RevocationUrl, Scope, StandardRevocableToken, TokenResponse,
    TokenUrl,
};
use std::collections::BTreeSet;
use std::process::ExitCode;

/// A client that knows where to authorize, to revoke, and to get tokens.
type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointNotSet, EndpointSet, EndpointSet>;

/// What comes of a token request.
type Answer = Result<BasicTokenResponse, RequestTokenError<ureq::Error, BasicErrorResponse>>;

const SCOPE: [&str; 3] = ["openid", "email", "offline_access"];

fn main() -> ExitCode {
    foreign_rust::main("oauth2", run)
}

fn run() -> Result<(), Failed> {
    let wire = Wire::new();
    let secret = variable("CLIENT_SECRET")?;
    let basic = client("BASIC_CLIENT", Some(&secret))?;
    let post = client("POST_CLIENT", Some(&secret))?.set_auth_type(AuthType::RequestBody);
    let public = client("PUBLIC_CLIENT", None)?;

    for (client, who) in [
        (&basic, "a client that authenticates in the header, whatever its name is made of,"),
        (&post, "a client that authenticates in the body"),
        (&public, "a public client"),
    ] {
        signs_in(client, &wire)?;
        passed(&format!("{who} gets tokens for a code, and new ones for a refresh token"));
    }
    scopes(&basic, &wire)?;
    codes(&basic, &wire)?;
    refresh_tokens(&basic, &wire)?;
    clients(&basic, &wire)?;
    for client in [&basic, &post, &public] {
        revocation(client, &wire)?;
    }
    passed("a client of any kind revokes a grant by either token of it, and again without harm");
    revocation_refused(&wire)
}

fn signs_in(client: &Client, wire: &Wire) -> Result<(), Failed> {
    let tokens = enter(client, wire, &SCOPE)?;
    require(*tokens.token_type() == BasicTokenType::Bearer, "the token is no bearer token")?;
    require(tokens.expires_in().is_some_and(|life| !life.is_zero()), "expires_in is missing")?;

    let renewed = refresh(client, wire, refresh_token(&tokens)?)?;
    require(
        refresh_token(&renewed)?.secret() != refresh_token(&tokens)?.secret(),
        "the refresh token did not rotate",
    )?;
    require(
        renewed.access_token().secret() != tokens.access_token().secret(),
        "the access token is the old one",
    )
}

fn scopes(client: &Client, wire: &Wire) -> Result<(), Failed> {
    let tokens = enter(client, wire, &SCOPE)?;
    require(granted(&tokens) == BTreeSet::from(SCOPE), "the scope is not what was asked for")?;
    let token = refresh_token(&tokens)?;
    let more = client.exchange_refresh_token(token).add_scope(scope("profile"));
    refused(more.request(&send(wire)), &BasicErrorResponseType::InvalidScope)?;
    let less = client.exchange_refresh_token(token).add_scope(scope("openid"));
    let less = less.request(&send(wire))?;
    require(granted(&less) == BTreeSet::from(["openid"]), "the scope did not shrink")?;
    passed("a refresh may ask for less scope, and more is InvalidScope");

    let plain = enter(client, wire, &["email"])?;
    require(granted(&plain) == BTreeSet::from(["email"]), "there is more scope than asked for")?;
    passed("without openid it is plain OAuth");
    Ok(())
}

fn codes(client: &Client, wire: &Wire) -> Result<(), Failed> {
    let invalid = &BasicErrorResponseType::InvalidGrant;
    let nonsense = client.exchange_code(AuthorizationCode::new("nonsense".to_owned()));
    let (_, stranger) = PkceCodeChallenge::new_random_sha256();
    refused(nonsense.set_pkce_verifier(stranger).request(&send(wire)), invalid)?;

    let (code, verifier) = code(client, wire, &SCOPE)?;
    let (_, stranger) = PkceCodeChallenge::new_random_sha256();
    let wrong = client.exchange_code(code.clone()).set_pkce_verifier(stranger);
    refused(wrong.request(&send(wire)), invalid)?;
    refused(client.exchange_code(code.clone()).request(&send(wire)), invalid)?;
    let again = PkceCodeVerifier::new(verifier.secret().clone());
    let right = client.exchange_code(code.clone()).set_pkce_verifier(verifier);
    let tokens = right.request(&send(wire))?;
    passed("a code is InvalidGrant with another verifier or none, and still good with its own");

    let twice = client.exchange_code(code).set_pkce_verifier(again);
    refused(twice.request(&send(wire)), invalid)?;
    refused(refresh(client, wire, refresh_token(&tokens)?), invalid)?;
    passed("a code that comes a second time is InvalidGrant, and so is then what it gave");
    Ok(())
}

fn refresh_tokens(client: &Client, wire: &Wire) -> Result<(), Failed> {
    let invalid = &BasicErrorResponseType::InvalidGrant;
    let first = enter(client, wire, &SCOPE)?;
    let nonsense = RefreshToken::new("nonsense".to_owned());
    refused(refresh(client, wire, &nonsense), invalid)?;
    let second = refresh(client, wire, refresh_token(&first)?)?;
    let repeated = refresh(client, wire, refresh_token(&first)?)?;
    require(
        refresh_token(&repeated)?.secret() == refresh_token(&second)?.secret(),
        "a refresh token that came twice has two successors",
    )?;
    let third = refresh(client, wire, refresh_token(&second)?)?;
    refused(refresh(client, wire, refresh_token(&first)?), invalid)?;
    refused(refresh(client, wire, refresh_token(&third)?), invalid)?;
    passed("a refresh token that was used long ago is InvalidGrant and ends its family");

    let once = self::client("ONCE_CLIENT", Some(&variable("CLIENT_SECRET")?))?;
    let tokens = enter(&once, wire, &["openid"])?;
    require(tokens.refresh_token().is_none(), "there is a refresh token")?;
    refused(refresh(&once, wire, &nonsense), &BasicErrorResponseType::UnauthorizedClient)?;
    passed(
        "a client without that grant gets no refresh token, and using one is UnauthorizedClient",
    );
    Ok(())
}

fn clients(client: &Client, wire: &Wire) -> Result<(), Failed> {
    let invalid = &BasicErrorResponseType::InvalidClient;
    let nonsense = RefreshToken::new("nonsense".to_owned());
    let basic = self::client("BASIC_CLIENT", Some("wrong"))?;
    let post = self::client("POST_CLIENT", Some("wrong"))?.set_auth_type(AuthType::RequestBody);
    let none = self::client("BASIC_CLIENT", None)?;
    for wrong in [basic, post, none] {
        refused(refresh(&wrong, wire, &nonsense), invalid)?;
    }
    passed("a wrong secret, in the header or in the body, or none is InvalidClient");

    let unsupported = &BasicErrorResponseType::UnsupportedGrantType;
    refused(client.exchange_client_credentials().request(&send(wire)), unsupported)?;
    let username = ResourceOwnerUsername::new(variable("USERNAME")?);
    let password = ResourceOwnerPassword::new(variable("PASSWORD")?);
    refused(client.exchange_password(&username, &password).request(&send(wire)), unsupported)?;
    passed("a grant that we don't have is UnsupportedGrantType");
    Ok(())
}

fn revocation(client: &Client, wire: &Wire) -> Result<(), Failed> {
    for by in [
        |tokens: &BasicTokenResponse| tokens.refresh_token().cloned().map(Into::into),
        |tokens: &BasicTokenResponse| Some(tokens.access_token().clone().into()),
    ] {
        let tokens = enter(client, wire, &SCOPE)?;
        let token: StandardRevocableToken = by(&tokens).ok_or("there is no such token")?;
        client.revoke_token(token.clone())?.request(&send(wire))?;
        let invalid = &BasicErrorResponseType::InvalidGrant;
        refused(refresh(client, wire, refresh_token(&tokens)?), invalid)?;
        client.revoke_token(token)?.request(&send(wire))?;
    }
    Ok(())
}

fn revocation_refused(wire: &Wire) -> Result<(), Failed> {
    let nonsense = || StandardRevocableToken::from(AccessToken::new("nonsense".to_owned()));
    let wrong = client("BASIC_CLIENT", Some("wrong"))?;
    let expected = RevocationErrorResponseType::Basic(BasicErrorResponseType::InvalidClient);
    let answer = wrong.revoke_token(nonsense())?.request(&send(wire));
    match answer {
        Err(RequestTokenError::<_, BasicRevocationErrorResponse>::ServerResponse(error))
            if *error.error() == expected => {}
        other => return Err(format!("{other:?} instead of {expected:?}").into()),
    }
    passed("revoking with a wrong secret is InvalidClient");

    let secret = variable("CLIENT_SECRET")?;
    let client = client("BASIC_CLIENT", Some(&secret))?;
    client.revoke_token(nonsense())?.request(&send(wire))?;
    passed("revoking what is no token succeeds");

    let plain = RevocationUrl::new(format!("{}/revoke", variable("ISSUER")?))?;
    let plain = client.set_revocation_url(plain);
    let refused = plain.revoke_token(nonsense());
    require(
        matches!(refused, Err(ConfigurationError::InsecureUrl(_))),
        "the crate revokes without TLS by now, and needs no https from us",
    )?;
    passed("the crate itself revokes nowhere without https, so it is told our URL with it");
    Ok(())
}

/// The client that a variable names. A secret goes into the header unless it is told otherwise.
fn client(name: &str, secret: Option<&str>) -> Result<Client, Failed> {
    let issuer = variable("ISSUER")?;
    let revoke = format!("{}/revoke", issuer.replacen("http:", "https:", 1));
    let client = BasicClient::new(ClientId::new(variable(name)?))
        .set_auth_uri(AuthUrl::new(format!("{issuer}/authorize"))?)
        .set_token_uri(TokenUrl::new(format!("{issuer}/token"))?)
        .set_revocation_url(RevocationUrl::new(revoke)?)
        .set_redirect_uri(RedirectUrl::new(variable("REDIRECT_URI")?)?);
    Ok(match secret {
        Some(secret) => client.set_client_secret(ClientSecret::new(secret.to_owned())),
        None => client,
    })
}

/// A code that somebody got who signed in with a browser of their own, and its verifier.
fn code(
    client: &Client,
    wire: &Wire,
    words: &[&str],
) -> Result<(AuthorizationCode, PkceCodeVerifier), Failed> {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let request = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge);
    let (url, state) = request.add_scopes(words.iter().map(|word| scope(word))).url();
    let somebody = (variable("USERNAME")?, variable("PASSWORD")?);
    let back = Browser::new(wire).sign_in(&url, (&somebody.0, &somebody.1))?;
    let returned = parameter(&back, "state");
    require(returned.as_ref() == Some(state.secret()), "the state is not the one we sent")?;
    let code = parameter(&back, "code").ok_or_else(|| format!("there is no code in {back}"))?;
    Ok((AuthorizationCode::new(code), verifier))
}

fn enter(client: &Client, wire: &Wire, words: &[&str]) -> Result<BasicTokenResponse, Failed> {
    let (code, verifier) = code(client, wire, words)?;
    Ok(client.exchange_code(code).set_pkce_verifier(verifier).request(&send(wire))?)
}

fn refresh(client: &Client, wire: &Wire, token: &RefreshToken) -> Answer {
    client.exchange_refresh_token(token).request(&send(wire))
}

/// Whether the issuer said no, with this error and with nothing that the crate can't read.
fn refused(answer: Answer, expected: &BasicErrorResponseType) -> Result<(), Failed> {
    match answer {
        Err(RequestTokenError::ServerResponse(error)) if error.error() == expected => Ok(()),
        other => Err(format!("{other:?} instead of {expected:?}").into()),
    }
}

fn refresh_token(tokens: &BasicTokenResponse) -> Result<&RefreshToken, Failed> {
    tokens.refresh_token().ok_or_else(|| "there is no refresh token".into())
}

fn granted(tokens: &BasicTokenResponse) -> BTreeSet<&str> {
    tokens.scopes().into_iter().flatten().map(|scope| scope.as_str()).collect()
}

fn scope(word: &str) -> Scope {
    Scope::new(word.to_owned())
}

fn send(wire: &Wire) -> impl Fn(oauth2::HttpRequest) -> Result<oauth2::HttpResponse, ureq::Error> {
    |request| wire.send(request)
}
