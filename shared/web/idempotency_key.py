"""The idempotency key of a request, from its header or its body."""

import re

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
