"""Names of other machines, looked up so that nobody waits longer than they chose to.

The system's resolver cannot be told to hurry, and holds whoever asks it for tens of seconds while a name server is silent. So
each look-up has a thread of its own, and only the one who needs its answer waits for it.
"""

import ipaddress
import socket
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet

# A look-up that another has begun is waited for only while it is young: one that hangs may have asked a name server that was
# silent then, and would not hear of its return for seconds.
SHARED_FOR = 0.5


class NameUnknown(OSError):
    """The name leads nowhere, or was not looked up in time."""


def addresses(host: str, deadline: float) -> list[str]:
    """The IP addresses of a host, in the resolver's order, at the latest at `deadline` (monotonic clock). An address is its
    own. Raises NameUnknown."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        return _looks.of(host).result(max(0.0, deadline - time.monotonic()))
    except NotYet:
        raise NameUnknown("the name was not looked up in time") from None
    except (OSError, UnicodeError) as failure:
        raise NameUnknown(f"the name leads nowhere: {failure}") from failure


class _Looks:
    """The look-ups under way. Their threads are daemons: a process that ends does not wait for a silent name server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: dict[str, tuple[float, Future[list[str]]]] = {}

    def of(self, host: str) -> "Future[list[str]]":
        now = time.monotonic()
        with self._lock:
            began, look = self._begun.get(host, (-SHARED_FOR, None))
            if look is not None and not look.done() and now - began < SHARED_FOR:
                return look
            look = Future()
            self._begun[host] = now, look
        try:
            threading.Thread(target=_look_up, args=(host, look), name="name-look-up", daemon=True).start()
        except RuntimeError:  # the process ends, or has threads enough: the one who needs the name waits for it
            _look_up(host, look)
        return look


def _look_up(host: str, look: "Future[list[str]]") -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        look.set_result(list(dict.fromkeys(str(address[0]) for *_, address in found)))
    except BaseException as failure:
        look.set_exception(failure)


_looks = _Looks()
