"""The company's OpenID Connect provider, as the console asks it: authorization code flow with PKCE (OpenID Connect Core 1.0,
3.1; RFC 7636). oauthlib has the protocol, and the tokens are read as the API reads its callers'."""

import base64
import os
import secrets
import time
from typing import Any, NoReturn
from urllib.parse import quote_plus, urlencode

# oauthlib itself knows no "this machine": which addresses may be plain HTTP is decided by is_protected.
os.environ.setdefault("OAUTHLIB_INSECURE_TRANSPORT", "1")

from oauthlib.oauth2 import OAuth2Error, WebApplicationClient

from functions.console.entrance import Client
from functions.console.sign_in_cookies import LONGEST_SESSION, SHORTEST_SESSION, Attempt, Session
from shared.platform import http_client
from shared.platform.access_values import is_protected
from shared.platform.settings import KEYS_TIMEOUT
from shared.web.access.guard import tokens_of
from shared.web.access.key_sources import KeysUnavailable, discover
from shared.web.access.tokens import Claims, TokenRejected

# Seconds for which a code is exchanged, at most, and for which is kept what a provider says of itself.
EXCHANGE_TIMEOUT = 5.0
FRESH = 300.0

DENIED = "The sign-in provider did not let you in, or you turned back there."
SPENT = "The sign-in provider does not know this sign-in any more: it was used already, or took too long."
SILENT = "The sign-in provider does not answer now."
UNUSABLE = "The sign-in provider's answer is not accepted here. Whoever runs this service finds the reason in its log."


class SignInFailed(Exception):
    """Nobody is signed in. `told` is for the person, `why` for the log; neither holds what is secret."""

    def __init__(self, status: int, told: str, why: str) -> None:
        super().__init__(why)
        self.status = status
        self.told = told
        self.why = why


