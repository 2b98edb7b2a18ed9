//! The modules of the basic plan. The form-post plan has the same ones, so each is a function of the
//! way an authorization response travels.

mod flow;
mod refused;
mod session;

pub(crate) use flow::*;
pub(crate) use refused::*;
pub(crate) use session::*;

use serde_json::{Map, Value};
use shared::fetch::Response;
use tests::believe;
use tests::client::{Ask, Client, SignedIn, Tokens, WAIVED, json, userinfo};
use tests::expect::{back, form_post, posted_back};
use tests::world::Issuer;

/// How the authorization response travels, which is all that the two plans differ in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// In the query of the redirect URI, as it does when nothing is said.
    Query,
    /// In a form that the browser posts to it.
    FormPost,
}

/// Makes a test of every module of the plan, in one mode.
macro_rules! plan {
    ($mode:expr) => {
        plan! { $mode;
            oidcc_server
            oidcc_response_type_missing
            oidcc_idtoken_signature
            oidcc_userinfo_get
            oidcc_userinfo_post_header
            oidcc_userinfo_post_body
            oidcc_ensure_request_without_nonce_succeeds_for_code_flow
            oidcc_scope_profile
            oidcc_scope_email
            oidcc_scope_address
            oidcc_scope_phone
            oidcc_scope_all
            oidcc_alternate_happy_flow
            oidcc_display_page
            oidcc_display_popup
            oidcc_prompt_login
            oidcc_prompt_none_not_logged_in
            oidcc_prompt_none_logged_in
            oidcc_max_age_1
            oidcc_max_age_10000
            oidcc_ensure_request_with_unknown_parameter_succeeds
            oidcc_id_token_hint
            oidcc_login_hint
            oidcc_ui_locales
            oidcc_claims_locales
            oidcc_ensure_request_with_acr_values_succeeds
            oidcc_codereuse
            oidcc_codereuse_30seconds
            oidcc_ensure_registered_redirect_uri
            oidcc_ensure_post_request_succeeds
            oidcc_server_client_secret_post
            oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported
            oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported
            oidcc_claims_essential
            oidcc_ensure_request_object_with_redirect_uri
            oidcc_refresh_token
            oidcc_ensure_request_with_valid_pkce_succeeds
        }
    };
    ($mode:expr; $($module:ident)+) => {
        $(
            #[test]
            fn $module() {
                crate::modules::$module($mode);
            }
        )+
    };
}
pub(crate) use plan;

impl Mode {
    /// A request of the kind that the plans send: without PKCE.
    fn plain(self) -> Ask {
        self.of(Ask::without_pkce(WAIVED))
    }

    /// A request of another client, which has to send a code challenge.
    fn by(self, client: Client) -> Ask {
        self.of(Ask::of(client))
    }

    fn of(self, ask: Ask) -> Ask {
        match self {
            Self::Query => ask,
            Self::FormPost => ask.set("response_mode", "form_post"),
        }
    }

    /// The client is told `error`, in this mode.
    fn refused(self, answer: &Response, issuer: &Issuer, ask: &Ask, error: &str) {
        match self {
            Self::Query => back(answer, issuer, ask, error),
            Self::FormPost => posted_back(answer, issuer, ask, error),
        }
    }

    /// The claims that the code in `answer` leads to.
    fn claims_of(self, issuer: &Issuer, ask: &Ask, answer: &Response) -> Map<String, Value> {
        if self == Self::FormPost {
            form_post(answer);
        }
        let reply = ask.reply(answer);
        assert_eq!(reply.target, ask.client.redirect_uri);
        assert_eq!(reply.get("state"), ask.get("state"));
        assert_eq!(reply.get("iss"), Some(issuer.url()), "RFC 9207 §2");
        let tokens = Tokens::of(&ask.client.redeem(&reply.code(), ask).send(issuer));
        believe::id_token(issuer, ask, &tokens)
    }
}

/// What a whole flow ended with.
struct Flow {
    tokens: Tokens,
    /// Of the ID token.
    claims: Map<String, Value>,
    /// By userinfo.
    told: Map<String, Value>,
}

/// The whole way from `ask` to claims: authorization, tokens, userinfo.
fn flow(issuer: &Issuer, ask: Ask) -> Flow {
    let signed_in = SignedIn::new(issuer, ask);
    assert_eq!(signed_in.reply.target, signed_in.ask.client.redirect_uri);
    assert_eq!(signed_in.reply.get("state"), signed_in.ask.get("state"));
    assert_eq!(signed_in.reply.get("iss"), Some(issuer.url()), "RFC 9207 §2");
    let tokens = Tokens::of(&signed_in.redeem().send(issuer));
    let claims = believe::id_token(issuer, &signed_in.ask, &tokens);
    let told = json(&userinfo(&tokens.access).send(issuer));
    assert_eq!(told["sub"], claims["sub"], "OpenID Connect Core §5.3.2");
    Flow { tokens, claims, told }
}

/// Lets time pass, on whichever clock the issuer goes by.
fn wait(issuer: &Issuer, seconds: u64) {
    if issuer.is_inside() {
        issuer.inside().pass(seconds);
    } else {
        std::thread::sleep(std::time::Duration::from_secs(seconds));
    }
}
