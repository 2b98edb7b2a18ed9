"""Authlib, unmodified, against our issuer: as a client that finds everything by discovery, and as an API."""

import base64
import json
import os
import time
from types import SimpleNamespace
from urllib.parse import quote_plus

# The issuer of the tests speaks http; Authlib wants to be told that this is meant.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from authlib.integrations.base_client import BaseApp, FrameworkIntegration, OAuth2Mixin, OAuthError, OpenIDMixin
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import ResourceProtector
from authlib.oauth2.rfc6750 import InsufficientScopeError, InvalidTokenError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata

from checks import end, given, it, refused
from visitor import Visitor, parameters

try:
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
except ImportError:
    # The last Authlib for Python 3.9 has its own.
    from authlib.jose import JsonWebKey as KeySet
    from authlib.jose.errors import JoseError

issuer, redirect_uri = given["issuer"], given["redirect_uri"]
scope = "openid profile email offline_access"
methods = {
    "basic": "client_secret_basic", "rsa": "client_secret_basic", "encoded": "form_encoded_basic",
    "base64": "form_encoded_basic", "post": "client_secret_post", "public": "none", "signing": "private_key_jwt",
}


class App(OAuth2Mixin, OpenIDMixin, BaseApp):
    """What Authlib's own classes for Flask and Django are made of, without Flask and Django."""

    client_cls = OAuth2Session


class Stored(FrameworkIntegration):
    """Where a web application keeps the tokens that Authlib has refreshed."""

    def __init__(self):
        super().__init__("stored")
        self.updates = []

    def update_token(self, token, refresh_token=None, access_token=None):
        self.updates.append((refresh_token, dict(token)))


