//! Back-channel logout, OpenID Connect Back-Channel Logout 1.0: what the alarm of an account does.
//! It runs when the person has been answered; nobody waits for it.

use crate::Idp;
use crate::account::{Account, Reported};
use crate::client::{BackChannel, Client, Standing};
use crate::event::Event;
use crate::farewell::Reply;
use crate::outbound::may_be_fetched;
use crate::platform::Platform;
use crate::rows::{Rows, Unavailable};
use crate::subject::Names;
use crate::tokens::sign;
use futures_util::stream::{StreamExt, iter};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, StatusCode};
use rand_core::CryptoRng;
use serde::Serialize;
use shared::fetch::{Fetch, Patience, Request};
use shared::form::encode;
use shared::secret::random_uuid;
use shared::time::UnixTime;
use url::Url;
use uuid::Uuid;

/// The `typ` of a logout token, §2.4.
const LOGOUT_TOKEN: &str = "logout+jwt";
/// How long one is good, in seconds; §2.4 recommends two minutes at the most.
const LIFE: u64 = 120;
/// How long a client may take to answer, in seconds (LO-08).
const PATIENCE: u64 = 5;
/// How many clients are told at the same time: a Worker has no more connections than that.
const AT_ONCE: usize = 6;

/// What a logout token says, §2.4. Never a nonce: nobody shall take it for an ID token.
#[derive(Debug, Serialize)]
struct LogoutClaims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: UnixTime,
    exp: UnixTime,
    jti: Uuid,
    events: Events,
    sid: String,
}

/// That it is about a logout.
#[derive(Debug, Default, Serialize)]
struct Events {
    #[serde(rename = "http://schemas.openid.net/event/backchannel-logout")]
    logout: Nothing,
}

/// An object without members.
#[derive(Debug, Default, Serialize)]
struct Nothing {}

/// One thing to say to one client.
#[derive(Debug)]
struct Notice {
    account: Uuid,
    session: Uuid,
    client: String,
    jti: Uuid,
}

/// Says what is due, to everybody at the same time, and takes down what came of it. When it breaks
/// off, all of it is said again, under another `jti`.
///
/// # Errors
/// [`Unavailable`]: the alarm has to ring again.
pub async fn ring<P: Platform>(
    idp: &Idp<'_, P>,
    rows: &impl Rows,
    now: UnixTime,
    rng: &mut impl CryptoRng,
) -> Result<Vec<Event>, Unavailable> {
    // Nobody sent an alarm, so nobody says which account it is; what is left to say knows its own.
    let account = Account { rows, config: idp.config, id: Uuid::nil() };
    let mut notices = Vec::new();
    for (session, farewell) in account.due(now)? {
        for client in farewell.clients {
            let jti = random_uuid(rng);
            notices.push(Notice { account: farewell.account, session, client, jti });
        }
    }
    let told = iter(notices).map(|notice| notice.run(idp, now)).buffer_unordered(AT_ONCE);
    account.told(&told.collect::<Vec<_>>().await, now)
}

impl Notice {
    async fn run<P: Platform>(self, idp: &Idp<'_, P>, now: UnixTime) -> Reported {
        let reply = self.tell(idp, now).await;
        Reported { session: self.session, client: self.client, reply }
    }

    async fn tell<P: Platform>(&self, idp: &Idp<'_, P>, now: UnixTime) -> Reply {
        let Ok(client) = idp.client(&self.client).await else {
            return Reply::Lost("its registration could not be read");
        };
        // Nothing is said in the name of a client that is gone.
        let Some(client) = client else { return Reply::Gone };
        let Some(BackChannel { uri }) = &client.back_channel else { return Reply::Gone };
        // RG-04: asked each time, for what was registered in development may be served elsewhere now.
        let development = idp.config.issuer.is_development();
        let may_be = |url: &Url| may_be_fetched(url, development);
        if client.standing == Standing::Registered && !Url::parse(uri).is_ok_and(|url| may_be(&url))
        {
            return Reply::Forbidden;
        }
        let Ok(token) = self.token(&client, idp, now).await else {
            return Reply::Lost("no key signed");
        };
        let Some(request) = post(uri, &token) else { return Reply::Gone };
        match idp.fetch.fetch(request).await.map(|answer| answer.status()) {
            // §2.8; redirects are not followed (LO-08).
            Ok(status) if status.is_success() => Reply::Heard,
            Ok(StatusCode::BAD_REQUEST) => Reply::Refused,
            Ok(_) => Reply::Lost("it answered with an error"),
            Err(_) => Reply::Lost("it did not answer"),
        }
    }

    /// Signed as the client's ID tokens are, §2.4.
    async fn token<P: Platform>(
        &self,
        client: &Client,
        idp: &Idp<'_, P>,
        now: UnixTime,
    ) -> Result<String, Unavailable> {
        let signer = idp.signer(client.id_token_alg, now).await?;
        // The names that its ID tokens have for them.
        let names = Names::of(client, idp.config);
        let claims = LogoutClaims {
            iss: idp.config.issuer.as_str(),
            sub: names.name(self.account),
            aud: &client.id,
            iat: now,
            exp: now.plus(LIFE),
            jti: self.jti,
            events: Events::default(),
            sid: names.session(self.session),
        };
        sign(LOGOUT_TOKEN, &claims, &signer).await
    }
}

/// §2.5.
fn post(uri: &str, token: &str) -> Option<Request> {
    let mut request = Request::default();
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.parse().ok()?;
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(CONTENT_TYPE, kind);
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
    request.extensions_mut().insert(Patience(PATIENCE));
    *request.body_mut() = encode([("logout_token", token)]).into_bytes();
    Some(request)
}
