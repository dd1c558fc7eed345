"""What ties the steps of one request together across services."""

import re
import uuid
from typing import NamedTuple

# Compiled with the first that comes.
_CORRELATION_ID = r"[A-Za-z0-9._-]{1,128}"
_TRACEPARENT = r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}"


class Trace(NamedTuple):
    """The correlation id of a request, and the W3C trace context that came with it, if any."""

    correlation_id: str
    traceparent: str | None = None

    def headers(self) -> dict[str, str]:
        """The headers that pass this on to another service."""
        headers = {"X-Correlation-ID": self.correlation_id}
        if self.traceparent:
            headers["traceparent"] = self.traceparent
        return headers


def read_trace(correlation_id: str | None, traceparent: str | None) -> Trace:
    """The trace of a request from its headers: what is malformed is replaced by a new id, or left out."""
    if correlation_id is None or not re.fullmatch(_CORRELATION_ID, correlation_id):
        correlation_id = str(uuid.uuid4())
    if traceparent is not None and not re.fullmatch(_TRACEPARENT, traceparent):
        traceparent = None
    return Trace(correlation_id, traceparent)