def form_encoded_basic(client, method, uri, headers, body):
    """Authlib sends id and secret as they are; RFC 6749 §2.3.1 has them form-encoded first."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return uri, headers, body


class Brief(PrivateKeyJWT):
    """Authlib signs for an hour unless it is told otherwise; our issuer believes five minutes."""

    def sign(self, auth, token_endpoint):
        self.claims = {"exp": int(time.time()) + 60}
        return super().sign(auth, token_endpoint)


def app_of(client_id, **more):
    method = methods[client_id]
    return App(Stored(), client_id, **{
        "client_id": client_id,
        "client_secret": given["secrets"][client_id],
        "server_metadata_url": f"{issuer}/.well-known/openid-configuration",
        "client_auth_methods": [("form_encoded_basic", form_encoded_basic), Brief(f"{issuer}/token")],
        "client_kwargs": {
            "scope": scope, "code_challenge_method": "S256", "default_timeout": 20,
            "token_endpoint_auth_method": method, "revocation_endpoint_auth_method": method,
        },
        **more,
    })


def session_of(app, token=None):
    """Authlib's plain client, for what its web applications don't do."""
    metadata = app.load_server_metadata()
    session = OAuth2Session(
        app.client_id, app.client_secret, token=token, token_endpoint=metadata["token_endpoint"],
        **{name: value for name, value in app.client_kwargs.items() if name != "scope"},
    )
    session.register_client_auth_method(("form_encoded_basic", form_encoded_basic))
    session.register_client_auth_method(Brief(f"{issuer}/token"))
    return session


somebody = Visitor()


def authorize(app, visitor=somebody):
    """What the authorization request said, and the URL at which its response came back."""
    asked = app.create_authorization_url(redirect_uri)
    sent = parameters(asked["url"])
    assert sent["code_challenge_method"] == "S256" and len(sent["code_challenge"]) == 43, sent
    return asked, visitor.go(asked["url"])


def redeem(app, asked, back, **other):
    return app.fetch_access_token(redirect_uri, authorization_response=back, **{
        "state": asked["state"], "code_verifier": asked["code_verifier"], **other,
    })


def enter(app, visitor=somebody):
    asked, back = authorize(app, visitor)
    token = redeem(app, asked, back)
    return token, app.parse_id_token(token, asked["nonce"]), asked["nonce"]


def expired(token):
    """The token as an application finds it in its store an hour later."""
    return {**token, "expires_at": int(time.time()) - 3600}


basic = app_of("basic")

with it("RFC 8414 and OpenID Connect Discovery: Authlib's validators find nothing wrong with the metadata"):
    metadata = {name: value for name, value in basic.load_server_metadata().items() if not name.startswith("_")}
    assert metadata["issuer"] == issuer, metadata
    OpenIDProviderMetadata(metadata).validate()
    AuthorizationServerMetadata(metadata).validate()

for client_id in methods:
    with it(f'the client "{client_id}" signs in with code and PKCE, gets an ID token that holds, and a refresh rotates'):
        app, visitor = app_of(client_id), Visitor()
        token, claims, _ = enter(app, visitor)
        assert visitor.pages == 1
        head = json.loads(base64.urlsafe_b64decode(token["id_token"].split(".")[0] + "=="))
        assert head["alg"] == ("RS256" if client_id == "rsa" else "ES256"), head
        assert claims["iss"] == issuer and claims["aud"] == client_id, claims
        assert claims["at_hash"] and claims["nonce"] and claims["auth_time"] <= claims["iat"] < claims["exp"], claims
        assert set(token["scope"].split()) == set(scope.split()), token["scope"]
        renewed = session_of(app, token).refresh_token()
        assert renewed["refresh_token"] != token["refresh_token"]
        assert renewed["access_token"] != token["access_token"]
        again = app.parse_id_token(renewed, None)
        assert (again["sub"], again["auth_time"]) == (claims["sub"], claims["auth_time"]), again

with it("an ID token is refused with another nonce, client, issuer, access token or signature, and when it has expired"):
    token, claims, nonce = enter(basic)

    class Tomorrow(CodeIDToken):
        def validate(self, now=None, leeway=0):
            super().validate(now=int(time.time()) + 86400, leeway=leeway)

    with refused(JoseError, words="nonce"):
        basic.parse_id_token(token, "another")
    with refused(JoseError):
        app_of("post").parse_id_token(token, nonce)
    with refused(JoseError, words="iss"):
        basic.parse_id_token(token, nonce, claims_options={"iss": {"values": ["https://elsewhere.test"]}})
    with refused(JoseError, words="at_hash"):
        basic.parse_id_token({**token, "access_token": token["id_token"]}, nonce)
    with refused(JoseError, error="bad_signature"):
        other, _, _ = enter(basic)
        signature = other["id_token"].rpartition(".")[2]
        basic.parse_id_token({**token, "id_token": token["id_token"].rpartition(".")[0] + "." + signature}, nonce)
    with refused(JoseError, error="expired_token"):
        basic.parse_id_token(token, nonce, claims_cls=Tomorrow)
    basic.parse_id_token(token, nonce)

with it("userinfo tells the same subject and every claim that the scope opens"):
    token, claims, _ = enter(basic)
    assert basic.userinfo(token=token) == {"sub": claims["sub"], **given["claims"]}


class OurApi(JWTBearerTokenValidator):
    def get_jwks(self):
        return KeySet.import_key_set(basic.fetch_jwk_set())


def believe(token, api=None, **needed):
    """What Authlib's resource protector of RFC 9068 makes of a request that carries a token."""
    protector = ResourceProtector()
    protector.register_token_validator(api or OurApi(issuer, given["audience"]))
    request = SimpleNamespace(headers={"Authorization": f"Bearer {token}"})
    return protector.validate_request(needed.pop("scopes", None), request, **needed)


with it("RFC 9068: an API believes the access token, and sees who it is, for which client, with which scope"):
    token, claims, _ = enter(basic)
    seen = believe(token["access_token"], scopes=["profile email"])
    assert seen.header["typ"] == "at+jwt", seen.header
    assert (seen["iss"], seen["sub"], seen["client_id"]) == (issuer, claims["sub"], "basic"), seen
    assert set(seen["scope"].split()) == set(scope.split()), seen

with it("RFC 9068: an API believes no ID token, no stranger's audience or issuer, no changed token, and no scope that is not there"):
    access_token = token["access_token"]
    with refused(InvalidTokenError):
        believe(token["id_token"])
    # Its type gives it away even where the client is the API.
    with refused(InvalidTokenError, words="typ"):
        believe(token["id_token"], OurApi(issuer, "basic"))
    with refused(InvalidTokenError, words="aud"):
        believe(access_token, OurApi(issuer, "https://elsewhere.test"))
    with refused(InvalidTokenError, words="iss"):
        believe(access_token, OurApi("https://elsewhere.test", given["audience"]))
    with refused(InsufficientScopeError):
        believe(access_token, scopes=["address"])
    head, body, signature = access_token.split(".")
    changed = json.dumps({**json.loads(base64.urlsafe_b64decode(body + "==")), "sub": "somebody else"})
    body = base64.urlsafe_b64encode(changed.encode()).decode().rstrip("=")
    # Authlib before 1.7 leaves its verifier's own exception as it is.
    with refused((InvalidTokenError, JoseError), words="bad_signature"):
        believe(f"{head}.{body}.{signature}")
    believe(access_token)

