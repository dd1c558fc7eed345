"""Where this process's own figures can be scraped: a port of its own, so that no scrape is a request, or keeps a pod awake."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from shared.platform.counting import PoolUse
from shared.platform.log import log

Address = tuple[str, int]

# Seconds in which a scrape is read and answered, or cut off: the next waits for it.
LONGEST = 5.0
# How many wait at most; who comes beyond them is refused by the kernel.
WAITING = 8


class Exposition:
    """The figures of one function at an address (METRICS_PORT; None: nowhere). `pool`: the use of its connections to the
    database, where it has any. `cell`: the label of its cell, empty where it is the only one.

    One thread answers one scrape after the other, and ends with the process. What writes the figures down is loaded with the
    first scrape.
    """

    def __init__(
        self, function: str, address: Address | None, pool: Callable[[], PoolUse] | None = None, cell: str = ""
    ) -> None:
        self._function = function
        self._address = address
        self._pool = pool
        self._cell = cell
        self._first = threading.Lock()  # whoever gets it begins

    def due(self) -> bool:
        """Whether it is to be begun: true once, for the first that asks. Asked by a request, so after a server has forked."""
        return self._address is not None and self._first.acquire(blocking=False)

    def begin(self) -> None:
        """Listens from here on. Raises nothing: a port that another program has is an error in the log, and no payment's."""
        if self._address is None:
            return
        try:
            listening = socket.create_server(self._address, backlog=WAITING)
            threading.Thread(target=self._serve, args=(listening,), name="metrics", daemon=True).start()
        except (OSError, RuntimeError) as refused:
            log.error("metrics are not exposed", extra={"port": self._address[1], "why": str(refused)})

    def _serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:  # too many open files: some will be closed
                time.sleep(1)
                continue
            with connection, suppress(OSError):  # who scrapes went away, or was too slow
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        """Raises OSError."""
        try:
            from shared.platform.scrape import scraped

            limit = threading.Timer(LONGEST, _cut, (connection,))
            limit.daemon = True
            limit.start()
            try:
                scraped(connection, self._function, self._pool, self._cell)
            finally:
                limit.cancel()
        except OSError:
            raise
        except Exception:
            log.exception("not scraped")


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
