"""How often one caller may ask: of one instance, or, with a shared store, of all of them together."""

import ipaddress
import math
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import flask

from shared.platform.settings import WINDOWS
from shared.web.problems import Problem
from shared.web.rates.window import Window

if TYPE_CHECKING:
    from shared.web.rates.shared_store import SharedStore

# Set by the front door, which overwrites what a client sends: the address it saw, whatever hops come after it.
CALLER_HEADER = "X-Caller-Address"
_NONE: Mapping[str, str] = MappingProxyType({})


def address_of(request: flask.Request) -> str:
    """Whoever asks, where no token says who it is; never equal to the name of somebody with a token."""
    return f"address {_place(request.headers.get(CALLER_HEADER) or request.remote_addr or '')}"


def _place(address: str) -> str:
    """Whoever has one address of IPv6 has all 2^64 of its network (RFC 6177): they are one."""
    if ":" not in address:
        return address
    try:
        read = ipaddress.IPv6Address(address)
    except ValueError:
        return address
    return str(read.ipv4_mapped or ipaddress.IPv6Network((int(read), 64), strict=False))


class Limiter:
    """Admits at most `rate` requests (such as "1000/second") of each caller in each window of that length; an empty rate
    admits all.

    Windows begin with the clock's own seconds, minutes or hours, so that instances agree on them without asking. `storage`: the
    URL of a store where all instances count together. Empty, or while that store does not answer: this instance counts alone.
    `apart`: as what its callers are counted there, where it is not with those of every other function.
    """

    def __init__(self, rate: str, storage: str = "", apart: str = "") -> None:
        self._rate = rate
        self._apart = f"{apart} " if apart else ""
        most, _, window = (rate or "0/second").partition("/")
        self._most = int(most)
        self._seconds = WINDOWS[window]
        self._alone = Window()
        self._shared = _shared(storage, self._seconds) if rate and storage else None
        # draft-ietf-httpapi-ratelimit-headers: structured fields (RFC 9651)
        self._policy = f'"caller";q={self._most};w={self._seconds}'

    def admit(self, caller: str) -> Mapping[str, str]:
        """Counts a request of this caller: Caller.name, or address_of(request). Returns the headers that say how often it may
        ask (RateLimit, RateLimit-Policy). Raises Problem rate_limited, with the same headers, when it asks too often."""
        if not self._rate:
            return _NONE
        now = time.time()
        window = int(now // self._seconds)
        count = self._shared.count(self._apart + caller, window) if self._shared else None
        if count is None:
            count = self._alone.count(caller, window)
        wait = max(1, math.ceil((window + 1) * self._seconds - now))
        left = self._most - count
        headers = {"RateLimit": f'"caller";r={left if left > 0 else 0};t={wait}', "RateLimit-Policy": self._policy}
        if left < 0:
            told = f"At most {self._rate} from one caller; wait a moment."
            raise Problem("rate_limited", told, retry_after=wait, headers=headers)
        return headers

    def connect(self) -> None:
        """Makes the shared store ready, if there is one. Until then this instance counts alone: what it takes to speak to a
        store loads for longer than a function starts, so it comes after the first answer. Raises nothing."""
        if self._shared:
            self._shared.connect()


def _shared(url: str, seconds: int) -> "SharedStore":
    from shared.web.rates.shared_store import SharedStore

    return SharedStore(url, seconds)
