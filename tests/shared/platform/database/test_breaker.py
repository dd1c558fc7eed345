"""Without its synchronous standby a server answers no commit. What waits there stays little, and nothing is cancelled."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from local.postgres import Postgres
from shared.platform.database import Database, DatabaseUnavailable, breaker
from shared.platform.database.breaker import Breaker
from tests.sql.rows import CLAIM
from tests.support.cluster import Place, migrate

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
STANDBY = "ALTER SYSTEM SET synchronous_standby_names = '{}'"


class Commits:
    """A database's commits, as a breaker sees them: those that do not come back wait there, unless they are said to have
    gone (`gone`)."""

    def __init__(self) -> None:
        self.come_back = True
        self.waiting = False
        self.gone = False
        self.tried = 0

    def write(self) -> str:
        self.tried += 1
        if self.come_back:
            return "written"
        self.waiting = not self.gone
        raise DatabaseUnavailable("no answer", timed_out=True)


@pytest.fixture
def commits() -> Commits:
    return Commits()


@pytest.fixture
def closing(commits: Commits, monkeypatch: pytest.MonkeyPatch) -> Breaker:
    """A breaker whose pauses begin at 50 ms."""
    monkeypatch.setattr(breaker, "FIRST_PAUSE", 0.05)
    return Breaker(lambda: commits.waiting)


def refused(closing: Breaker, commits: Commits) -> None:
    with pytest.raises(DatabaseUnavailable):
        closing.run(commits.write)


def test_a_write_that_timed_out_has_the_next_ones_refused_at_once(closing: Breaker, commits: Commits) -> None:
    commits.come_back = False
    refused(closing, commits)
    refused(closing, commits)
    assert commits.tried == 1


def test_a_write_that_timed_out_and_waits_nowhere_refuses_nobody(closing: Breaker, commits: Commits) -> None:
    """Its connection was forgotten on the way."""
    commits.come_back, commits.gone = False, True
    refused(closing, commits)
    commits.come_back = True
    assert closing.run(commits.write) == "written"


def test_where_nobody_can_tell_the_others_are_refused_too(commits: Commits) -> None:
    def silent() -> bool:
        raise DatabaseUnavailable("no answer")

    closing = Breaker(silent)
    commits.come_back = False
    refused(closing, commits)
    refused(closing, commits)
    assert commits.tried == 1


def test_after_a_pause_one_is_let_through_and_pauses_grow(closing: Breaker, commits: Commits) -> None:
    commits.come_back = False
    refused(closing, commits)
    tried_at = [time.monotonic()]
    while len(tried_at) < 4:
        commits.waiting = False  # an operator ended what waited
        before = commits.tried
        refused(closing, commits)
        if commits.tried > before:
            tried_at.append(time.monotonic())
        time.sleep(0.001)
    pauses = [later - earlier for earlier, later in pairwise(tried_at)]
    assert pauses == sorted(pauses)
    assert pauses[2] > 0.15


def test_none_is_let_through_while_earlier_ones_wait_and_all_once_they_have_come_back(
    closing: Breaker, commits: Commits
) -> None:
    commits.come_back = False
    refused(closing, commits)
    for _ in range(5):  # the pauses do not grow: what asks leaves nothing behind
        time.sleep(0.06)
        refused(closing, commits)
    assert commits.tried == 1
    commits.come_back, commits.waiting = True, False
    time.sleep(0.06)
    assert [closing.run(commits.write) for _ in range(3)] == ["written"] * 3


def test_what_fails_otherwise_refuses_nobody(closing: Breaker, commits: Commits) -> None:
    def broken() -> str:
        raise DatabaseUnavailable("the connection broke", passing=True)

    with pytest.raises(DatabaseUnavailable):
        closing.run(broken)
    assert closing.run(commits.write) == "written"


@pytest.fixture
def own() -> Iterator[tuple[Postgres, Place]]:
    """A server of this test alone, whose commits wait for a standby where one is named."""
    with Postgres.temporary(synchronous_commit="on", fsync=True) as server:
        server.create_database("payments")
        migrate(server, "payments")
        yield server, Place(server, "payments")


def test_without_a_standby_few_wait_and_all_goes_on_when_it_is_back(own: tuple[Postgres, Place]) -> None:
    _, place = own
    database = Database(place.settings(db_pool_size=2, db_statement_timeout=0.2))

    def claim(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable):
            database.run("claim_payment", **a_claim(number))
        return time.monotonic() - began

    place.sql.run(STANDBY.format("nobody"))
    place.sql.run("SELECT pg_reload_conf()")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(claim, range(2)))
    ends, number = time.monotonic() + 4, 2
    while time.monotonic() < ends:  # pauses of one and two seconds are over in it
        assert claim(number) < 2.5
        assert database.run_again("look", key_hash=number.to_bytes(32), lease_seconds=3) == []  # reads go on
        number += 1
    assert 1 <= place.sql.value(WAITING) <= 2
    deadline = time.monotonic() + 10
    while database.writable_within(2):  # health is not what it says it is while no payment can be taken
        assert time.monotonic() < deadline
        time.sleep(0.1)
    place.sql.run(STANDBY.format(""))
    place.sql.run("SELECT pg_reload_conf()")
    deadline = time.monotonic() + 3
    while True:
        try:
            database.run("claim_payment", **a_claim(10**9))
            break
        except DatabaseUnavailable:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert place.sql.value(WAITING) == 0
    assert database.writable_within(2)
    assert place.sql.value("SELECT count(*) FROM payments") == 3  # what waited was committed, not cancelled
    database.close()


def test_a_commit_that_waits_for_a_moment_as_every_one_does_counts_as_one_that_comes_back(
    own: tuple[Postgres, Place],
) -> None:
    """Else a write whose connection was forgotten would have all others refused, for as long as there is traffic."""
    _, place = own
    database = Database(place.settings(db_pool_size=2))
    place.sql.run(STANDBY.format("nobody"))
    place.sql.run("SELECT pg_reload_conf()")
    with ThreadPoolExecutor(1) as pool:
        began = time.monotonic()
        claim = pool.submit(database.run, "claim_payment", **a_claim(0))
        while not place.sql.value(WAITING):
            time.sleep(0.001)
        while not database.run_again("commits_waiting")[0]["waiting"]:
            assert time.monotonic() - began < 4
            time.sleep(0.001)
        assert time.monotonic() - began > 1
        place.sql.run(STANDBY.format(""))
        place.sql.run("SELECT pg_reload_conf()")
        claim.result()
    assert not database.run_again("commits_waiting")[0]["waiting"]
    database.close()


def a_claim(number: int) -> dict[str, object]:
    """A claim of its own key and reference."""
    return CLAIM | {"key_hash": number.to_bytes(32), "reference": f"PAY-{number}", "trip_id": number + 1}
