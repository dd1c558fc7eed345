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
        trace, caller = origin
        return cls(
            hash_key(key, caller, open_keys),
            fingerprint(path, content),
            trace.correlation_id,
            trace.traceparent,
            caller and caller.name,
        )


def hash_key(key: str, caller: Caller | None, open_keys: str) -> bytes:
    """SHA-256 of a key, which is stored nowhere itself: of the key alone while the service is open and for the caller that
    `open_keys` (AUTH_OPEN_KEYS) names, whose keys are those of that time; else of the key and whose it is.

    No two of (issuer, subject, key) are hashed alike, nor is one of them as a key alone, which has no line break.
    """
    text = key
    if caller and not caller.is_named(open_keys):
        text = "\n" + json_text.write([caller.issuer, caller.subject, key])
    return hashlib.sha256(text.encode()).digest()


def fingerprint(path: str, content: dict[str, Any]) -> bytes:
    """SHA-256 of what a request asks for, the same for every JSON spelling of the same content.

    `path` is the request's path without the version prefix; `content` the request after it was read.
    """
    text = path + "\n" + json_text.write(content, canonical=True)
    return hashlib.sha256(text.encode("utf-8")).digest()
