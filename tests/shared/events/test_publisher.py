"""The publisher: events leave at once, many at a time, in order for each payment, and no answer waits for one."""

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest

from local.place import CHECKOUT
from shared.events.delivery import EventSink
from shared.events.event import Event
from shared.events.publisher import Publisher
from shared.events.senders import SENDERS
from shared.gateways.protocol import Declined
from shared.platform.database import DatabaseUnavailable, Row
from tests.fakes.sink import Sink
from tests.support.cluster import Place
from tests.support.outbox import UNDELIVERED, deliver_left, delivered, grow_old, until
from tests.support.till import Till, WatchedDatabase, new_key, shown


def test_an_event_is_delivered_within_a_second_of_its_commit(events: Till, sink: Sink, place: Place) -> None:
    events.pay(method="CASH")
    began = time.monotonic()
    events.pay(method="CASH")
    received = sink.wait_for(2)
    assert received[1].at - began < 1
    delivered(place)
    assert events.sweep()["delivered"] == 0
    assert len(sink.received) == 2


def test_no_answer_waits_for_a_delivery(events: Till, sink: Sink) -> None:
    sink.hold()
    began = time.monotonic()
    for _ in range(5):
        assert events.pay(method="CASH").status == 201
    assert time.monotonic() - began < 2
    assert sink.received == []
    sink.release()
    sink.wait_for(5)


def test_events_leave_side_by_side_within_a_bound(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.senders.MOST_SLOW", 0)
    sink.hold()
    for _ in range(SENDERS + 5):
        events.pay(method="CASH")
    for _ in range(SENDERS):
        assert sink.reached.acquire(timeout=5)
    assert not sink.reached.acquire(timeout=0.2)
    sink.release()
    delivered(place)
    assert set(Counter(sink.event_ids()).values()) == {1}


def test_those_that_hang_do_not_count_among_the_others(events: Till, sink: Sink, place: Place) -> None:
    """As many as may be under way hang, and one that comes after them leaves all the same."""
    sink.hold()
    for _ in range(SENDERS + 1):
        events.pay(method="CASH")
    for _ in range(SENDERS + 1):
        assert sink.reached.acquire(timeout=4)
    sink.release()
    delivered(place)


def test_events_of_a_payment_leave_in_the_order_of_their_commits(events: Till, sink: Sink, place: Place) -> None:
    """Each only when the sink has taken the one before; those of different payments side by side."""
    sink.delay = 0.02
    payments = [shown(events.pay(method="CASH", amount="100.00")) for _ in range(10)]

    def refund_in_parts(payment: dict[str, object]) -> None:
        for _ in range(4):
            events.refund(int(str(payment["payment_id"])), "10.00")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(refund_in_parts, random.sample(payments, 10)))
    delivered(place)
    received = sink.wait_for(50)
    for payment in payments:
        told = [each for each in received if each.headers["ce-subject"] == f"payments/{payment['payment_id']}"]
        assert [each.json()["refunded_amount"] for each in told] == [0, 10, 20, 30, 40]
        assert all(after.at - before.at >= sink.delay for before, after in pairwise(told))


