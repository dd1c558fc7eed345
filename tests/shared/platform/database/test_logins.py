"""Logins: a pool makes them one at a time and wastes none, for a pooler has one core for those of all instances."""

import errno
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.platform.database import Database, DatabaseUnavailable
from tests.shared.platform.database.held import held
from tests.support.cluster import Place
from tests.support.outbox import until
from tests.support.wire import Wire

CONNECT_TIMEOUT = 0.8


@pytest.fixture
def database(place: Place, wire: Wire) -> Iterator[Database]:
    """A pool of five, not opened yet, over a wire that can be silent. A request waits 3 s at most."""
    database = Database(place.settings(db_port=wire.port, db_pool_size=5, db_connect_timeout=CONNECT_TIMEOUT))
    yield database
    database.close()


def test_requests_that_come_together_wait_for_one_login(database: Database, wire: Wire) -> None:
    wire.freeze()
    with ThreadPoolExecutor(5) as pool:
        answers = [pool.submit(database.run, "ping") for _ in range(5)]
        until(lambda: wire.connections > 0)
        time.sleep(CONNECT_TIMEOUT / 4)  # the others have had their time to log in too
        assert wire.connections == 1
        wire.thaw()
        assert [answer.result(10) for answer in answers] == [[{"writable": True}]] * 5


def test_a_login_is_one_threads(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    start = threading.Thread.start

    def note(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", note)
    assert database.run("ping")
    assert [name for name in started if name.startswith("database")] == ["database-login"]


def test_what_is_given_back_goes_to_who_waits_while_another_logs_in(database: Database, wire: Wire) -> None:
    got = threading.Semaphore(0)

    def need() -> None:
        with held(database, 5):
            got.release()

    with ThreadPoolExecutor(2) as pool:
        with held(database, 5):
            wire.freeze()
            needs = [pool.submit(need) for _ in range(2)]
            until(lambda: wire.connections == 2)  # one of them logs in
            assert not got.acquire(timeout=0.05)
        assert got.acquire(timeout=CONNECT_TIMEOUT / 2)
        wire.thaw()
        for each in needs:
            each.result(10)


def test_after_a_login_that_took_too_long_the_next_goes_on_for_whoever_comes_later(
    database: Database, wire: Wire
) -> None:
    wire.freeze()

    def ask_in_vain() -> int:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            database.run("ping")
        assert time.monotonic() - began < 2 * CONNECT_TIMEOUT
        return wire.connections

    assert ask_in_vain() == 1
    until(lambda: ask_in_vain() == 2)
    wire.thaw()
    assert database.run("ping") == [{"writable": True}]
    assert wire.connections == 2


def test_who_waited_for_a_login_that_failed_is_told_with_it(database: Database, wire: Wire) -> None:
    wire.end()
    with ThreadPoolExecutor(5) as pool:
        began = time.monotonic()
        for answer in [pool.submit(database.run, "ping") for _ in range(5)]:
            with pytest.raises(DatabaseUnavailable):
                answer.result(10)
    assert time.monotonic() - began < CONNECT_TIMEOUT


def test_who_waited_for_a_login_that_this_machine_refuses_is_told_with_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("os.dup", refuse)
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="Too many open files"):
            database.run("ping")
        assert time.monotonic() - began < CONNECT_TIMEOUT
    assert database.run("ping")


def test_a_pool_that_has_a_connection_is_in_no_hurry_for_another(database: Database) -> None:
    began = time.monotonic()
    with held(database):
        took = time.monotonic() - began
        with held(database):
            assert time.monotonic() - began > 2 * took


def test_a_pool_that_lost_its_connection_is_in_a_hurry(database: Database, wire: Wire) -> None:
    wire.freeze()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(database.run, "ping")
        until(lambda: wire.connections == 1)
        time.sleep(CONNECT_TIMEOUT * 0.75)  # so that its pause is a second and a half at least
        wire.thaw()
        slow.result(10)
    wire.cut_before("EXECUTE ping")
    began = time.monotonic()
    assert database.run_again("ping")
    assert wire.connections == 2
    assert time.monotonic() - began < 1
