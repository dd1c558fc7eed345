"""The pair of servers is what it says: one that takes writes, one that follows, and nothing lost when they change about."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from itertools import count

import psycopg2
import pytest

from tests.support.sql import Sql
from tests.support.standby import Pair, pair


@pytest.fixture(scope="module")
def servers() -> Iterator[Pair]:
    with pair() as servers:
        servers.primary.ask("CREATE TABLE kept AS SELECT 0 AS number; SELECT 1")
        yield servers


def test_a_standby_takes_no_writes(servers: Pair) -> None:
    assert servers.standby.ask("SELECT pg_is_in_recovery()")
    assert not servers.primary.ask("SELECT pg_is_in_recovery()")
    with pytest.raises(psycopg2.errors.ReadOnlySqlTransaction):
        servers.standby.ask("INSERT INTO kept VALUES (1) RETURNING number")


def test_a_commit_is_acknowledged_only_once_the_standby_has_it(servers: Pair) -> None:
    with Sql(servers.primary.environment()) as writer:
        backend = writer.backend
        servers.standby.kill()
        try:
            writer.start("INSERT INTO kept VALUES (-1)")
            assert _comes_to_wait(servers, backend)
        finally:
            servers.standby.start()
        writer.finish()
    assert servers.primary.ask("SELECT count(*) FROM kept WHERE number = -1") == 1


def test_a_fail_over_and_one_back_lose_no_commit_that_was_acknowledged(servers: Pair) -> None:
    acknowledged: list[int] = []
    for turn in (1, 2):
        lost, enough = servers.primary, threading.Event()
        writing = threading.Thread(target=_write, args=(servers, turn * 100_000, acknowledged, enough))
        writing.start()
        assert enough.wait(30)
        lost.kill()
        writing.join()
        servers.fail_over()
        assert servers.standby is lost
        with Sql(servers.primary.environment()) as sql:
            kept = {row["number"] for row in sql.run("SELECT number FROM kept")}
        assert set(acknowledged) <= kept
        servers.rejoin()


def _write(servers: Pair, first: int, acknowledged: list[int], enough: threading.Event) -> None:
    """Until the server is gone."""
    with suppress(psycopg2.Error), Sql(servers.primary.environment()) as sql:
        for number in count(first):
            sql.run("INSERT INTO kept VALUES (%s)", (number,))
            acknowledged.append(number)
            if number == first + 50:
                enough.set()


def _comes_to_wait(servers: Pair, backend: int) -> bool:
    with Sql(servers.primary.environment()) as sql:
        for _ in range(1000):
            if sql.value("SELECT wait_event FROM pg_stat_activity WHERE pid = %s", (backend,)) == "SyncRep":
                return True
            threading.Event().wait(0.01)
    return False
