//! GitHub, as Enterprise Server has it: pages and the token endpoint at the base, the API below
//! `/api/v3`. [`GITHUB_APP`] is a GitHub App; all other clients are OAuth apps.

use crate::ask::{Ask, Params};
use crate::authorize::{Rules, authorize};
use crate::client::{Client, Credentials, GITHUB_APP};
use crate::fault::{Endpoint, Fault};
use crate::instance::{Access, Grant, Instance};
use crate::oidc;
use crate::person::{GitHubId, Person};
use crate::reply::{self, Response};
use crate::token::{self, Redirects, Refused, Use};
use http::Method;
use http::header::{HeaderName, USER_AGENT};
use serde_json::{Value, json};

const REALM: &str = "github";

/// How long tokens of GitHub Apps live.
const APP_SECONDS: u64 = 28_800;
const APP_REFRESH_SECONDS: u64 = 15_897_600;
/// Tokens of OAuth apps do not end.
const NEVER: u64 = u64::MAX;
/// So many tokens a person, a client and a scope have.
const MOST_TOKENS: usize = 10;

const DOCUMENTATION: &str = "https://docs.github.com/rest";

pub(crate) fn endpoint(path: &str) -> Option<Endpoint> {
    Some(match path {
        "/login/oauth/authorize" => Endpoint::Authorize,
        "/login/oauth/access_token" => Endpoint::Token,
        "/api/v3/user" => Endpoint::Userinfo,
        "/api/v3/user/emails" => Endpoint::Emails,
        other if other.starts_with("/api/v3/applications/") => Endpoint::Revoke,
        _ => return None,
    })
}

pub(crate) fn answer(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    match (ask.method, ask.path) {
        (&Method::GET | &Method::POST, "/login/oauth/authorize") => {
            authorize(instance, ask, &rules(&ask.base))
        }
        (&Method::POST, "/login/oauth/access_token") => {
            let pairs = token(instance, ask).unwrap_or_else(|refused| refusal(&refused));
            written(ask, &pairs)
        }
        (_, path) if path.starts_with("/api/v3/") => api(instance, ask),
        _ => reply::not_found(),
    }
}

/// It says who it is since the spring of 2026, RFC 9207.
fn rules(base: &str) -> Rules {
    let denial = vec![
        ("error", "access_denied".to_owned()),
        ("error_description", "The user has denied your application access.".to_owned()),
        ("error_uri", "https://docs.github.com/apps/troubleshooting#access-denied".to_owned()),
    ];
    let iss = Some(format!("{base}/login/oauth"));
    let rules = Rules::new(REALM);
    Rules { wants_response_type: false, has_prompts: false, denial, scopes, iss, ..rules }
}

/// GitHub reads them with spaces or commas between. A GitHub App has permissions instead.
fn scopes(asked: &Params) -> Vec<String> {
    if asked.get("client_id") == Some(GITHUB_APP.id) {
        return Vec::new();
    }
    let scopes = asked.get("scope").unwrap_or_default().split([' ', ',']);
    let mut scopes: Vec<_> = scopes.filter(|s| !s.is_empty()).map(str::to_owned).collect();
    scopes.sort();
    scopes.dedup();
    scopes
}

type Pairs = Vec<(&'static str, Value)>;

/// A form, unless JSON was asked for. Whatever it says, it says 200.
fn written(ask: &Ask<'_>, pairs: &Pairs) -> Response {
    if ask.accepts("application/json") {
        let members = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        return reply::json(200, &Value::Object(members.collect()));
    }
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| (*name, text(value))).collect();
    reply::form(200, &pairs)
}

fn token(instance: &mut Instance, ask: &Ask<'_>) -> Result<Pairs, Refused> {
    if ask.json.is_none() {
        token::form(ask)?;
    }
    let client = token::client(ask)?;
    if ask.body("grant_type") == Some("refresh_token") {
        let grant = token::refresh(instance, ask, client, Use::Once)?;
        // The access token dies with the refresh token, at once.
        instance.end(|other| other.family == grant.family);
        return Ok(tokens(instance, ask, &grant));
    }
    let grant = token::redeem(instance, ask, client, REALM, Redirects::Optional)?;
    Ok(tokens(instance, ask, &grant))
}

fn tokens(instance: &mut Instance, ask: &Ask<'_>, grant: &Grant) -> Pairs {
    if grant.client == GITHUB_APP.id {
        let access_token = instance.give_access("ghu_", grant, ask.now + APP_SECONDS);
        return vec![
            ("access_token", access_token.into()),
            ("expires_in", APP_SECONDS.into()),
            ("refresh_token", instance.give_refresh("ghr_", grant).into()),
            ("refresh_token_expires_in", APP_REFRESH_SECONDS.into()),
            ("scope", "".into()),
            ("token_type", "bearer".into()),
        ];
    }
    let access_token = instance.give_access("gho_", grant, NEVER);
    let is_alike = |access: &Access| {
        let Grant { client, person, scopes, .. } = &access.grant;
        *client == grant.client && *person == grant.person && *scopes == grant.scopes
    };
    let mut alike: Vec<_> = instance.access.iter().filter(|(_, access)| is_alike(access)).collect();
    alike.sort_by_key(|(_, access)| access.number);
    if alike.len() > MOST_TOKENS
        && let Some(oldest) = alike.first().map(|(token, _)| (*token).clone())
    {
        instance.access.remove(&oldest);
    }
    vec![
        ("access_token", access_token.into()),
        ("scope", grant.scopes.join(",").into()),
        ("token_type", "bearer".into()),
    ]
}

