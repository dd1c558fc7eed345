"""One connection to PostgreSQL, opened to a server that takes writes. Every wait on it is bounded on this side, whatever the
network or the server does: psycopg2 hands each wait to `_wait`, as its documentation says of coroutine libraries.
"""

import math
import os
import select
import time

import psycopg2
from psycopg2 import extensions

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
    """`deadline` (monotonic clock) is when whatever waits on it gives up; psycopg2 then closes the connection. `reused`: it
    was idle since it was opened. `unproven`: whether it still leads to the server is being found out."""

    def __init__(self, dsn: str, deadline: float) -> None:
        self.deadline = deadline
        self.reused = self.unproven = False
        self.used_at = self._opened_at = time.monotonic()
        super().__init__(dsn)
        self.autocommit = True

    def may_be_used(self, longest: float) -> bool:
        """Whether it was opened less than `longest` seconds ago, and the other side has neither closed it nor says what
        nobody asked for."""
        old = time.monotonic() - self._opened_at >= longest
        return not (old or self.closed or _ready(self, select.POLLIN, 0))

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
    behind it. Raises psycopg2.Error, or NameUnknown.
    """
    places = _places(settings.db_host, deadline)
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
        # Kerberos would look names up by itself, while it holds the interpreter.
        gssencmode="disable",
        keepalives_idle=PROBED_EVERY,
        keepalives_interval=10,
        tcp_user_timeout=int((settings.db_statement_timeout + 1) * 1000),
        connection_factory=lambda dsn: Connection(dsn, deadline),
    )
    return connection


def _options() -> str | None:
    """What PGOPTIONS asks for, but for the isolation, which is pinned on the role and would be overridden. None where it is
    not set: poolers know no start-up options."""
    asked = os.environ.get("PGOPTIONS")
    return f"{asked} -c default_transaction_isolation=read\\ committed" if asked else None


def _wait(connection: extensions.connection) -> None:
    """psycopg2's wait hook, for every connection of the process; those of others wait as long as it takes."""
    while (state := connection.poll()) != extensions.POLL_OK:
        event = select.POLLIN if state == extensions.POLL_READ else select.POLLOUT
        deadline = connection.deadline if isinstance(connection, Connection) else math.inf
        if not _ready(connection, event, deadline - time.monotonic()):
            raise TimedOut("the database did not answer in time")


def _ready(connection: extensions.connection, event: int, seconds: float) -> list[tuple[int, int]]:
    """What the connection's socket is ready for within so many seconds."""
    waiter = select.poll()
    waiter.register(connection.fileno(), event)
    return waiter.poll(None if seconds == math.inf else max(0.0, seconds * 1000))


extensions.set_wait_callback(_wait)
