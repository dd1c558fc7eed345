"""What the settings of access may be: who signs tokens, and what their subjects may do."""

import json
import re
from collections.abc import Mapping, Set
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from shared.platform.setting_values import is_here, url
from shared.rules.permissions import PERMISSIONS

# An issuer is compared to the letter with what a token says, and a blank stands between issuer and subject.
_NAME = r"[!-~]{1,255}"
# Characters of a key that signs what a browser keeps.
SHORTEST_KEY = 32


class Issuer(NamedTuple):
    """Who signs tokens: its name, as tokens have it; the audience that they must be for (empty: AUTH_AUDIENCE); and where its
    keys are: a URL, the path of a file, or empty for OpenID discovery."""

    name: str
    audience: str
    keys: str

    @property
    def has_a_file(self) -> bool:
        return self.keys.startswith("/")


class EventSenders(NamedTuple):
    """Who may send events: these subjects of this issuer."""

    issuer: Issuer
    subjects: Set[str]


def audience(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise ValueError("1 to 255 visible ASCII characters, such as payment-service")
    return value


def issuers(value: str) -> tuple[Issuer, ...]:
    """None where it is empty: the service is open."""
    wanted = 'a JSON array such as [{"issuer": "https://id.example.com", "keys": "https://id.example.com/jwks"}]'
    if not value:
        return ()
    items = _json(value, list, wanted)
    read = tuple(_issuer(item, wanted) for item in items)
    names = [issuer.name for issuer in read]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"{wanted}, with at least one issuer, and each once")
    return read


def subjects(value: str) -> Mapping[str, Set[str]]:
    """The permissions of each subject."""
    wanted = 'a JSON object such as {"system:serviceaccount:rides:trip-service": "payments:write payments:read"}'
    if not value:
        return {}
    granted = {}
    for subject, permissions in _json(value, dict, wanted).items():
        if not isinstance(permissions, str) or not subject.isprintable() or not subject.strip():
            raise ValueError(wanted)
        granted[subject] = frozenset(permissions.split())
        if unknown := sorted(granted[subject] - PERMISSIONS):
            raise ValueError(f"of the permissions {', '.join(sorted(PERMISSIONS))}; it has {', '.join(unknown)}")
    return granted


def event_senders(value: str) -> EventSenders | None:
    """None where it is empty: events are taken from whoever can reach the function."""
    wanted = 'a JSON object such as {"issuer": "https://…", "keys": "/keys/jwks.json", "subjects": ["…"]}'
    if not value:
        return None
    item = _json(value, dict, wanted)
    named = item.pop("subjects", None)
    if not isinstance(named, list) or not named or not all(isinstance(subject, str) and subject for subject in named):
        raise ValueError(wanted)
    return EventSenders(_issuer(item, wanted), frozenset(named))


def client(value: str) -> str:
    if value:
        audience(value)
    return value


def session_keys(value: str) -> tuple[str, ...]:
    """The first signs, and all are accepted; none where it is empty."""
    keys = tuple(value.split())
    if len(keys) > 2 or any(len(key) < SHORTEST_KEY for key in keys):
        raise ValueError(f"at least {SHORTEST_KEY} characters, or two such keys with a blank in between")
    return keys


def origin(value: str) -> str:
    """A public address, which people type; empty where there is none."""
    if value and not (is_protected(value) and re.fullmatch(r"https?://[^/]+/?", value)):
        raise ValueError(
            "an https:// URL without a path, such as https://payments.example.com (http:// only on this machine)"
        )
    return value.rstrip("/")


def scope(value: str) -> str:
    words = value.split(" ")
    if "openid" not in words or not all(re.fullmatch(r"[!#-[\]-~]+", word) for word in words):
        raise ValueError("words with a blank in between, openid among them")
    return value


def path(value: str) -> str:
    if value and not (value.startswith("/") and value.isprintable()):
        raise ValueError("the whole path of a file, such as /var/run/secrets/events/token, or empty")
    return value


def _issuer(item: object, wanted: str) -> Issuer:
    if not isinstance(item, dict) or not item.keys() <= {"issuer", "audience", "keys"}:
        raise ValueError(wanted)
    if not all(
        isinstance(text, str) and (re.fullmatch(_NAME, text) or _is_a_path(name, text)) for name, text in item.items()
    ):
        raise ValueError(f"{wanted}; each value is 1 to 255 visible ASCII characters")
    issuer = Issuer(item.get("issuer", ""), item.get("audience", ""), item.get("keys", ""))
    if not issuer.name:
        raise ValueError(wanted)
    if not issuer.has_a_file and not is_protected(issuer.keys or issuer.name):
        where = "the keys of each issuer" if issuer.keys else "an issuer without keys"
        raise ValueError(
            f"such that {where} is an https:// URL (http:// only on this machine), or its keys a file's whole path"
        )
    return issuer


def _is_a_path(name: str, text: str) -> bool:
    """A folder may be called anything that stands in one line."""
    return name == "keys" and text.startswith("/") and text.isprintable()


def is_protected(address: str) -> bool:
    """Whoever can change keys on their way to us can sign whatever he likes."""
    try:
        url(address)
    except ValueError:
        return False
    return urlsplit(address).scheme == "https" or is_here(address)


def _json(value: str, kind: type, wanted: str) -> Any:
    try:
        read = json.loads(value, object_pairs_hook=_each_once)
    except (ValueError, RecursionError):
        read = None
    if not isinstance(read, kind):
        raise ValueError(wanted)
    return read


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """What is said twice in a setting of access is meant once at most."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("a name is given twice")
    return dict(pairs)
