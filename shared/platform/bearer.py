"""A token of our own, kept in a file by whoever renews it (the kubelet, or a start on one machine): sent, and never logged."""

import re
from collections.abc import Mapping
from pathlib import Path

# As a header may have it (RFC 6750, 2.1).
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")


class NoToken(Exception):
    """The file gives no token now; the message says why, and nothing of what is in it."""


def bearer(path: str) -> Mapping[str, str]:
    """The header that says who calls, with the token that is in the file now; none where there is no such path.

    Raises NoToken.
    """
    if not path:
        return {}
    try:
        token = Path(path).read_bytes().decode("ascii", "replace").strip()
    except OSError as failure:
        raise NoToken(f"its token cannot be read: {failure.strerror}") from None
    if not _TOKEN.fullmatch(token):
        raise NoToken("what is in the file of its token is no token")
    return {"Authorization": f"Bearer {token}"}
