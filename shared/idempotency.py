"""Idempotency keys and fingerprints: what makes two requests the same request."""

import hashlib
import re
from typing import Any

from shared import json_text

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_QUOTED = re.compile(r'"(.*)"')


class KeyRejected(ValueError):
    """The key is missing or malformed. `field` says where it was."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


HEADER = "Idempotency-Key"
FIELD = "idempotency_key"


def read_key(header: str | None, in_body: object) -> str:
    """The key of a request, from its header or its body; one pair of quotes around the header's value is taken off.

    Raises KeyRejected where it is missing, malformed, or differs between the two.
    """
    if header is not None:
        quoted = _QUOTED.fullmatch(header)
        header = quoted[1] if quoted else header
        if not _KEY.fullmatch(header):
            raise KeyRejected(HEADER, "must be 1 to 255 visible ASCII characters")
    if in_body is not None and not (isinstance(in_body, str) and _KEY.fullmatch(in_body)):
        raise KeyRejected(FIELD, "must be 1 to 255 visible ASCII characters")
    if header is not None and in_body is not None and header != in_body:
        raise KeyRejected(FIELD, f"differs from the {HEADER} header")
    key = header if header is not None else in_body
    if not isinstance(key, str):
        raise KeyRejected(HEADER, "is required, as a header or as idempotency_key in the body")
    return key


def hash_key(key: str) -> bytes:
    """SHA-256 of a key; the key itself is stored nowhere."""
    return hashlib.sha256(key.encode("ascii")).digest()


def fingerprint(path: str, content: dict[str, Any]) -> bytes:
    """SHA-256 of what a request asks for, the same for every JSON spelling of the same content.

    `path` is the request's path without the version prefix; `content` the request after it was read.
    """
    text = path + "\n" + json_text.write(content, canonical=True)
    return hashlib.sha256(text.encode("utf-8")).digest()
