"""A connection leads to a server that takes writes, by whatever address, and holds nobody longer than they chose."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest

from shared.platform import dns
from shared.platform.database import Database, DatabaseUnavailable
from shared.platform.database.connection import TimedOut, open_connection
from shared.platform.dns import NameUnknown
from sql.owner import connect
from tests.support.cluster import Place

Resolve = Callable[..., None]


def soon(seconds: float = 5) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Resolve:
    """A name server that knows these names alone: `resolve(database=["127.0.0.1"])`. One without addresses is silent."""

    def know(**known: list[str]) -> None:
        def getaddrinfo(host: str, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
            if host not in known:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            if not known[host]:
                threading.Event().wait(20)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in known[host]]

        monkeypatch.setattr("shared.platform.dns.socket.getaddrinfo", getaddrinfo)
        monkeypatch.setattr(dns, "_looks", dns._Looks())

    return know


@pytest.fixture
def silent(place: Place) -> Iterator[list[str]]:
    """Four addresses that take a connection on the server's port, and say nothing."""
    addresses = [f"127.0.0.{number}" for number in range(2, 6)]
    listeners = [socket.create_server((address, int(place.environment["DB_PORT"]))) for address in addresses]
    yield addresses
    for listener in listeners:
        listener.close()


def test_names_are_looked_up_here_and_never_by_the_library_that_holds_the_interpreter(
    place: Place, resolve: Resolve
) -> None:
    resolve(database=["127.0.0.1"])  # which the system's own resolver does not know
    with closing(open_connection(place.settings(db_host="database"), soon())) as connection:
        assert connection.info.dsn_parameters["hostaddr"] == "127.0.0.1"
        assert connection.info.host == "database"


def test_a_silent_name_server_costs_the_one_who_asks_its_own_time(place: Place, resolve: Resolve) -> None:
    resolve(database=[])
    began = time.monotonic()
    with pytest.raises(NameUnknown):
        open_connection(place.settings(db_host="database"), soon(0.3))
    assert time.monotonic() - began < 1
    with pytest.raises(DatabaseUnavailable):
        Database(place.settings(db_host="database", db_connect_timeout=0.3)).run("ping")


def test_silent_addresses_keep_nobody_from_a_good_one_behind_them(
    place: Place, resolve: Resolve, silent: list[str]
) -> None:
    resolve(database=[*silent, "127.0.0.1"])
    began = time.monotonic()
    open_connection(place.settings(db_host="database"), soon(2)).close()
    assert time.monotonic() - began < 2


def test_any_number_of_silent_addresses_takes_no_longer_than_one(
    place: Place, resolve: Resolve, silent: list[str]
) -> None:
    resolve(database=silent)
    began = time.monotonic()
    with pytest.raises(TimedOut):
        open_connection(place.settings(db_host="database"), soon(0.4))
    assert time.monotonic() - began < 1


def test_several_hosts_are_tried_in_their_order(place: Place, resolve: Resolve) -> None:
    resolve(there=["127.0.0.1"])
    open_connection(place.settings(db_host="nowhere,there"), soon()).close()
    with pytest.raises(NameUnknown):
        open_connection(place.settings(db_host="nowhere,nowhere"), soon())


def test_a_server_that_takes_no_writes_is_passed_over(place: Place) -> None:
    place.sql.run(f"ALTER DATABASE {place.name} SET default_transaction_read_only = on")
    with pytest.raises(psycopg2.OperationalError, match="read-only"):
        open_connection(place.settings(), soon())


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "WIN1252"])
def test_text_is_utf_8_whatever_the_environment_says(
    place: Place, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", encoding)
    with closing(open_connection(place.settings(), soon())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 'रुपया €', octet_length(%s)", ("€",))
        assert cursor.fetchone() == ("रुपया €", 3)


def test_rows_are_read_committed_whatever_the_environment_says(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_isolation=serializable -c work_mem=8MB")
    with closing(open_connection(place.settings(), soon())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('transaction_isolation'), current_setting('work_mem')")
        assert cursor.fetchone() == ("read committed", "8MB")


def test_a_statement_is_a_transaction_of_its_own(place: Place) -> None:
    with closing(open_connection(place.settings(), soon())) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert connection.info.transaction_status == psycopg2.extensions.TRANSACTION_STATUS_IDLE


def test_a_wait_that_is_over_closes_the_connection(place: Place) -> None:
    with closing(open_connection(place.settings(), soon())) as connection, connection.cursor() as cursor:
        with pytest.raises(TimedOut), connection.until(soon(0.2)):
            cursor.execute("SELECT pg_sleep(10)")
        assert connection.closed


def test_connections_of_others_in_this_process_wait_as_long_as_it_takes(place: Place) -> None:
    with closing(connect(place.owner)) as owner, owner.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(0.1)")
        assert cursor.rowcount == 1


def test_a_connection_knows_that_the_other_side_hung_up(place: Place) -> None:
    with closing(open_connection(place.settings(), soon())) as connection:
        assert connection.may_be_used(60)
        place.sql.run("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
        assert not connection.may_be_used(60)
