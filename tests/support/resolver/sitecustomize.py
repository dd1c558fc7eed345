"""Looks up the tests' own names (`*.test`) as the file NAMES says, in every process whose PYTHONPATH begins with this folder.

The file holds, as JSON, the addresses of each name, or null while the name server is silent: then a look-up waits as the
system's resolver does, which asks again every 5 s and gives up at last (resolv.conf(5); a search list makes it tens of
seconds). Nothing else knows these names, so whatever looks them up elsewhere fails.
"""

import json
import os
import socket
import time
from typing import Any

OURS = ".test"
TRIES = 6
TRY_LASTS = 5.0

_look_up = socket.getaddrinfo


def _getaddrinfo(host: Any, port: Any, *how: Any, **named: Any) -> list[Any]:
    if not isinstance(host, str) or not host.endswith(OURS):
        return _look_up(host, port, *how, **named)
    for _ in range(TRIES):
        with open(os.environ["NAMES"], encoding="utf-8") as file:
            names = json.load(file)
        if names is not None:
            break
        time.sleep(TRY_LASTS)
    else:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    if host not in names:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return [found for address in names[host] for found in _look_up(address, port, *how, **named)]


socket.getaddrinfo = _getaddrinfo
