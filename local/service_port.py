"""SERVICE_PORT, where a start's front door listens: whether it can be had, and whether it answers."""

import errno
from http.client import HTTPConnection, HTTPException

from local.foreground import CannotStartError
from local.ports import HOST, addresses, refusal

DEFAULT = 8082


def read(text: str) -> int:
    """The port, which is free on every loopback address. Raises CannotStartError."""
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise CannotStartError(f"SERVICE_PORT must be a port number, 1 to 65535; it is {text!r}.")
    for refused in filter(None, (refusal(int(text), address) for address in addresses())):
        why = "needs rights that this account lacks" if refused.errno == errno.EACCES else "is taken by another program"
        raise CannotStartError(f"Port {text} {why}. Choose another one: SERVICE_PORT=8090 make run")
    return int(text)


def answers(port: int, path: str) -> bool:
    """Whether who listens there answers this path with 200, within 5 seconds."""
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
