//! `/register`, RFC 7591 and OpenID Connect Registration 1.0, and `/register/{client_id}`, RFC 7592:
//! clients that are made at run time. Nobody vouches for what they say about themselves.

mod admission;
mod reading;
mod sector;

use crate::Idp;
use crate::brake::Attempt;
use crate::event::{ClientChange, Event, note};
use crate::ledger;
use crate::platform::{Objects, Platform};
use crate::registration::{Mistakes, OneOrMore, Registration};
use crate::registry::{Id, Row, UNUSED};
use crate::rows::Unavailable;
use crate::words::{AuthMethod, Endpoint};
use admission::{Keeper, Registrar, Stranger, keeper, registrar};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use rand_core::CryptoRng;
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::cause;
use shared::error::ErrorCode;
use shared::fetch::{Request, Response};
use shared::respond;
use shared::secret::{ClientSecret, Digest, RegistrationToken, random_text};
use shared::time::UnixTime;

/// Why nothing was registered, read, changed or removed.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Refused {
    /// Not by whoever asks.
    Stranger(Stranger),
    /// An administrator asks about a client that is not there.
    NoClient,
    /// No metadata in the body; why, in words.
    Body(&'static str),
    /// A software statement: there is nobody here whose word about software is taken (RG-12).
    SoftwareStatement,
    /// What the client says about itself.
    Metadata(Mistakes),
    /// Too many, too fast.
    TooOften {
        /// How long to wait.
        seconds: u64,
    },
    /// Storage or keys did not answer.
    Unavailable,
}

impl From<Unavailable> for Refused {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl From<Stranger> for Refused {
    fn from(stranger: Stranger) -> Self {
        match stranger {
            Stranger::Unavailable => Self::Unavailable,
            other => Self::Stranger(other),
        }
    }
}

/// What the client is told, RFC 7591 §3.2.2. Every word is ours; none is of the request.
#[derive(Serialize)]
struct Public {
    error: ErrorCode,
    error_description: String,
}

impl Refused {
    fn public(&self) -> (StatusCode, Option<&'static str>, Public) {
        let (status, error, words) = match self {
            Self::Stranger(Stranger::NoToken) => {
                (StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken, "a token is required")
            }
            Self::Stranger(Stranger::Invalid) => {
                (StatusCode::UNAUTHORIZED, ErrorCode::InvalidToken, "the token is not valid")
            }
            Self::Stranger(Stranger::Scope) => (
                StatusCode::FORBIDDEN,
                ErrorCode::InsufficientScope,
                "this takes an administrator's access token with the scope gatelatch:clients",
            ),
            Self::NoClient => {
                (StatusCode::NOT_FOUND, ErrorCode::InvalidRequest, "there is no such registration")
            }
            Self::Body(words) => {
                (StatusCode::BAD_REQUEST, ErrorCode::InvalidClientMetadata, *words)
            }
            Self::SoftwareStatement => (
                StatusCode::BAD_REQUEST,
                ErrorCode::InvalidSoftwareStatement,
                "software statements are not taken",
            ),
            Self::Metadata(mistakes) => {
                let public = mistaken(mistakes);
                return (StatusCode::BAD_REQUEST, None, public);
            }
            Self::TooOften { .. } => (
                StatusCode::TOO_MANY_REQUESTS,
                ErrorCode::TemporarilyUnavailable,
                "too many registrations in a short time",
            ),
            Self::Unavailable | Self::Stranger(Stranger::Unavailable) => {
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TemporarilyUnavailable, "try again")
            }
        };
        let challenge = match self {
            Self::Stranger(Stranger::NoToken) => Some("Bearer"),
            Self::Stranger(Stranger::Invalid) => Some("Bearer error=\"invalid_token\""),
            Self::Stranger(Stranger::Scope) => {
                Some("Bearer error=\"insufficient_scope\", scope=\"gatelatch:clients\"")
            }
            _ => None,
        };
        (status, challenge, Public { error, error_description: words.to_owned() })
    }

    const fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooOften { seconds } => Some(*seconds),
            Self::Unavailable => Some(1),
            _ => None,
        }
    }

    fn respond(self) -> Response {
        let (status, challenge, public) = self.public();
        let mut response = respond::json(status, &public);
        if let Some(challenge) = challenge {
            respond::put(&mut response, WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        cause::note(response, &self)
    }
}

/// Every mistake, each member once, with an error of RFC 7591 §3.2.2 for the whole.
fn mistaken(mistakes: &Mistakes) -> Public {
    let mut named: Vec<&str> = Vec::new();
    let mut lines = Vec::new();
    for (member, wanted) in mistakes {
        if !named.contains(member) {
            named.push(member);
            lines.push(format!("{member} must be {wanted}"));
        }
    }
    let error = if named.contains(&"redirect_uris") {
        ErrorCode::InvalidRedirectUri
    } else {
        ErrorCode::InvalidClientMetadata
    };
    Public { error, error_description: lines.join("; ") }
}

/// Answers `POST /register`.
pub async fn respond<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    register(idp, request, now, rng).await.unwrap_or_else(Refused::respond)
}

