"""requests-oauthlib, unmodified, against our issuer."""

import os
import time
from urllib.parse import quote_plus

# The issuer of the tests speaks http; oauthlib wants to be told that this is meant. Nothing else is asked of it: that
# the granted scope is the requested one stays checked.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
os.environ.pop("OAUTHLIB_RELAX_TOKEN_SCOPE", None)

import requests
from oauthlib import oauth2
from oauthlib.oauth2.rfc6749.errors import LoginRequired
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session, TokenUpdated

from checks import end, given, it, refused
from visitor import Visitor

issuer, redirect_uri, secrets = given["issuer"], given["redirect_uri"], given["secrets"]
scope = ["openid", "profile", "email", "offline_access"]
metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=20).json()
token_url = metadata["token_endpoint"]
somebody = Visitor()

# How each client says who it is, to `fetch_token` and to `refresh_token`. requests joins id and secret as they are;
# RFC 6749 §2.3.1 has them form-encoded first, so what encoding would change is encoded by the caller.
encoded = HTTPBasicAuth("encoded", quote_plus(secrets["encoded"]))
credentials = {
    "basic": ({"client_secret": secrets["basic"]}, {"auth": HTTPBasicAuth("basic", secrets["basic"])}),
    "encoded": ({"auth": encoded}, {"auth": encoded}),
    "post": (
        {"include_client_id": True, "client_secret": secrets["post"]},
        {"client_id": "post", "client_secret": secrets["post"]},
    ),
    "public": ({"include_client_id": True}, {"client_id": "public"}),
    "narrow": ({"client_secret": secrets["narrow"]}, {"auth": HTTPBasicAuth("narrow", secrets["narrow"])}),
}


def ask(client_id, visitor=somebody, scope=scope, pkce="S256", **more):
    """A session, and the URL at which the response to its authorization request came back."""
    session = OAuth2Session(client_id, redirect_uri=redirect_uri, scope=scope, pkce=pkce)
    url, _ = session.authorization_url(metadata["authorization_endpoint"], **more)
    return session, visitor.go(url)


def redeem(session, back, **credential):
    return session.fetch_token(token_url, authorization_response=back, timeout=20, **(credential or credentials[session.client_id][0]))


def enter(client_id, visitor=somebody):
    session, back = ask(client_id, visitor)
    redeem(session, back)
    return session


def refresh(session, refresh_token=None):
    return session.refresh_token(token_url, refresh_token, timeout=20, **credentials[session.client_id][1])


def userinfo(session, **more):
    answer = session.get(metadata["userinfo_endpoint"], timeout=20, **more)
    answer.raise_for_status()
    return answer.json()


def stale(token):
    """The token as an application finds it in its store an hour later."""
    return {**token, "expires_at": time.time() - 3600}


for client_id in ("basic", "encoded", "post", "public"):
    with it(f'the client "{client_id}" signs in with code and PKCE, is granted the scope it asked for, and a refresh rotates'):
        visitor = Visitor()
        session = enter(client_id, visitor)
        token = session.token
        assert visitor.pages == 1
        assert set(token.scope.split()) == set(scope) and not token.scope_changed, token.scope
        assert token["token_type"] == "Bearer" and token["expires_in"] > 0 and token["id_token"], list(token)
        about = userinfo(session)
        assert about == {"sub": about["sub"], **given["claims"]}, about

        renewed = refresh(session)
        assert renewed["refresh_token"] != token["refresh_token"]
        assert renewed["access_token"] != token["access_token"]
        assert userinfo(session) == about

with it("RFC 6749 §3.3: a grant of less than was asked for says so, and oauthlib notices"):
    session, back = ask("narrow", scope=["openid", "email", "profile"])
    try:
        redeem(session, back)
    except Warning as warning:
        assert set(warning.new_scope) == {"openid", "email"}, warning
    else:
        raise AssertionError("oauthlib noticed nothing")

for client_id, refresh_kwargs, request_kwargs in (
    ("basic", {}, {"client_id": "basic", "client_secret": secrets["basic"]}),
    ("post", {"client_id": "post", "client_secret": secrets["post"]}, {}),
    ("public", {"client_id": "public"}, {}),
):
    with it(f'requests of the client "{client_id}" with an expired token make exactly one refresh, and store the new token'):
        stored, refreshes = [stale(enter(client_id).token)], []
        used = stored[0]["refresh_token"]
        session = OAuth2Session(
            client_id, token=stored[0], scope=scope,
            auto_refresh_url=token_url, auto_refresh_kwargs=refresh_kwargs, token_updater=stored.append,
        )

        def counted(*request):
            refreshes.append(request)
            return request

        session.register_compliance_hook("refresh_token_request", counted)
        for _ in range(5):
            assert userinfo(session, **request_kwargs)["email"] == given["claims"]["email"]
        assert len(refreshes) == 1 and len(stored) == 2, (len(refreshes), len(stored))
        assert stored[1] == session.token and stored[1]["refresh_token"] != used

        # What was stored serves the next process, which refreshes again when that has expired.
        following = OAuth2Session(client_id, token=stored[1])
        assert userinfo(following)["email"] == given["claims"]["email"]
        following = OAuth2Session(client_id, token=stale(stored[1]), auto_refresh_url=token_url, auto_refresh_kwargs=refresh_kwargs)
        with refused(TokenUpdated):
            userinfo(following, **request_kwargs)