def test_what_follows_an_event_that_failed_waits_for_it_and_is_left_to_the_sweep_at_last(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.publisher.LONGEST_WAIT", 0.2)
    sink.status = 503
    payment = shown(events.pay(method="CASH", amount="100.00"))
    until(lambda: place.sql.value("SELECT sum(attempts) FROM outbox") == 1)
    sink.status = 200
    events.refund(payment["payment_id"], "40.00")
    events.publisher.drain()
    assert sink.event_ids() == []
    grow_old(place)
    assert deliver_left(events) == 2
    assert [each.headers["ce-type"].split(".")[3] for each in sink.received if each.taken] == ["succeeded", "refunded"]


def test_what_is_queued_or_under_way_no_sweep_sends(events: Till, sink: Sink, place: Place) -> None:
    """More than can be under way, for longer than EVENT_SWEEP_AGE."""
    sink.hold()
    for _ in range(SENDERS + 8):
        events.pay(method="CASH")
    kept = "SELECT count(*) FROM outbox WHERE next_attempt_at > now() + interval '4 s'"
    until(lambda: place.sql.value(kept) == SENDERS + 8)
    place.sql.run("UPDATE outbox SET created_at = created_at - interval '1 h'")
    assert deliver_left(events) == 0
    sink.release()
    delivered(place)
    assert Counter(sink.event_ids()) == dict.fromkeys(sink.event_ids(), 1)
    assert len(sink.event_ids()) == SENDERS + 8


def test_what_a_process_held_that_is_gone_is_due_within_seconds(events: Till, sink: Sink, place: Place) -> None:
    """Whoever is dead keeps nothing any more: its events are due when the last keeping is over."""
    sink.hold()
    events.pay(method="CASH")
    until(lambda: place.sql.value("SELECT count(*) FROM outbox WHERE next_attempt_at > now() + interval '4 s'") == 1)
    left = place.sql.value("SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM outbox")
    assert left <= 5


def test_events_that_do_not_fit_the_queue_go_with_the_sweep(events: Till, sink: Sink, place: Place) -> None:
    events.change(k_sink=sink.url, event_queue_size=3)  # queued or under way
    events.publisher = Publisher(events.database, events.settings)
    sink.hold()
    for _ in range(10):
        assert events.pay(method="CASH").status == 201
    sink.release()
    until(lambda: place.sql.value(UNDELIVERED) == 7)
    grow_old(place)
    assert deliver_left(events) == 7
    assert Counter(sink.event_ids()) == dict.fromkeys(sink.event_ids(), 1)
    assert len(sink.event_ids()) == 10


class Unwilling(WatchedDatabase):
    """Notes nothing that was delivered."""

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        if name == "mark_delivered":
            raise DatabaseUnavailable("it cannot")
        return run()


@pytest.mark.parametrize("fault", ["refused", "cut off", "not noted"])
def test_whatever_becomes_of_an_event_its_place_is_free_again(
    events: Till, sink: Sink, place: Place, fault: str
) -> None:
    events.change(k_sink=sink.url, event_queue_size=2)
    database = Unwilling(place.settings()) if fault == "not noted" else events.database
    events.publisher = Publisher(database, events.settings)
    sink.status, sink.mute = 422 if fault == "refused" else 200, fault == "cut off"
    noting = "mark_delivered" if fault == "not noted" else "note_failed"
    for number in range(1, 7):
        events.pay(method="CASH")
        until(lambda number=number: database.ran.count(noting) == number)
    assert len(set(sink.event_ids(taken=False))) == 6
    database.close()


def test_what_is_settled_is_answered_so_though_its_event_cannot_be_queued(
    events: Till, sink: Sink, place: Place, cannot_queue: Callable[[Publisher], None]
) -> None:
    cannot_queue(events.publisher)
    card, cash = events.pay(key="card"), events.pay(method="CASH")
    assert [card.status, cash.status] == [201, 201]
    assert events.pay(key="card").body == card.body
    assert events.refund(shown(card)["payment_id"], "40.00").status == 201
    events.gateway.next(Declined("no"))
    assert events.pay().status == 402
    assert place.sql.value(UNDELIVERED) == 4
    grow_old(place)
    assert events.sweep()["delivered"] == 4


@pytest.mark.parametrize("fault", ["down", "500", "404", "302", "mute"])
def test_what_the_sink_did_not_take_goes_with_a_later_sweep(events: Till, sink: Sink, place: Place, fault: str) -> None:
    if fault == "down":
        sink.down()
    elif fault == "mute":
        sink.mute = True
    else:
        sink.status = int(fault)
    for _ in range(3):
        events.pay(method="CASH")
    events.publisher.drain()
    events.publisher = Publisher(events.database, events.settings)
    assert place.sql.run("SELECT attempts FROM outbox WHERE delivered_at IS NULL") == [{"attempts": 1}] * 3
    grow_old(place)
    assert deliver_left(events) == 0
    assert place.sql.value("SELECT min(attempts) FROM outbox") == 2
    sink.mute, sink.status = False, 200
    if fault == "down":
        sink.up()
    assert deliver_left(events) == 0  # not at once: a pause after each refusal
    grow_old(place)
    assert deliver_left(events) == 3
    assert len(set(sink.event_ids())) == 3
    assert place.sql.value(UNDELIVERED) == 0


def test_marking_comes_in_batches_while_events_queue_up(events: Till, sink: Sink, place: Place) -> None:
    sink.hold()
    for _ in range(30):
        events.pay(method="CASH")
    sink.release()
    delivered(place)
    assert events.database.ran.count("mark_delivered") < 10


def test_a_mark_that_fails_is_left_to_the_sweep(events: Till, sink: Sink, place: Place, wire: object) -> None:
    broken = WatchedDatabase(place.settings(db_port=1))
    events.publisher = Publisher(broken, events.settings)
    events.pay(method="CASH")
    sink.wait_for(1)
    events.publisher.drain()
    assert place.sql.value(UNDELIVERED) == 1
    grow_old(place)
    assert events.sweep()["delivered"] == 1
    assert len(set(sink.event_ids())) == 1


def test_a_delivery_that_fails_in_an_unexpected_way_does_not_end_the_others(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:

    real, failed = EventSink._headers, threading.Event()

    def fail_once(sink: EventSink, event: Event) -> dict[str, str]:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("a bug")
        return real(sink, event)

    monkeypatch.setattr(EventSink, "_headers", fail_once)
    events.pay(method="CASH")
    assert failed.wait(5)
    events.pay(method="CASH")
    until(lambda: place.sql.run("SELECT attempts FROM outbox WHERE delivered_at IS NULL") == [{"attempts": 1}])
    grow_old(place)
    assert events.sweep()["delivered"] == 1


def test_what_is_queued_is_delivered_before_the_publisher_ends(events: Till, sink: Sink, place: Place) -> None:
    sink.hold()
    for _ in range(20):
        events.pay(method="CASH")
    sink.release()
    events.publisher.drain()
    assert len(sink.event_ids()) == 20
    assert place.sql.value(UNDELIVERED) == 0


def test_a_process_that_ends_delivers_what_is_queued_first(place: Place, sink: Sink) -> None:
    """A real process: it pays in cash and falls off its end at once."""
    program = (
        "from shared.platform.settings import read_settings\n"
        "from shared.pricing.price import Price\n"
        "from shared.charging.idempotency import IdempotencyKey\n"
        "from shared.charging.dependencies import Dependencies\n"
        "from shared.charging.charge import charge_at_once, new_payment\n"
        "from shared.web.requests import read_payment\n"
        "from shared.web.tracing import Trace\n"
        "from shared.web.origin import Origin\n"
        "from decimal import Decimal\n"
        "deps = Dependencies.of(read_settings())\n"
        "cash = deps.gateways.named('cash')\n"
        "for n in range(10):\n"
        "    request = read_payment({'trip_id': 1, 'method': 'CASH', 'amount': 5})\n"
        "    payment = new_payment(cash, request, Price(Decimal(5), 'INR', None), 0)\n"
        "    charge_at_once(deps, IdempotencyKey.of(str(n), '/payments', {}, Origin(Trace('c'), None), ''), payment)\n"
    )
    environment = {"PATH": os.environ["PATH"], "K_SINK": sink.url, **place.environment}
    subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, env=environment, check=True, timeout=30)
    assert len(sink.event_ids()) == 10
    assert place.sql.value(UNDELIVERED) == 0


def test_draining_ends_in_time_though_the_sink_hangs(events: Till, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.events.publisher.GRACE", 0.3)
    sink.hold()
    for _ in range(3):
        events.pay(method="CASH")
    began = time.monotonic()
    events.publisher.drain()
    assert time.monotonic() - began < 1
    sink.release()
    monkeypatch.setattr("shared.events.publisher.GRACE", 8.0)
    events.publisher.drain()  # what it has left is delivered to this test's sink, and not after it


def test_the_publisher_begins_with_the_first_event(place: Place, events: Till) -> None:
    def publishers() -> int:
        return sum(thread.name == "publisher" for thread in threading.enumerate())

    before = publishers()
    publisher = Publisher(events.database, events.settings)
    assert publishers() == before
    events.publisher = publisher
    barrier = threading.Barrier(8)

    def work(_: int) -> None:
        barrier.wait(10)
        events.pay(key=new_key(), method="CASH")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert publishers() == before + 1
    publisher.drain()
    assert publishers() == before


def test_a_machine_with_few_threads_sends_with_those_it_gives(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[str] = []
    start = threading.Thread.start

    def start_few(thread: threading.Thread) -> None:
        if thread.name == "event sender":
            if begun:
                raise RuntimeError("can't start new thread")
            begun.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_few)
    for _ in range(5):
        events.pay(method="CASH")
    delivered(place)
    assert len(sink.event_ids()) == 5
