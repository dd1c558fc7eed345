"""What ties the steps of one request together across services."""

import re
import uuid
from collections.abc import Mapping
from typing import NamedTuple

# Compiled with the first that comes.
_CORRELATION_ID = r"[A-Za-z0-9._-]{1,128}"
# https://www.w3.org/TR/trace-context/#traceparent-header: neither version ff nor an id of zeros is valid.
_TRACEPARENT = r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
# https://www.w3.org/TR/trace-context/#tracestate-header: at most 32 members; 512 characters are what must be passed on.
_KEY = r"[a-z0-9][a-z0-9_*/@-]{0,255}"
_VALUE = r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
_MEMBER = rf"(?:{_KEY}={_VALUE})?"
MOST_MEMBERS = 32
LONGEST_STATE = 512


class Trace(NamedTuple):
    """The correlation id of a request, and the W3C trace context that came with it, if any: what is passed on."""

    correlation_id: str
    traceparent: str | None = None
    tracestate: str | None = None

    @property
    def trace_id(self) -> str | None:
        """What the trace is called by whoever keeps it."""
        return self.traceparent and self.traceparent.split("-")[1]

    def headers(self) -> dict[str, str]:
        """The headers that pass this on to another service."""
        headers = {"X-Correlation-ID": self.correlation_id}
        if self.traceparent:
            headers["traceparent"] = self.traceparent
            if self.tracestate:
                headers["tracestate"] = self.tracestate
        return headers

    def within(self, carried: Mapping[str, str]) -> "Trace":
        """The same, as a span of ours passes it on whose headers these are (`spans.carried`)."""
        if not carried:
            return self
        return self._replace(traceparent=carried["traceparent"], tracestate=carried.get("tracestate"))


def read_trace(correlation_id: str | None, traceparent: str | None, tracestate: str | None = None) -> Trace:
    """The trace of a request from its headers: what is malformed is replaced by a new id, or left out."""
    if correlation_id is None or not re.fullmatch(_CORRELATION_ID, correlation_id):
        correlation_id = str(uuid.uuid4())
    if traceparent is None or not re.fullmatch(_TRACEPARENT, traceparent):
        return Trace(correlation_id)
    return Trace(correlation_id, traceparent, tracestate if tracestate and _is_state(tracestate) else None)


def _is_state(text: str) -> bool:
    members = text.split(",")
    bounded = len(text) <= LONGEST_STATE and len(members) <= MOST_MEMBERS
    return bounded and all(re.fullmatch(_MEMBER, member.strip(" \t")) for member in members)
