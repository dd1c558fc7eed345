"""What makes two requests the same request: the hash of the key and of whose it is, and of what is asked for."""

import hashlib
from typing import Any, NamedTuple, Self

from shared.platform import json_text
from shared.web.access.caller import Caller
from shared.web.origin import Origin


class IdempotencyKey(NamedTuple):
    """A key as it is stored: hashed, with the fingerprint of the request that it came with, the trace of that request, and who
    asked: None while the service is open."""

    key_hash: bytes
    fingerprint: bytes
    correlation_id: str
    traceparent: str | None
    caller: str | None

    @classmethod
    def of(cls, key: str, path: str, content: dict[str, Any], origin: Origin, open_keys: str) -> Self:
        """See `hash_key` and `fingerprint`."""
        return cls._made(hash_key(key, origin.caller, open_keys), fingerprint(path, content), origin)

    @classmethod
    def of_event(cls, source: str, event_id: str, path: str, content: dict[str, Any], origin: Origin) -> Self:
        """See `hash_event` and `fingerprint`: `path` and `content` are those of a request for the same."""
        return cls._made(hash_event(source, event_id), fingerprint(path, content), origin)

    @classmethod
    def _made(cls, key_hash: bytes, asked_for: bytes, origin: Origin) -> Self:
        trace, caller = origin
        return cls(key_hash, asked_for, trace.correlation_id, trace.traceparent, caller and caller.name)


def hash_key(key: str, caller: Caller | None, open_keys: str) -> bytes:
    """SHA-256 of a key, which is stored nowhere itself: of the key alone while the service is open and for the caller that
    `open_keys` (AUTH_OPEN_KEYS) names, whose keys are those of that time; else of the key and whose it is.

    No two of (issuer, subject, key) are hashed alike, nor is one of them as a key alone, which has no line break.
    """
    text = key
    if caller and not caller.is_named(open_keys):
        text = "\n" + json_text.write([caller.issuer, caller.subject, key])
    return hashlib.sha256(text.encode()).digest()


def hash_event(source: str, event_id: str) -> bytes:
    """SHA-256 of what makes an event one (CloudEvents 1.0.2, 3.1.1: its source and id), whoever delivers it and in whichever
    mode. No key is hashed so: behind the line break a key of somebody's is one of three."""
    text = "\n" + json_text.write([source, event_id])
    return hashlib.sha256(text.encode()).digest()


def fingerprint(path: str, content: dict[str, Any]) -> bytes:
    """SHA-256 of what a request asks for, the same for every JSON spelling of the same content.

    `path` is the request's path without the version prefix; `content` the request after it was read.
    """
    text = path + "\n" + json_text.write(content, canonical=True)
    return hashlib.sha256(text.encode("utf-8")).digest()