class Provider:
    """One provider. Every call of it raises SignInFailed, in a bounded time, where there is no usable answer."""

    def __init__(self, client: Client, audience: str) -> None:
        self._client = client
        self._id_tokens = tokens_of([client.issuer._replace(audience=client.id)], client.id)
        self._api_tokens = tokens_of([client.issuer], audience)
        self._about: dict[str, Any] = {}
        self._asked_at = float("-inf")

    def question(self, goes_on_to: str) -> tuple[str, Attempt]:
        """Where a browser is sent to sign in, and what it is to bring back."""
        protocol = WebApplicationClient(self._client.id)
        verifier = protocol.create_code_verifier(64)
        attempt = Attempt(secrets.token_urlsafe(24), secrets.token_urlsafe(24), verifier, goes_on_to)
        address = protocol.prepare_request_uri(
            self._endpoint("authorization_endpoint"),
            redirect_uri=self._client.returns_to,
            scope=self._client.scope,
            state=attempt.state,
            nonce=attempt.nonce,
            code_challenge=protocol.create_code_challenge(verifier, "S256"),
            code_challenge_method="S256",
        )
        return str(address), attempt

    def session(self, query: list[tuple[str, str]], attempt: Attempt) -> Session:
        """The session of whoever comes back with this query, to the attempt that has its state."""
        tokens = self._exchanged(self._code(query, attempt), attempt)
        claims, expires = self._identity(tokens.get("id_token"), attempt.nonce)
        now = int(time.time())
        ends = min(max(int(expires), now + SHORTEST_SESSION), now + LONGEST_SESSION)
        return Session(claims.issuer, claims.subject, self._scope(tokens["access_token"], claims), ends)

    def end_of_session(self) -> str | None:
        """Where a person signs out at the provider too, if it has such a place (OpenID Connect RP-Initiated Logout 1.0)."""
        if "end_session_endpoint" not in self._said():
            return None
        address = self._endpoint("end_session_endpoint")
        return f"{address}{'&' if '?' in address else '?'}{urlencode({'client_id': self._client.id})}"

    def _code(self, query: list[tuple[str, str]], attempt: Attempt) -> str:
        # Another provider's answer is none (RFC 9207).
        if dict(query).get("iss", self._client.issuer.name) != self._client.issuer.name:
            _unusable("another issuer answered")
        protocol = WebApplicationClient(self._client.id)
        try:
            found = protocol.parse_request_uri_response(f"{self._client.returns_to}?{urlencode(query)}", attempt.state)
        except OAuth2Error as refused:
            if refused.error == "access_denied":
                raise SignInFailed(403, DENIED, "access_denied") from None
            _unusable(f"no code: {refused.error}")
        except ValueError:
            _unusable("no code: the query cannot be read")
        return str(found["code"])

    def _exchanged(self, code: str, attempt: Attempt) -> dict[str, Any]:
        client, headers = self._client, {"Accept": "application/json"}
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        proof: dict[str, str] = {}
        if client.secret and self._wants_secret_in_header():
            pair = f"{quote_plus(client.id)}:{quote_plus(client.secret)}"  # RFC 6749, 2.3.1
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        elif client.secret:
            proof["client_secret"] = client.secret
        protocol = WebApplicationClient(client.id)
        body = protocol.prepare_request_body(
            code=code,
            redirect_uri=client.returns_to,
            code_verifier=attempt.verifier,
            include_client_id="Authorization" not in headers,
            **proof,
        )
        address = self._endpoint("token_endpoint")
        try:
            reply = http_client.request(
                "POST", address, timeout=EXCHANGE_TIMEOUT, headers=headers, body=body.encode("ascii")
            )
        except http_client.NoResponse as failure:
            raise SignInFailed(503, SILENT, f"no tokens: {failure}") from None
        if reply.status >= 500:
            raise SignInFailed(503, SILENT, f"no tokens: it answered {reply.status}")
        try:
            return dict(protocol.parse_request_body_response(reply.body.decode()))
        except OAuth2Error as refused:
            if refused.error == "invalid_grant":
                raise SignInFailed(400, SPENT, "invalid_grant") from None
            _unusable(f"no tokens: it answered {reply.status}, {refused.error}")
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as failure:
            _unusable(f"no tokens: it answered {reply.status}, {type(failure).__name__}")

    def _identity(self, token: Any, nonce: str) -> tuple[Claims, float]:
        """Who signed in (OpenID Connect Core 1.0, 3.1.3.7), and until when the provider vouches for it."""
        if not isinstance(token, str):
            _unusable("there is no ID token")
        try:
            claims, said = self._id_tokens.read_once(token)
        except TokenRejected as rejected:
            _unusable(f"ID token: {rejected}")
        except KeysUnavailable as failure:
            raise SignInFailed(503, SILENT, f"no keys: {failure}") from None
        if said.get("nonce") != nonce:
            _unusable("ID token: its nonce is of another sign-in")
        several = isinstance(said["aud"], list) and len(said["aud"]) > 1
        if said.get("azp", None if several else self._client.id) != self._client.id:
            _unusable("ID token: it was made for another (azp)")
        return claims, float(said["exp"])

    def _scope(self, token: str, claims: Claims) -> frozenset[str]:
        """What the access token permits, where it is one that the API would take from this person."""
        try:
            said, _ = self._api_tokens.read_once(token)
        except TokenRejected:
            return frozenset()
        except KeysUnavailable as failure:
            raise SignInFailed(503, SILENT, f"no keys: {failure}") from None
        return said.scope if (said.issuer, said.subject) == (claims.issuer, claims.subject) else frozenset()

    def _wants_secret_in_header(self) -> bool:
        ways = self._said().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return not isinstance(ways, list) or "client_secret_basic" in ways or "client_secret_post" not in ways

    def _endpoint(self, name: str) -> str:
        address = self._said().get(name)
        if not isinstance(address, str) or not is_protected(address.partition("?")[0]):
            _unusable(f"it names no https:// URL as its {name}")
        return address

    def _said(self) -> dict[str, Any]:
        if time.monotonic() - self._asked_at > FRESH:
            try:
                self._about = discover(self._client.issuer.name, time.monotonic() + KEYS_TIMEOUT)
            except KeysUnavailable as failure:
                raise SignInFailed(503, SILENT, f"nothing is known of it: {failure}") from None
            self._asked_at = time.monotonic()
        return self._about


def _unusable(why: str) -> NoReturn:
    raise SignInFailed(502, UNUSABLE, why)
