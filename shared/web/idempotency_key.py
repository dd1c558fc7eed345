"""The idempotency key of a request, from its header or its body."""

import re

_KEY = r"[\x21-\x7e]{1,255}"


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
        if len(header) > 1 and header[0] == header[-1] == '"':
            header = header[1:-1]
        if not re.fullmatch(_KEY, header):
            raise KeyRejected(HEADER, "must be 1 to 255 visible ASCII characters")
    if in_body is not None and not (isinstance(in_body, str) and re.fullmatch(_KEY, in_body)):
        raise KeyRejected(FIELD, "must be 1 to 255 visible ASCII characters")
    if header is not None and in_body is not None and header != in_body:
        raise KeyRejected(FIELD, f"differs from the {HEADER} header")
    key = header if header is not None else in_body
    if not isinstance(key, str):
        raise KeyRejected(HEADER, "is required, as a header or as idempotency_key in the body")
    return key
