"""One connection to PostgreSQL, opened to a server that takes writes. Every wait on it is bounded on this side, whatever the
network or the server does.
"""

import math
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

import psycopg2
from psycopg2 import extensions

from shared.platform.database.cell import question
from shared.platform.deadlines import deadlines
from shared.platform.dns import NameUnknown, addresses
from shared.platform.settings import Settings

# A connection that was idle for longer, seconds, may have been forgotten by a firewall on the way.
TRUSTED_FOR = 1.0
# An idle connection is probed so often, seconds: it stays known to firewalls, which forget within minutes, and one that is
# gone all the same is closed before anybody needs it.
PROBED_EVERY = 30


class TimedOut(psycopg2.OperationalError):
    """The database did not answer in time. What was asked of it may have been done, or be done yet."""


class Connection(extensions.connection):
    """`reused`: it was idle since it was opened. `unproven`: whether it still leads to the server is being found out.
    `prepared`: the names of the statements that the server knows, as far as this side knows. `preface`: what is still to be
    asked before its next statement, in the same round trip."""

    preface = ""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.autocommit = True
        self.reused = self.unproven = False
        self.prepared: set[str] = set()
        self.used_at = self._opened_at = time.monotonic()
        # A descriptor of its own for the same socket: it is nobody else's, even while the library closes the other.
        self._socket = socket.socket(fileno=os.dup(self.fileno()))
        self._readable = select.poll()
        self._readable.register(self._socket, select.POLLIN)

    @contextmanager
    def until(self, deadline: float) -> Iterator[None]:
        """What is asked of the server meanwhile is answered by `deadline` (monotonic clock). Raises TimedOut, with the
        connection closed, where it is not."""
        deadlines.begin(self, deadline)
        try:
            yield
        except psycopg2.Error as failure:
            if deadlines.end(self):
                raise
            self.close()
            raise TimedOut("the database did not answer in time") from failure
        except BaseException:
            deadlines.end(self)
            raise
        deadlines.end(self)

    def cut(self) -> None:
        """Has whoever waits for the server fail at once."""
        with suppress(OSError):  # the other side was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        super().close()
        self._socket.close()

    def may_be_used(self, longest: float) -> bool:
        """Whether it was opened less than `longest` seconds ago, and the other side has neither closed it nor says what
        nobody asked for."""
        old = time.monotonic() - self._opened_at >= longest
        return not (old or self.closed or self._readable.poll(0))

    @property
    def stale(self) -> bool:
        """Whether it was idle for so long that it has to prove that it still leads to the server."""
        return time.monotonic() - self.used_at > TRUSTED_FOR

    @property
    def lost_its_writes(self) -> bool:
        """Whether the server has reported that it takes no writes any more; costs no round trip."""
        reported = self.get_parameter_status
        return reported("default_transaction_read_only") == "on" or reported("in_hot_standby") == "on"


def open_connection(settings: Settings, deadline: float) -> Connection:
    """Opens a connection to the first of DB_HOST's addresses that leads to a server which takes writes.

    An address that is silent costs its share of the time until `deadline` (monotonic clock), so it keeps nobody from the ones
    behind it. The only one that there is has the two seconds that the library takes at least: it keeps nobody from another,
    and whoever needs the connection waits for the pool, not for this. Raises psycopg2.Error, NameUnknown, or
    another OSError where this machine refuses.
    """
    places = _places(settings.db_host, deadline)
    if len(places) == 1:
        return _connect(settings, *places[0], deadline - time.monotonic())
    for number, (host, address) in enumerate(places):
        share = (deadline - time.monotonic()) / (len(places) - number)
        try:
            return _open(settings, host, address, time.monotonic() + share)
        except psycopg2.Error as failure:
            last = failure
    raise last


def _places(hosts: str, deadline: float) -> list[tuple[str, str | None]]:
    """Each host with each of its addresses. A folder is that of a socket; several hosts are parted by commas, as for libpq."""
    places: list[tuple[str, str | None]] = []
    unknown: NameUnknown | None = None
    for host in hosts.split(","):
        if host.startswith(("/", "@")):
            places.append((host, None))
            continue
        try:
            places += [(host, address) for address in addresses(host, deadline)]
        except NameUnknown as failure:
            unknown = failure
    if unknown and not places:
        raise unknown
    return places


def _open(settings: Settings, host: str, address: str | None, deadline: float) -> Connection:
    """Opens one of several. The library's own time-out is in whole seconds, two at least: so a thread opens the connection,
    and is waited for only until `deadline`. Raises psycopg2.Error."""
    opening: Future[Connection] = Future()
    left = deadline - time.monotonic()

    def work() -> None:
        try:
            connection = _connect(settings, host, address, left)
        except BaseException as failure:
            if opening.set_running_or_notify_cancel():
                opening.set_exception(failure)
            return
        if opening.set_running_or_notify_cancel():
            opening.set_result(connection)
        else:
            connection.close()

    try:
        threading.Thread(target=work, name="database-connection", daemon=True).start()
    except RuntimeError:  # the process ends, or has threads enough
        work()
    with suppress(TimeoutError):
        return opening.result(max(0.0, left))
    if opening.cancel():
        raise TimedOut("the database did not answer in time")
    return opening.result()


def _connect(settings: Settings, host: str, address: str | None, seconds: float) -> Connection:
    connection: Connection = psycopg2.connect(
        host=host,
        hostaddr=address,
        port=settings.db_port,
        dbname=settings.db_name,
        user=settings.db_user,
        password=settings.db_pass,
        application_name="payment-service",
        client_encoding="UTF8",
        options=_options(),
        target_session_attrs="read-write",
        gssencmode="disable",  # Kerberos would look names up by itself
        connect_timeout=max(2, math.ceil(seconds)),
        keepalives_idle=PROBED_EVERY,
        keepalives_interval=10,
        tcp_user_timeout=int((settings.db_statement_timeout + 1) * 1000),
        connection_factory=Connection,
    )
    connection.preface = question(settings.cell)
    return connection


def _options() -> str | None:
    """What PGOPTIONS asks for, but for the isolation, which is pinned on the role and would be overridden. None where it is
    not set: poolers know no start-up options."""
    asked = os.environ.get("PGOPTIONS")
    return f"{asked} -c default_transaction_isolation=read\\ committed" if asked else None