async fn register<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let registrar = registrar(idp, request.headers(), now).await?;
    let members = reading::object(request).map_err(Refused::Body)?;
    let (id, secret) = (Id::draw(rng), ClientSecret::new(random_text(rng)));
    let asked = read(idp, &members, &id, Some(&Digest::of(secret.expose())))?;
    let who = match registrar {
        Registrar::Bearer(digest) => digest.to_text(),
        Registrar::Admin(account) => account.to_string(),
    };
    draw(idp, &who, now).await?;
    if !sector::vouches(idp, &asked).await {
        return Err(Refused::Metadata(vec![SECTOR]));
    }

    let token = RegistrationToken::new(random_text(rng));
    let row = Row {
        token: Digest::of(token.expose()),
        registration: asked.clone(),
        issued_at: now,
        revised_at: now,
        until: now.plus(UNUSED),
    };
    idp.objects.register(&id, row).await?;
    let secret = has_secret(&asked).then_some(&secret);
    let said = information(idp, &id, &asked, now, secret, Some(token.expose()));
    let admin = match registrar {
        Registrar::Bearer(_) => None,
        Registrar::Admin(account) => Some(account),
    };
    Ok(note(
        respond::json(StatusCode::CREATED, &said),
        changed(&id, ClientChange::Registered, admin),
    ))
}

const SECTOR: (&str, &str) =
    ("sector_identifier_uri", "that of a JSON array with every redirect URI in it");

/// Answers `/register/{client_id}`.
pub async fn manage<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Response {
    keep(idp, request, now, rng).await.unwrap_or_else(Refused::respond)
}

