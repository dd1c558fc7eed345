"""What the front door asks of callers, from the settings that the functions have: `python -m local.front_door_access FOLDER`.

It writes what listener.yaml (knative/base/front-door) takes from that folder: the keys of the issuers, for Envoy's jwt_authn,
and what is answered without a good token. With `--keep` it goes on, and writes the keys anew whenever they are others.
"""

import json
import re
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from shared.platform.access_values import Issuer
from shared.platform.log import function_name, log, set_cell, set_level
from shared.platform.settings import Settings, read_settings
from shared.web.problems import Problem
from shared.web.routes import CLIENT_FUNCTIONS, LIVENESS, ROUTES

# Seconds. So long a key that is new is not known at the front door, and a token that is signed with it not accepted.
INTERVAL = 30.0
# Written in this order; Envoy wants both.
TOKENS, ANSWERS = "tokens.json", "answers.json"
LUA = Path(__file__).with_suffix(".lua")
API = "type.googleapis.com/envoy"
# The console sends people to sign in, and decides itself who may enter.
OF_PEOPLE = ("^/console$", "^/console/")
# How a request names the scheme, in any case that a client uses (RFC 9110, 11.1); Envoy compares to the letter.
SCHEMES = ("Bearer ", "bearer ", "BEARER ")


class Access:
    """The files in one folder. `keys` has the last that each issuer gave."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._issuers = settings.auth_issuers
        self._audience = settings.auth_audience
        self._keys: dict[str, list[Any]] = {}
        self._written: dict[str, str] = {}

    def write(self) -> None:
        """Writes what has changed since it was written last. An issuer that gives no keys within KEYS_TIMEOUT seconds keeps
        those it gave before; the log says so."""
        self._folder.mkdir(exist_ok=True)
        self._ask()
        self._replace(TOKENS, discovered("tokens", "jwt_authn.v3.JwtAuthentication", self._jwt_authn()))
        program = _answers() if self._issuers else "-- Everybody may enter."
        self._replace(ANSWERS, discovered("access", "lua.v3.Lua", {"default_source_code": {"inline_string": program}}))

    def keep(self, stopped: threading.Event) -> None:
        """Writes now, and again in time, until it is told to stop."""
        self.write()
        while not stopped.wait(INTERVAL if self._issuers else None):
            self.write()

    def _ask(self) -> None:
        for issuer in self._issuers:
            from shared.web.access.key_sources import KeysUnavailable

            try:
                self._keys[issuer.name] = _usable_keys(issuer)
            except KeysUnavailable as failure:
                log.warning("an issuer gives no keys", extra={"issuer": issuer.name, "why": str(failure)})

    def _replace(self, name: str, text: str) -> None:
        if self._written.get(name) == text:
            return
        replace(self._folder / name, text)
        self._written[name] = text

    def _jwt_authn(self) -> dict[str, Any]:
        """Nobody is refused by this filter: it notes what it found, and ANSWERS decides."""
        if not self._issuers:
            return {}
        providers = {str(number): self._provider(number, issuer) for number, issuer in enumerate(self._issuers)}
        any_of = [*({"provider_name": name} for name in providers), {"allow_missing_or_failed": {}}]
        return {
            "providers": providers,
            "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": any_of}}}],
        }

    def _provider(self, number: int, issuer: Issuer) -> dict[str, Any]:
        from shared.web.access.tokens import LEEWAY

        keys = self._keys.get(issuer.name)
        return {
            "issuer": issuer.name,
            "audiences": [issuer.audience or self._audience],
            "require_expiration": True,
            "clock_skew_seconds": LEEWAY,
            "from_headers": [{"name": "Authorization", "value_prefix": scheme} for scheme in SCHEMES],
            "forward": True,
            # By whole token, and gone whenever the keys are written anew.
            "jwt_cache_config": {"jwt_cache_size": 1000},
            "header_in_metadata": "accepted",
            "failed_status_in_metadata": f"refused_{number}",
            **({"local_jwks": {"inline_string": json.dumps({"keys": keys})}} if keys else _NO_KEYS),
        }


# No front door has this cluster. What asks it fails at once, and ANSWERS lets it pass; a set without keys Envoy does not take.
_NO_KEYS = {
    "remote_jwks": {
        "http_uri": {"uri": "http://keys.invalid/", "cluster": "keys_of_an_issuer_are_unknown", "timeout": "1s"}
    }
}
_GAP = "~"
# What a key is, and all of it that Envoy is given: it takes no set at all where it cannot read a further member of one.
_OF_A_KEY = ("kty", "kid", "alg", "use", "crv", "n", "e", "x", "y")


def _usable_keys(issuer: Issuer) -> list[Any]:
    """Those that the functions use too, of each what it is. Raises KeysUnavailable where there is none."""
    from shared.web.access.key_sources import KeysUnavailable, source_of
    from shared.web.access.keys import read_key

    keys = [each for each in source_of(issuer)() if read_key(each)]
    if not keys:
        raise KeysUnavailable("it has no key of a kind that is accepted")
    return [{name: _whole(each[name]) for name in _OF_A_KEY if isinstance(each.get(name), str)} for each in keys]


def _whole(text: str) -> str:
    """Half of a character outside the Basic Multilingual Plane is no text to Envoy."""
    return text.encode("utf-8", "replace").decode()


def replace(path: Path, text: str) -> None:
    """At once, and as a move: Envoy reads what is moved to a place that it watches."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def discovered(name: str, kind: str, settings: dict[str, Any]) -> str:
    """A filter as Envoy's extension config discovery reads it from a file."""
    typed = {"@type": f"{API}.extensions.filters.http.{kind}", **settings}
    resource = {"@type": f"{API}.config.core.v3.TypedExtensionConfig", "name": name, "typed_config": typed}
    return json.dumps({"resources": [resource]}, indent=1)


def _answers() -> str:
    """The program that decides, with the open paths and the problems that it needs as the functions have them."""
    from shared.web.access.guard import invalid_token, unauthorized

    of_all = [each.template for each in ROUTES if each.function in CLIENT_FUNCTIONS and each.permission is None]
    patterns = [pattern(template) for template in (LIVENESS, *of_all)]
    patterns += OF_PEOPLE
    lists = [f"local open = {{{', '.join(map(quoted, patterns))}}}"]
    for problem in (unauthorized(), invalid_token()):
        lists.append(f"local {problem.code} = {_table(problem)}")
    return "\n".join([*lists, LUA.read_text(encoding="utf-8")])


def pattern(template: str) -> str:
    """A path of the route table as a pattern of Lua's."""
    parts = [re.sub(r"([^A-Za-z0-9/])", r"%\1", part) for part in re.split(r"\{\w+\}", template)]
    return f"^{'[^/]+'.join(parts)}$"


def document(problem: Problem) -> str:
    """A document in three parts, as Lua has lists: between them a request's instance and correlation id belong."""
    return ", ".join(map(quoted, problem.document(_GAP, _GAP).split(_GAP)))


def _table(problem: Problem) -> str:
    return f"{{{document(problem)}, challenge = {quoted(problem.headers['WWW-Authenticate'])}}}"


def quoted(text: str) -> str:
    """As Lua has texts."""
    return f"[==[{text}]==]"


def main() -> None:
    function_name.set("front_door_access")
    settings = read_settings()
    set_level(settings.log_level)
    set_cell(settings.cell_label)
    access = Access(Path(sys.argv[1]), settings)
    if sys.argv[2:] != ["--keep"]:
        access.write()
        return
    # No event is set by a handler: it runs where the wait for it may have its lock, and would wait for that for ever.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    access.keep(threading.Event())


if __name__ == "__main__":
    main()
