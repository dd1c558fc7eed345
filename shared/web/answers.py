"""What a function answers."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

JSON = "application/json"
PLAIN = "text/plain; charset=utf-8"
_NONE: Mapping[str, Any] = MappingProxyType({})


class Answer(NamedTuple):
    """Status, body and headers of an answer; the door adds the rest. A body in parts is sent as they come. `about` goes into
    the request's line in the log; of `cookies` each is a Set-Cookie."""

    status: int
    body: str | bytes | Iterable[bytes] = ""
    content_type: str = JSON
    headers: Mapping[str, str] = _NONE
    about: Mapping[str, int | str] = _NONE
    cookies: tuple[str, ...] = ()

    def replayed(self) -> "Answer":
        """The same answer, marked as one that was given before."""
        return self._replace(headers={**self.headers, "Idempotent-Replayed": "true"})
