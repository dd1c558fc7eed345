"""Where a request comes from, for what is stored of it."""

from typing import NamedTuple

from shared.web.access.caller import Caller
from shared.web.tracing import Trace


class Origin(NamedTuple):
    """What ties the steps of a request together, and who asks: None while the service is open."""

    trace: Trace
    caller: Caller | None
