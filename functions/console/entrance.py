"""Who may enter the console: whoever bears a token, as at the API, or signed in here."""

import time
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self

from functions.console.same_origin import is_from_our_own_page
from functions.console.sign_in_cookies import Cookies, Session
from shared.platform.access_values import Issuer, is_protected
from shared.platform.settings import SettingError, Settings, stop
from shared.web.access.caller import Caller
from shared.web.access.guard import Guard, caller_of
from shared.web.call import Call
from shared.web.cell_prefix import prefix_of
from shared.web.door import by_token
from shared.web.problems import Problem

if TYPE_CHECKING:
    from functions.console.sign_in_provider import Provider


class Client(NamedTuple):
    """What the console is to the company's provider; `base` stands before its paths."""

    issuer: Issuer
    id: str
    secret: str
    session_keys: tuple[str, ...]
    url: str
    scope: str
    base: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """None without CONSOLE_CLIENT_ID. Raises SettingError where something else is missing, or does not fit."""
        if not settings.console_client_id:
            return None
        if not settings.auth_issuers:
            raise SettingError("CONSOLE_CLIENT_ID needs AUTH_ISSUERS: without it the console is open to everybody")
        if not settings.console_session_key:
            raise SettingError("CONSOLE_CLIENT_ID needs CONSOLE_SESSION_KEY, with which sessions are signed")
        if not settings.console_url:
            raise SettingError("CONSOLE_CLIENT_ID needs CONSOLE_URL, the address at which people open the console")
        return cls(
            _issuer(settings),
            settings.console_client_id,
            settings.console_client_secret,
            settings.console_session_key,
            settings.console_url,
            settings.console_scope,
        )

    @property
    def returns_to(self) -> str:
        """Where the provider sends people back to; it is to be registered there, to the letter."""
        return f"{self.url}{self.base}/console/signed-in"


def _issuer(settings: Settings) -> Issuer:
    named = settings.console_issuer
    found = [issuer for issuer in settings.auth_issuers if named in ("", issuer.name)]
    if not found:
        raise SettingError("CONSOLE_ISSUER must be one of AUTH_ISSUERS")
    if len(found) > 1:
        raise SettingError("CONSOLE_ISSUER must say at which of AUTH_ISSUERS people sign in")
    (issuer,) = found
    if not is_protected(issuer.name):
        raise SettingError("CONSOLE_ISSUER must be an https:// URL (http:// only on this machine): it is asked itself")
    if settings.console_client_id == (issuer.audience or settings.auth_audience):
        # A token that says who signed in would be one that pays.
        raise SettingError("CONSOLE_CLIENT_ID must not be the audience of the API's tokens")
    return issuer


class SignIn:
    """How people sign in."""

    def __init__(self, client: Client, audience: str) -> None:
        self.client = client
        self.cookies = Cookies(client.session_keys, client.url, client.base)
        self._audience = audience

    @cached_property
    def provider(self) -> "Provider":
        """Made when somebody signs in: nothing else waits for what it imports."""
        from functions.console.sign_in_provider import Provider

        return Provider(self.client, self._audience)

    def session(self, call: Call) -> Session | None:
        """What the browser has of a sign-in that still holds."""
        session = self.cookies.session(call.cookies)
        if session is None or session.issuer != self.client.issuer.name or session.expires <= time.time():
            return None
        return session


class Entrance:
    """Knows who calls the console."""

    def __init__(self, settings: Settings, client: Client | None) -> None:
        self._settings = settings
        clients = [client._replace(base=base) for base in ("", prefix_of(settings.cell_name))] if client else []
        self.ways = {each.base: SignIn(each, settings.auth_audience) for each in clients}

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Ends the start of this process where the settings do not fit together."""
        try:
            return cls(settings, Client.of(settings))
        except SettingError as wrong:
            stop(str(wrong))

    def sign_in(self, call: Call) -> SignIn | None:
        """How whoever sends this signs in: at the front door of all cells, or at the console's own address, with cookies apart.
        None where nobody can: the console is open, or closed to people."""
        return self.ways.get(call.base)

    def known(self, guard: Guard, call: Call) -> Caller:
        """Whoever has the token that the call bears, or its session. Raises Problem."""
        if _bears_a_token(call):
            return by_token(guard, call)
        way = self.sign_in(call)
        session = way and way.session(call)
        if not session:
            raise Problem("unauthorized", "Sign in to see this.")
        # What AUTH_SUBJECTS gives is looked up anew: it can be taken away while a session lasts.
        return caller_of(self._settings, session.issuer, session.subject, session.scope)

    def comes_from_us(self, call: Call) -> bool:
        """Whether a page of our own sends what would change something, or a program that bears a token: no other page can
        have a browser send one."""
        return _bears_a_token(call) or is_from_our_own_page(call, self._settings.console_url)


def _bears_a_token(call: Call) -> bool:
    return bool(call.headers.get("Authorization", "").strip().lower().startswith("bearer "))