fn refusal(refused: &Refused) -> Pairs {
    let (error, description) = match refused {
        Refused::UnknownClient | Refused::Secret | Refused::NoCredentials(_) => (
            "incorrect_client_credentials",
            "The client_id and/or client_secret passed are incorrect.",
        ),
        Refused::RedirectUri => (
            "redirect_uri_mismatch",
            "The redirect_uri MUST match the registered callback URL for this application.",
        ),
        Refused::UnknownRefresh | Refused::UsedRefresh | Refused::Missing("refresh_token") => {
            ("bad_refresh_token", "The refresh token passed is incorrect or expired.")
        }
        Refused::GrantType => ("unsupported_grant_type", "The grant_type is not supported."),
        Refused::UnknownCode
        | Refused::UsedCode
        | Refused::OtherClient
        | Refused::Verifier
        | Refused::Missing(_)
        | Refused::Type
        | Refused::Repeated => {
            ("bad_verification_code", "The code passed is incorrect or expired.")
        }
    };
    let uri = "https://docs.github.com/apps/managing-oauth-apps/troubleshooting-oauth-app-access-token-request-errors";
    vec![
        ("error", error.into()),
        ("error_description", description.into()),
        ("error_uri", uri.into()),
    ]
}

fn message(status: u16, text: &str) -> Response {
    let status_text = status.to_string();
    reply::json(
        status,
        &json!({ "message": text, "documentation_url": DOCUMENTATION, "status": status_text }),
    )
}

fn api(instance: &mut Instance, ask: &Ask<'_>) -> Response {
    if ask.header(&USER_AGENT).is_none_or(str::is_empty) {
        let text = "Request forbidden by administrative rules. Please make sure your request has a \
                    User-Agent header (https://docs.github.com/en/rest/overview/resources-in-the-rest-api#user-agent-required).\n";
        return reply::plain(403, "text/html", text);
    }
    let version = HeaderName::from_static("x-github-api-version");
    if ask.header(&version).is_some_and(|version| version != "2022-11-28") {
        return message(400, "The API version is not supported.");
    }
    if let Some(rest) = ask.path.strip_prefix("/api/v3/applications/") {
        return revoke(instance, ask, rest);
    }
    if ask.method != Method::GET {
        return message(404, "Not Found");
    }
    if ask.bearer().is_none() {
        return message(401, "Requires authentication");
    }
    let Some(grant) = instance.access(ask.bearer(), ask.now).cloned() else {
        return message(401, "Bad credentials");
    };
    let response = match ask.path {
        "/api/v3/user" => user(instance, grant.person),
        "/api/v3/user/emails" if may_read_emails(&grant) => emails(instance, grant.person),
        // Also for whoever did not ask for the scope.
        _ => message(404, "Not Found"),
    };
    let name = HeaderName::from_static("x-oauth-scopes");
    reply::with(response, name, &grant.scopes.join(", "))
}

fn may_read_emails(grant: &Grant) -> bool {
    let enough = |scope: &String| scope == "user" || scope == "user:email";
    grant.client == GITHUB_APP.id || grant.scopes.iter().any(enough)
}

fn user(instance: &mut Instance, person: &Person) -> Response {
    let mut body = json!({
        "login": person.key,
        "node_id": format!("U_{}", person.key),
        "avatar_url": format!("https://avatars.github.test/{}", person.key),
        "html_url": format!("https://github.test/{}", person.key),
        "type": "User",
        "site_admin": false,
        "name": person.full_name(),
        "email": null,
        "created_at": "2020-01-01T00:00:00Z",
    });
    match person.github {
        GitHubId::Number(id) => body["id"] = id.into(),
        GitHubId::Text(id) => body["id"] = id.into(),
        GitHubId::Null => body["id"] = Value::Null,
        GitHubId::Absent => {}
    }
    if instance.faults.happens(Endpoint::Userinfo, &Fault::UserinfoOtherSubject) {
        body["id"] = 999_999.into();
    }
    reply::json(200, &body)
}

fn emails(instance: &mut Instance, person: &Person) -> Response {
    let mut list: Vec<_> = person
        .emails
        .iter()
        .enumerate()
        .map(|(at, (email, is_verified))| {
            let visibility = if at == 0 { Value::from("private") } else { Value::Null };
            json!({ "email": email, "primary": at == 0, "verified": is_verified, "visibility": visibility })
        })
        .collect();
    if let Some(primary) = list.first_mut() {
        oidc::spoil_email(instance, Endpoint::Emails, "verified", primary);
    }
    // GitHub's own order is not by rank either.
    list.reverse();
    reply::json(200, &Value::Array(list))
}

/// `DELETE /applications/{client_id}/token` or `/grant`, by the client itself.
fn revoke(instance: &mut Instance, ask: &Ask<'_>, rest: &str) -> Response {
    let Some((id, what)) = rest.split_once('/').filter(|_| ask.method == Method::DELETE) else {
        return message(404, "Not Found");
    };
    let is_client = |client: &Client, credentials: &Credentials| {
        client.id == id && credentials.secret.as_deref() == Some(client.secret)
    };
    let credentials = Credentials::read(ask);
    let client = crate::client::find(id);
    let (Some(client), Ok(credentials)) = (client, credentials) else {
        return message(404, "Not Found");
    };
    if !is_client(client, &credentials) {
        return message(404, "Not Found");
    }
    let token = ask.body("access_token").unwrap_or_default();
    let found = instance.access.get(token).filter(|access| access.grant.client == client.id);
    let Some(grant) = found.map(|access| access.grant.clone()) else {
        return message(422, "Validation Failed");
    };
    match what {
        "token" => {
            instance.access.remove(token);
        }
        "grant" => {
            instance.end(|other| other.person == grant.person && other.client == grant.client);
        }
        _ => return message(404, "Not Found"),
    }
    reply::empty(204)
}
