"""A sweep answers the rings that are due: several at once, each once, and not through an outage of the gateway."""

import threading
import time
from typing import Any

import pytest

from shared.gateways.protocol import Unknown
from shared.late import answer, due
from shared.late.due import answer_due
from shared.late.ring import Left, ring
from shared.platform.batches import Done
from tests.support.cluster import Place
from tests.support.ringing import RingingGateway, a_charge_fact
from tests.support.till import Till, WatchedDatabase

MANY = 30


@pytest.fixture
def gateway() -> RingingGateway:
    gateway = RingingGateway()
    gateway.facts = {("charge", f"pi_{number}"): a_charge_fact(f"pi_{number}") for number in range(MANY)}
    return gateway


@pytest.fixture(autouse=True)
def followed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The charges that the books followed."""
    ids: list[str] = []

    def follow(deps: Any, ring: Any, fact: Any) -> Left:
        ids.append(fact.gateway_id)
        return None

    monkeypatch.setattr(answer, "follow_charge", follow)
    return ids


@pytest.fixture
def heard() -> threading.Event:
    """That nothing more will ring."""
    heard = threading.Event()
    heard.set()
    return heard


def rung(till: Till) -> None:
    for number in range(MANY):
        ring(till.database, "scripted", "charge", f"pi_{number}")


def left(place: Place) -> int:
    return int(place.sql.value("SELECT count(*) FROM gateway_rings"))


def soon() -> tuple[float, float]:
    now = time.monotonic()
    return now + 20, now + 24


def test_every_ring_that_is_due_is_answered_once(
    till: Till, place: Place, followed: list[str], heard: threading.Event
) -> None:
    rung(till)
    place.sql.run("UPDATE gateway_rings SET ask_after = now() + interval '1 min' WHERE object_id = 'pi_7'")
    assert answer_due(till.deps, *soon(), heard) == Done(MANY - 1)
    assert sorted(followed) == sorted({f"pi_{number}" for number in range(MANY)} - {"pi_7"})
    assert left(place) == 1


def test_several_are_answered_at_once(till: Till, gateway: RingingGateway, heard: threading.Event) -> None:
    rung(till)
    together = threading.Barrier(due.WORKERS)
    gateway.reading = lambda: together.wait(10) if 1 < len(gateway.reads) <= 1 + due.WORKERS else None
    assert answer_due(till.deps, *soon(), heard) == Done(MANY)


def test_an_outage_is_not_worked_through(
    till: Till, gateway: RingingGateway, place: Place, heard: threading.Event
) -> None:
    rung(till)
    gateway.facts = dict.fromkeys(gateway.facts, Unknown("no answer", answered=False))
    done = answer_due(till.deps, *soon(), heard)
    assert done.more
    assert len(gateway.reads) < due.MOST_UNANSWERED + due.WORKERS
    assert left(place) == MANY


def test_what_the_gateway_answers_and_cannot_be_read_keeps_nothing_else_waiting(
    till: Till, gateway: RingingGateway, place: Place, heard: threading.Event
) -> None:
    rung(till)
    refused = Unknown("Stripe does not show it: more_permissions_required")
    gateway.facts |= {("charge", f"pi_{number}"): refused for number in range(MANY - 2)}
    assert answer_due(till.deps, *soon(), heard) == Done(MANY)
    assert left(place) == MANY - 2


def test_what_cannot_be_read_here_and_there_ends_nothing(
    till: Till, gateway: RingingGateway, place: Place, heard: threading.Event
) -> None:
    rung(till)
    gateway.facts |= {("charge", f"pi_{number}"): Unknown("no such status") for number in range(0, MANY, 10)}
    assert answer_due(till.deps, *soon(), heard) == Done(MANY)
    assert left(place) == MANY / 10


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), ValueError("another")])
def test_one_that_fails_keeps_no_other_from_being_answered(
    till: Till, gateway: RingingGateway, place: Place, heard: threading.Event, failure: Exception
) -> None:
    rung(till)
    gateway.facts["charge", "pi_0"] = failure
    assert answer_due(till.deps, *soon(), heard) == Done(MANY)
    assert left(place) == 1


def test_what_rings_until_the_missed_are_heard_is_answered_too(till: Till, place: Place, followed: list[str]) -> None:
    heard = threading.Event()

    def listen() -> None:
        while till.database.ran.count("lease_next_ring") == 0:
            time.sleep(0.01)
        rung(till)
        heard.set()

    listening = threading.Thread(target=listen)
    listening.start()
    assert answer_due(till.deps, *soon(), heard) == Done(MANY)
    listening.join()
    assert left(place) == 0


def test_nothing_begins_once_the_time_is_over(till: Till, gateway: RingingGateway, heard: threading.Event) -> None:
    rung(till)
    now = time.monotonic()
    assert answer_due(till.deps, now, now + 1, heard) == Done(0, more=True)
    assert gateway.reads == []


def test_what_hangs_is_not_waited_for(
    till: Till, gateway: RingingGateway, place: Place, heard: threading.Event
) -> None:
    rung(till)
    ended = threading.Event()
    gateway.reading = lambda: ended.wait(10) if len(gateway.reads) > 1 else None
    now = time.monotonic()
    try:
        done = answer_due(till.deps, now + 0.2, now + 0.4, heard)
        assert time.monotonic() < now + 5
        assert done.more
    finally:
        ended.set()


def test_a_database_that_is_gone_ends_it(till: Till, place: Place, heard: threading.Event) -> None:
    from shared.platform.database import DatabaseUnavailable

    till.database = WatchedDatabase(place.settings(db_port=1))
    with pytest.raises(DatabaseUnavailable):
        answer_due(till.deps, *soon(), heard)