async fn keep<P: Platform>(
    idp: &Idp<'_, P>,
    request: &Request,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Response, Refused> {
    let id = request.uri().path().strip_prefix(Endpoint::Registration.path());
    let id = id.and_then(Id::parse);
    let (keeper, row) = keeper(idp, id.as_ref(), request.headers(), now).await?;
    let (id, row) = id.zip(row).ok_or(Refused::NoClient)?;
    let admin = match keeper {
        Keeper::Itself(_) => None,
        Keeper::Admin(account) => Some(account),
    };
    // RFC 7592 §3: the token comes back with every answer. We keep its digest alone, so whoever
    // has it is told it, and an administrator is not.
    let token = match keeper {
        Keeper::Itself(token) => Some(token),
        Keeper::Admin(_) => None,
    };
    if request.method() == Method::DELETE {
        idp.objects.unregister(&id, now).await?;
        let gone = respond::empty(StatusCode::NO_CONTENT);
        return Ok(note(gone, changed(&id, ClientChange::Removed, admin)));
    }
    if request.method() != Method::PUT {
        let said = information(idp, &id, &row.registration, row.issued_at, None, token);
        return Ok(respond::json(StatusCode::OK, &said));
    }

    let mut members = reading::object(request).map_err(Refused::Body)?;
    let known = known_secret(&row.registration);
    same(&mut members, &id, known.as_ref())?;
    let secret = ClientSecret::new(random_text(rng));
    let digest = known.unwrap_or_else(|| Digest::of(secret.expose()));
    let asked = read(idp, &members, &id, Some(&digest))?;
    of_the_same_names(idp, &row.registration, &asked)?;
    draw(idp, id.as_str(), now).await?;
    if !sector::vouches(idp, &asked).await {
        return Err(Refused::Metadata(vec![SECTOR]));
    }
    if !idp.objects.revise(&id, asked.clone(), now).await? {
        return Err(Refused::Stranger(Stranger::Invalid));
    }
    let secret = (has_secret(&asked) && known.is_none()).then_some(&secret);
    let said = information(idp, &id, &asked, row.issued_at, secret, token);
    Ok(note(respond::json(StatusCode::OK, &said), changed(&id, ClientChange::Revised, admin)))
}

fn changed(id: &Id, what: ClientChange, admin: Option<uuid::Uuid>) -> Event {
    Event::ClientChanged { client: id.as_str().to_owned(), what, admin }
}

/// RFC 7592 §2.2: a client that registers anew says which it is, and nothing of what we said.
fn same(members: &mut Map<String, Value>, id: &Id, known: Option<&Digest>) -> Result<(), Refused> {
    const OURS: [&str; 4] = [
        "registration_access_token",
        "registration_client_uri",
        "client_secret_expires_at",
        "client_id_issued_at",
    ];
    let mut mistakes = Mistakes::new();
    let said = members.remove("client_id");
    if said.as_ref().and_then(Value::as_str) != Some(id.as_str()) {
        mistakes.push(("client_id", "the one that the client has"));
    }
    if let Some(said) = members.remove("client_secret").filter(|said| !said.is_null()) {
        let said = said.as_str().map(Digest::of);
        if said.is_none() || said.as_ref() != known {
            mistakes.push(("client_secret", "the one that the client has, or absent"));
        }
    }
    for member in OURS {
        if members.contains_key(member) {
            mistakes.push((member, "absent, for it is not the client's to say"));
        }
    }
    if mistakes.is_empty() { Ok(()) } else { Err(Refused::Metadata(mistakes)) }
}

/// OpenID Connect Core §8.1: people stay who they are to a client. A grant of theirs would otherwise
/// tell it what they are called in a sector that it only has to name.
fn of_the_same_names<P: Platform>(
    idp: &Idp<'_, P>,
    before: &Registration,
    asked: &Registration,
) -> Result<(), Refused> {
    let subject = |registration: &Registration| {
        let client = registration.clone().check(idp.config.house()).ok()?;
        Some(client.subject)
    };
    let known = subject(before);
    if known.is_none() || known == subject(asked) {
        return Ok(());
    }
    Err(Refused::Metadata(vec![if before.subject_type == asked.subject_type {
        ("sector_identifier_uri", "of the host that people have been called by, for good")
    } else {
        ("subject_type", "the one that the client has, for good")
    }]))
}

/// Reads what a client says about itself, and makes sure that it is a client.
fn read<P: Platform>(
    idp: &Idp<'_, P>,
    members: &Map<String, Value>,
    id: &Id,
    secret: Option<&Digest>,
) -> Result<Registration, Refused> {
    if members.get("software_statement").is_some_and(|statement| !statement.is_null()) {
        return Err(Refused::SoftwareStatement);
    }
    let mut mistakes = Mistakes::new();
    let mut asked = reading::registration(members, idp.config, &mut mistakes);
    id.as_str().clone_into(&mut asked.client_id);
    if let Some(digest) = secret.filter(|_| has_secret(&asked)) {
        asked.client_secret_sha256 = OneOrMore::One(*digest);
    }
    mistakes.extend(asked.clone().check(idp.config.house()).err().into_iter().flatten());
    if mistakes.is_empty() { Ok(asked) } else { Err(Refused::Metadata(mistakes)) }
}

fn has_secret(registration: &Registration) -> bool {
    matches!(
        registration.token_endpoint_auth_method,
        Some(AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost)
    )
}

fn known_secret(registration: &Registration) -> Option<Digest> {
    match &registration.client_secret_sha256 {
        OneOrMore::One(digest) => Some(*digest),
        OneOrMore::More(digests) => digests.first().copied(),
    }
}

/// Counts a registration before anything is fetched or stored for it (RG-11).
async fn draw<P: Platform>(idp: &Idp<'_, P>, who: &str, now: UnixTime) -> Result<(), Refused> {
    match idp.objects.draw(ledger::Entry::registrar(who), now).await? {
        Attempt::Allowed => Ok(()),
        Attempt::Wait { seconds } => Err(Refused::TooOften { seconds }),
    }
}

/// The client information response, RFC 7591 §3.2.1. Secrets are in it when they are new.
fn information<P: Platform>(
    idp: &Idp<'_, P>,
    id: &Id,
    registration: &Registration,
    issued_at: UnixTime,
    secret: Option<&ClientSecret>,
    token: Option<&str>,
) -> Map<String, Value> {
    let mut said = match serde_json::to_value(registration) {
        Ok(Value::Object(said)) => said,
        _ => Map::new(),
    };
    said.remove("client_secret_sha256");
    let path = format!("{}{}", Endpoint::Registration.path(), id.as_str());
    said.insert("registration_client_uri".to_owned(), json!(idp.config.issuer.at(&path)));
    said.insert("client_id_issued_at".to_owned(), json!(issued_at));
    if let Some(secret) = secret {
        said.insert("client_secret".to_owned(), json!(secret.expose()));
        said.insert("client_secret_expires_at".to_owned(), json!(0));
    }
    if let Some(token) = token {
        said.insert("registration_access_token".to_owned(), json!(token));
    }
    said
}
