"""What makes two requests the same request: the hash of the key, and of what is asked for."""

import hashlib
from typing import Any, NamedTuple, Self

from shared.platform import json_text
from shared.web.tracing import Trace


class IdempotencyKey(NamedTuple):
    """A key as it is stored: hashed, with the fingerprint of the request that it came with, and the trace of that request."""

    key_hash: bytes
    fingerprint: bytes
    correlation_id: str
    traceparent: str | None

    @classmethod
    def of(cls, key: str, path: str, content: dict[str, Any], trace: Trace) -> Self:
        """See `hash_key` and `fingerprint`."""
        return cls(hash_key(key), fingerprint(path, content), trace.correlation_id, trace.traceparent)


def hash_key(key: str) -> bytes:
    """SHA-256 of a key; the key itself is stored nowhere."""
    return hashlib.sha256(key.encode("ascii")).digest()


def fingerprint(path: str, content: dict[str, Any]) -> bytes:
    """SHA-256 of what a request asks for, the same for every JSON spelling of the same content.

    `path` is the request's path without the version prefix; `content` the request after it was read.
    """
    text = path + "\n" + json_text.write(content, canonical=True)
    return hashlib.sha256(text.encode("utf-8")).digest()