with it("a refresh token that was used a moment ago gets the same answer, and the newest goes on"):
    for client_id in ("basic", "public"):
        app = app_of(client_id)
        token, _, _ = enter(app)
        session = session_of(app)
        first = session.refresh_token(refresh_token=token["refresh_token"])
        again = session.refresh_token(refresh_token=token["refresh_token"])
        assert first["refresh_token"] == again["refresh_token"] != token["refresh_token"]
        session.refresh_token(refresh_token=again["refresh_token"])

with it("a request with an expired token makes Authlib refresh once, and hand over the new token to be stored"):
    app = app_of("basic")
    token, claims, _ = enter(app)
    assert app.userinfo(token=expired(token))["sub"] == claims["sub"]
    [(used, stored)] = app.framework.updates
    assert used == token["refresh_token"] != stored["refresh_token"]
    for _ in range(3):
        app.userinfo(token=stored)
    assert len(app.framework.updates) == 1

with it("RFC 6749 §5.2: what is wrong with a token request arrives as Authlib's OAuthError"):
    session = session_of(basic)
    with refused(OAuthError, error="invalid_grant"):
        session.refresh_token(refresh_token="unknown")
    with refused(OAuthError, error="invalid_grant"):
        session.fetch_token(grant_type="authorization_code", code="unknown", redirect_uri=redirect_uri, code_verifier="v" * 43)
    with refused(OAuthError, error="invalid_request"):
        session.fetch_token(grant_type="refresh_token")
    with refused(OAuthError, error="unsupported_grant_type"):
        session.fetch_token(username="alice", password="wonderland")
    with refused(OAuthError, error="unsupported_grant_type"):
        session.fetch_token(grant_type="client_credentials")

with it("a wrong secret is invalid_client, in the header and in the body, and so is another method than the registered one"):
    for client_id in ("basic", "post"):
        for wrong in ({"client_secret": "wrong"}, {"client_secret": None}):
            app = app_of(client_id, **wrong)
            with refused(OAuthError, error="invalid_client"):
                session_of(app).refresh_token(refresh_token="anything")
    for client_id, method in (("basic", "client_secret_post"), ("post", "client_secret_basic"), ("basic", "none")):
        app = app_of(client_id, client_secret="any", client_kwargs={"token_endpoint_auth_method": method})
        with refused(OAuthError, error="invalid_client"):
            session_of(app).refresh_token(refresh_token="anything")

with it("RFC 6749 §2.3.1: a secret with a + in it is another one as Authlib sends it in the header by itself, which is unencoded"):
    app = app_of("base64", client_kwargs={"token_endpoint_auth_method": "client_secret_basic"})
    with refused(OAuthError, error="invalid_client"):
        session_of(app).refresh_token(refresh_token="anything")
    with refused(OAuthError, error="invalid_grant"):
        session_of(app_of("base64")).refresh_token(refresh_token="anything")

with it("RFC 7636: a code is refused with another verifier or none, and is not used up by that"):
    for client_id in ("basic", "public"):
        app = app_of(client_id)
        asked, back = authorize(app)
        for verifier in ("another-" * 8, None):
            with refused(OAuthError, error="invalid_grant"):
                redeem(app, asked, back, code_verifier=verifier)
        redeem(app, asked, back)

with it("a code works once, and what it gave is over when it comes a second time"):
    asked, back = authorize(basic)
    token = redeem(basic, asked, back)
    with refused(OAuthError, error="invalid_grant"):
        redeem(basic, asked, back)
    with refused(OAuthError, error="invalid_grant"):
        session_of(basic).refresh_token(refresh_token=token["refresh_token"])

with it("RFC 7009: every kind of client revokes its refresh token, which is dead then, as is the access token at userinfo"):
    endpoint = basic.load_server_metadata()["revocation_endpoint"]
    for client_id in methods:
        app = app_of(client_id)
        token, _, _ = enter(app)
        session = session_of(app, token)
        answer = session.revoke_token(endpoint, token["refresh_token"], token_type_hint="refresh_token")
        assert answer.status_code == 200, answer.text
        with refused(OAuthError, error="invalid_grant"):
            session.refresh_token(refresh_token=token["refresh_token"])
        with refused(requests.HTTPError, words="401"):
            app.userinfo(token=token)
        assert session.revoke_token(endpoint, "nonsense").status_code == 200

end()
