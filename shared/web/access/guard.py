"""Who may enter: a caller is known by its token, and does what it is permitted to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from typing import TYPE_CHECKING

from shared.platform.access_values import Issuer
from shared.platform.log import log
from shared.platform.put_off import put_off
from shared.platform.settings import RETRY_AFTER, Settings
from shared.web.access.caller import Caller
from shared.web.access.key_sources import KeysUnavailable
from shared.web.problems import Problem
from shared.web.routes import EVENTS, permissions_of

if TYPE_CHECKING:
    from shared.web.access.tokens import Claims, Tokens

REALM = 'Bearer realm="payment-service"'
UNKNOWN = "Send Authorization: Bearer and a token."
# One for whatever is wrong with a token: what its caller can mend is all in it, and whoever guesses learns nothing. The front
# door says the same.
NOT_ACCEPTED = (
    "The token is not accepted. It must be signed by an issuer that this service trusts, be meant for this service (aud), and"
    " be valid now (exp, nbf)."
)


def unauthorized() -> Problem:
    """What whoever sends no token is told (RFC 6750, 3.1)."""
    return Problem("unauthorized", UNKNOWN, headers={"WWW-Authenticate": REALM})


def invalid_token() -> Problem:
    """What whoever sends a token that is not accepted is told."""
    challenge = f'{REALM}, error="invalid_token", error_description="{NOT_ACCEPTED}"'
    return Problem("invalid_token", NOT_ACCEPTED, headers={"WWW-Authenticate": challenge})


class Guard:
    """Stands at the door of one function. `tokens` makes what reads them, with the first that comes: PyJWT and cryptography
    take as long to import as all of a function's own code."""

    def __init__(self, tokens: Callable[[], Tokens], permissions: Callable[[Claims], Set[str]]) -> None:
        self._make = tokens
        self._tokens: Tokens | None = None
        self._permissions = permissions

    def prepare(self) -> None:
        """What every request will need. Ends the start of this process where keys that are to be in a file are not there."""
        self._tokens = self._make()
        self._tokens.load_files()

    def caller(self, authorization: str | None) -> Caller:
        """Whoever has the token in an Authorization header (RFC 6750, 2.1).

        Raises Problem unauthorized without one, invalid_token for one that is not accepted, and issuer_unavailable where that
        cannot be told now.
        """
        scheme, _, token = (authorization or "").strip().partition(" ")
        if scheme.lower() != "bearer":
            raise unauthorized()
        if self._tokens is None:
            self._tokens = self._make()
        from shared.web.access.tokens import TokenRejected

        try:
            claims = self._tokens.read(token.strip())
        except TokenRejected as rejected:
            log.info("token not accepted", extra={"why": str(rejected)})
            raise invalid_token() from None
        except KeysUnavailable:
            raise Problem(
                "issuer_unavailable", "Repeat the request later, with the same key.", retry_after=RETRY_AFTER
            ) from None
        return Caller(claims.issuer, claims.subject, self._permissions(claims))


def permit(caller: Caller, permission: str) -> None:
    """Raises Problem insufficient_scope where a caller may not do what wants this permission (RFC 6750, 3.1)."""
    if permission not in caller.permissions:
        challenge = f'{REALM}, error="insufficient_scope", scope="{permission}"'
        raise Problem(
            "insufficient_scope", f"This wants the permission {permission}.", headers={"WWW-Authenticate": challenge}
        )


def guard_of(function: str, settings: Settings) -> Guard | None:
    """Who stands at the door of a function; None where it is open to everybody."""
    wanted = permissions_of(function)
    guard = _guard_of_events(settings) if EVENTS in wanted else _guard_of_clients(settings)
    if guard and wanted:
        guard.prepare()
    return guard


def caller_of(settings: Settings, issuer: str, subject: str, scope: Set[str]) -> Caller:
    """A subject of an issuer, with what its `scope` and AUTH_SUBJECTS give it."""
    subjects = settings.auth_subjects
    # One with a blank would be taken for an issuer and another's subject.
    is_bare = len(settings.auth_issuers) == 1 and " " not in subject
    bare = subjects.get(subject, frozenset()) if is_bare else frozenset()
    return Caller(issuer, subject, scope | subjects.get(f"{issuer} {subject}", frozenset()) | bare)


def _guard_of_clients(settings: Settings) -> Guard | None:
    issuers = settings.auth_issuers

    def permissions(claims: Claims) -> Set[str]:
        return caller_of(settings, *claims).permissions

    return Guard(lambda: tokens_of(issuers, settings.auth_audience), permissions) if issuers else None


def _guard_of_events(settings: Settings) -> Guard | None:
    senders = settings.auth_events
    if senders is None:
        return None

    def permissions(claims: Claims) -> Set[str]:
        return {EVENTS} if claims.subject in senders.subjects else frozenset()

    return Guard(lambda: tokens_of([senders.issuer], settings.auth_audience), permissions)


def tokens_of(issuers: Iterable[Issuer], audience: str) -> Tokens:
    """Reads tokens of these issuers, for this audience where an issuer has none of its own."""
    # PyJWT imports it for keys that come as certificates, and it takes half of the time that PyJWT takes.
    put_off("cryptography.x509")
    from shared.web.access.tokens import Tokens

    return Tokens(issuers, audience)
