"""What a browser keeps of a sign-in: signed cookies, which no other site has it send, and no token in them."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from itsdangerous import BadData, URLSafeTimedSerializer
from werkzeug.http import dump_cookie

from shared.rules.permissions import PERMISSIONS

# The prefix has a browser take it over TLS alone, from this host itself and for all of it: no neighbour can plant one (RFC
# 6265bis, 4.1.3.2).
SESSION = "__Host-console"
# Of one cell of several at a host, and sent to that cell alone: which a cookie for all of a host cannot be, so that this prefix
# asks for TLS alone (4.1.3.1).
SESSION_OF_CELL = "__Secure-console"
# Seconds. Between the two a session ends with the ID token that began it.
SHORTEST_SESSION, LONGEST_SESSION = 3600, 8 * 3600
LONGEST_ATTEMPT = 600


class Session(NamedTuple):
    """Who signed in. `scope`: what the provider's token permits; `expires`: seconds since 1970."""

    issuer: str
    subject: str
    scope: frozenset[str]
    expires: int


class Attempt(NamedTuple):
    """A sign-in that is under way, and where in the console it goes on to."""

    state: str
    nonce: str
    verifier: str
    goes_on_to: str


class Cookies:
    """Cookies of one console, at its address: another's, signed with the same key, are none here. `base` stands before its
    paths, and there alone a browser sends them."""

    def __init__(self, keys: Sequence[str], url: str, base: str = "") -> None:
        self._base = base
        self._sessions = _signed(keys, f"console session {url}{base}")
        self._attempts = _signed(keys, f"console sign-in {url}{base}")

    def of_session(self, session: Session) -> str:
        """The Set-Cookie that begins a session."""
        said = [session.issuer, session.subject, sorted(session.scope), session.expires]
        return _cookie(_session(self._base), self._sessions.dumps(said), LONGEST_SESSION, self._base)

    def session(self, cookies: Mapping[str, str]) -> Session | None:
        """The session in a request's cookies, also one that has expired; None without one that was signed here."""
        said = _read(self._sessions, cookies.get(_session(self._base), ""), LONGEST_SESSION)
        if said is None:
            return None
        issuer, subject, scope, expires = said
        return Session(issuer, subject, PERMISSIONS.intersection(scope), expires)

    def of_attempt(self, attempt: Attempt) -> str:
        """Each has a cookie of its own: two windows may sign in at once."""
        return _cookie(self._name(attempt.state), self._attempts.dumps(attempt), LONGEST_ATTEMPT, self._base)

    def attempt(self, cookies: Mapping[str, str], state: str) -> Attempt | None:
        """The sign-in with this state that was begun in this browser, ten minutes ago at most."""
        said = _read(self._attempts, cookies.get(self._name(state), ""), LONGEST_ATTEMPT)
        attempt = Attempt(*said) if said else None
        return attempt if attempt and attempt.state == state else None

    def end_of_attempt(self, attempt: Attempt) -> str:
        """The Set-Cookie after which a sign-in cannot be gone on with."""
        return _cookie(self._name(attempt.state), "", 0, self._base)

    def _name(self, state: str) -> str:
        return f"{_session(self._base)}-sign-in-{re.sub(r'[^A-Za-z0-9]', '', state)[:12]}"


def end_of_session(base: str) -> str:
    """The Set-Cookie after which a browser has no session."""
    return _cookie(_session(base), "", 0, base)


def _session(base: str) -> str:
    return SESSION_OF_CELL if base else SESSION


def _signed(keys: Sequence[str], purpose: str) -> URLSafeTimedSerializer:
    # It signs with the last.
    return URLSafeTimedSerializer(
        list(reversed(keys)),
        salt=purpose,
        signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
    )


def _read(signed: URLSafeTimedSerializer, text: str, seconds: int) -> Any:
    try:
        return signed.loads(text, max_age=seconds)
    except BadData:
        return None


def _cookie(name: str, value: str, seconds: int, base: str) -> str:
    return dump_cookie(name, value, seconds, path=base or "/", secure=True, httponly=True, samesite="Strict")