with it("two processes that refresh the same stored token at once both go on"):
    token = enter("basic").token
    one, other = (OAuth2Session("basic", token=token, scope=scope) for _ in range(2))
    assert refresh(one)["refresh_token"] == refresh(other)["refresh_token"] != token["refresh_token"]
    assert userinfo(one) == userinfo(other)
    refresh(other)

with it("RFC 6749 §5.2: what is wrong with a token request arrives as oauthlib's own exceptions"):
    with refused(oauth2.InvalidGrantError, error="invalid_grant"):
        refresh(OAuth2Session("basic"), "unknown")
    with refused(oauth2.InvalidScopeError, error="invalid_scope"):
        refresh(OAuth2Session("basic", scope=[*scope, "address"]), enter("basic").token["refresh_token"])
    with refused(oauth2.UnsupportedGrantTypeError, error="unsupported_grant_type"):
        session = OAuth2Session(client=oauth2.BackendApplicationClient("basic"))
        session.fetch_token(token_url, client_secret=secrets["basic"])
    with refused(oauth2.UnsupportedGrantTypeError, error="unsupported_grant_type"):
        session = OAuth2Session(client=oauth2.LegacyApplicationClient("basic"))
        session.fetch_token(token_url, username=given["username"], password=given["password"], client_secret=secrets["basic"])

with it("a wrong secret is InvalidClientError and uses up no code; a code without its verifier or with another is refused as well"):
    session, back = ask("basic")
    with refused(oauth2.InvalidClientError, error="invalid_client"):
        redeem(session, back, client_secret="wrong")
    with refused(oauth2.InvalidClientError, error="invalid_client"):
        redeem(session, back, include_client_id=True, client_secret=secrets["basic"])
    stranger = OAuth2Session("basic", redirect_uri=redirect_uri, pkce="S256", scope=scope, state=session._state)
    stranger.authorization_url(metadata["authorization_endpoint"])
    with refused(oauth2.InvalidGrantError, error="invalid_grant"):
        redeem(stranger, back)
    with refused(oauth2.InvalidGrantError, error="invalid_grant"):
        redeem(OAuth2Session("basic", redirect_uri=redirect_uri, scope=scope, state=session._state), back)
    redeem(session, back)

with it("a code works once, and what it gave is over when it comes a second time"):
    session, back = ask("public")
    refresh_token = redeem(session, back)["refresh_token"]
    with refused(oauth2.InvalidGrantError):
        redeem(session, back)
    with refused(oauth2.InvalidGrantError):
        refresh(session, refresh_token)

with it("errors of the authorization endpoint come back with the state, as oauthlib's own exceptions"):
    for kind, error, more in (
        (LoginRequired, "login_required", {"visitor": Visitor(), "prompt": "none"}),
        (oauth2.InvalidScopeError, "invalid_scope", {"scope": ["unheard-of"]}),
        # oauthlib has a dozen kinds of this one, and takes the first.
        (oauth2.OAuth2Error, "invalid_request", {"pkce": "plain"}),
        (oauth2.OAuth2Error, "invalid_request", {"pkce": None}),
    ):
        session, back = ask("basic", **more)
        with refused(kind, error=error):
            redeem(session, back)
    session, back = ask("basic")
    with refused(oauth2.MismatchingStateError):
        session._state = "another"
        redeem(session, back)

with it("RFC 7009: a revoked refresh token is dead, and so is the access token at userinfo"):
    for client_id in ("basic", "post", "public"):
        session = enter(client_id)
        refresh_token = session.token["refresh_token"]
        _, credential = credentials[client_id]
        url, headers, body = oauth2.WebApplicationClient(client_id).prepare_token_revocation_request(
            metadata["revocation_endpoint"], refresh_token, "refresh_token",
            **{name: value for name, value in credential.items() if name != "auth"},
        )
        answer = session.post(url, data=body, headers=headers, auth=credential.get("auth"), withhold_token=True, timeout=20)
        assert answer.status_code == 200, answer.text
        with refused(oauth2.InvalidGrantError):
            refresh(session, refresh_token)
        with refused(requests.HTTPError, words="401"):
            userinfo(session)

end()
