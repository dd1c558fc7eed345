"""Where the keys of an issuer are: a file, a URL, or what the issuer says of itself (OpenID Connect Discovery 1.0, 4)."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shared.platform.access_values import Issuer, is_protected
from shared.platform.settings import KEYS_TIMEOUT

Source = Callable[[], list[Any]]


class KeysUnavailable(Exception):
    """Nobody gave the keys of an issuer; the message says why, in words for the log."""


def source_of(issuer: Issuer) -> Source:
    """What gives the keys of an issuer, as JSON Web Keys (RFC 7517). It raises KeysUnavailable, within KEYS_TIMEOUT seconds."""
    if issuer.has_a_file:
        return lambda: _keys(_read(issuer.keys))
    if issuer.keys:
        return lambda: _keys(_get(issuer.keys, time.monotonic() + KEYS_TIMEOUT))
    return lambda: _discovered(issuer.name)


def discover(issuer: str, deadline: float) -> dict[str, Any]:
    """What an issuer says of itself, until `deadline` (monotonic clock). Raises KeysUnavailable."""
    about = _get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", deadline)
    # Whoever answers for another issuer would sign in its name (OpenID Connect Discovery 1.0, 4.3).
    if not isinstance(about, dict) or about.get("issuer") != issuer:
        raise KeysUnavailable("what answers at the issuer's address does not say that it is this issuer")
    return about


def _discovered(issuer: str) -> list[Any]:
    deadline = time.monotonic() + KEYS_TIMEOUT
    address = discover(issuer, deadline).get("jwks_uri")
    if not isinstance(address, str) or not is_protected(address):
        raise KeysUnavailable("the issuer names no https:// URL for its keys")
    return _keys(_get(address, deadline))


def _get(url: str, deadline: float) -> Any:
    from shared.platform import http_client  # not where the keys are in a file

    try:
        reply = http_client.request(
            "GET", url, timeout=deadline - time.monotonic(), headers={"Accept": "application/json"}
        )
    except http_client.NoResponse as failure:
        raise KeysUnavailable(str(failure)) from None
    if reply.status != 200:
        raise KeysUnavailable(f"it answered {reply.status}")
    return _json(reply.body)


def _read(path: str) -> Any:
    try:
        return _json(Path(path).read_bytes())
    except OSError as failure:
        raise KeysUnavailable(f"{path}: {failure.strerror}") from None


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise KeysUnavailable("what it gave is not JSON") from None


def _keys(document: Any) -> list[Any]:
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise KeysUnavailable("what it gave is not a set of JSON Web Keys")
    return keys
