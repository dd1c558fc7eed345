"""Tokens: JSON Web Tokens (RFC 7519) of issuers that the settings name, checked with PyJWT."""

import hashlib
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

import jwt

from shared.platform.access_values import Issuer
from shared.platform.settings import stop
from shared.rules.permissions import PERMISSIONS
from shared.web.access.key_sources import KeysUnavailable, source_of
from shared.web.access.keys import Key, Keys

# Seconds by which the clocks of an issuer and of this machine may differ.
LEEWAY = 30
# `iat` says nothing about when a token may be used.
CHECKED = {"require": ["exp", "iss", "aud", "sub"], "verify_iat": False}
LONGEST_SUBJECT = 255
# A caller sends the same token for an hour, and to check one takes a sixth of a charge. A few KB each.
MOST_REMEMBERED = 1000
# What PyJWT raises for a token, and what it lets through of what it reads them with.
WRONG = (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError)


class TokenRejected(Exception):
    """A token is not accepted; the message says why, for the log."""


class Claims(NamedTuple):
    """What an accepted token says. `scope`: those of its words that are permissions here."""

    issuer: str
    subject: str
    scope: frozenset[str]


class _Known(NamedTuple):
    issuer: Issuer
    keys: Keys


class _Basis(NamedTuple):
    """On what a token was accepted."""

    expires: float  # seconds since 1970
    known: _Known
    algorithm: str
    key: Key


class Tokens:
    """Tokens of these issuers. `audience`: whom they must be for, where the issuer itself does not say."""

    def __init__(self, issuers: Iterable[Issuer], audience: str) -> None:
        self._known = {
            issuer.name: _Known(
                issuer._replace(audience=issuer.audience or audience), Keys(issuer.name, source_of(issuer))
            )
            for issuer in issuers
        }
        self._accepted: dict[bytes, tuple[Claims, _Basis]] = {}

    def load_files(self) -> None:
        """Reads the keys that are in files; ends the start of this process where one has none. Asks nobody."""
        for issuer, keys in self._known.values():
            if issuer.has_a_file:
                try:
                    keys.load()
                except KeysUnavailable as failure:
                    stop(f"there are no keys of {issuer.name}: {failure}")

    def read(self, token: str) -> Claims:
        """What a token says whose signature, issuer, audience, `exp` and `nbf` are right.

        Where its keys are is for the settings to say, never for the token (its `jku`, `jwk` and `x5u`). Raises TokenRejected,
        and KeysUnavailable.
        """
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        accepted = self._accepted.get(digest)
        if accepted is None or not _still_holds(accepted[1]):
            said, basis = self._check(token)
            accepted = _claims(said), basis
            if len(self._accepted) >= MOST_REMEMBERED:
                self._accepted.clear()
            self._accepted[digest] = accepted
        return accepted[0]

    def read_once(self, token: str) -> tuple[Claims, dict[str, Any]]:
        """The same for a token that does not come again, and all that it says besides. Nothing of it is kept."""
        said, _ = self._check(token)
        return _claims(said), said

    def _check(self, token: str) -> tuple[dict[str, Any], _Basis]:
        try:
            unverified = jwt.decode_complete(token, options={"verify_signature": False})
        except WRONG as wrong:
            raise TokenRejected(f"it cannot be read: {type(wrong).__name__}") from None
        header, issuer = unverified["header"], unverified["payload"].get("iss")
        known = self._known.get(issuer) if isinstance(issuer, str) else None
        if known is None:
            raise TokenRejected("its issuer is not known")
        algorithm = str(header.get("alg"))
        keys = known.keys.of(header.get("kid"), algorithm)
        for key in keys:
            try:
                claims = _verified(token, key, algorithm, known.issuer)
                expires = float(claims["exp"])
            except jwt.InvalidSignatureError:
                continue
            except WRONG as wrong:
                raise TokenRejected(type(wrong).__name__) from None
            return claims, _Basis(expires, known, algorithm, key)
        raise TokenRejected("its signature is of none of the keys of its issuer" if keys else "its key is not known")


def _verified(token: str, key: Key, algorithm: str, issuer: Issuer) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        key.public,
        algorithms=[algorithm],
        issuer=issuer.name,
        audience=issuer.audience,
        leeway=LEEWAY,
        options=CHECKED,  # type: ignore[arg-type]
    )
    return claims


def _still_holds(basis: _Basis) -> bool:
    """Whether a token that was accepted is to be accepted still: it has not expired, and its key was not withdrawn."""
    if basis.expires + LEEWAY <= time.time():
        return False
    return basis.key in basis.known.keys.of(basis.key.name, basis.algorithm)


def _claims(claims: dict[str, Any]) -> Claims:
    subject, scope = claims["sub"], claims.get("scope", "")
    # It is stored, and stands in logs and headers.
    if not subject.isprintable() or not 0 < len(subject) <= LONGEST_SUBJECT:
        raise TokenRejected(f"its subject is not 1 to {LONGEST_SUBJECT} visible characters")
    # What else a scope names is for others, and is not kept: it may be as long as a header.
    permissions = PERMISSIONS.intersection(scope.split()) if isinstance(scope, str) else frozenset()
    return Claims(claims["iss"], subject, permissions)
