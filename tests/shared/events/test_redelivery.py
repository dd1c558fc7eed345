"""What was left in the outbox: sent by a sweep, the oldest first, in order for each payment, and nothing starves."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import Any

import pytest

from shared.events import redelivery
from shared.events.delivery import EventSink
from shared.events.event import Event
from shared.events.redelivery import FAILED_BEFORE, SENDERS
from tests.fakes.sink import Sink
from tests.sql.rows import an_event
from tests.support.cluster import Place
from tests.support.outbox import UNDELIVERED, deliver_left, grow_old, many
from tests.support.till import Till


def test_a_sweep_leaves_young_events_to_their_function(events: Till, sink: Sink, place: Place) -> None:
    events.change(k_sink=sink.url, event_sweep_age=3.0)
    an_event(place.sql, "young", created_at=place.sql.value("SELECT now() - interval '2 s'"))
    an_event(place.sql, "old", created_at=place.sql.value("SELECT now() - interval '4 s'"))
    assert events.sweep()["delivered"] == 1
    assert sink.event_ids() == ["old"]


def test_a_sweep_begins_with_the_oldest(events: Till, sink: Sink, place: Place) -> None:
    """The table has the newest first, and statistics that make a plan of many rows."""
    many(place, 300)
    place.sql.run("UPDATE outbox SET created_at = created_at - make_interval(secs => substr(event_id, 2)::int)")
    place.sql.run("UPDATE outbox SET next_attempt_at = created_at")
    place.sql.run("VACUUM ANALYZE outbox")
    assert events.sweep()["delivered"] == 300
    oldest_first = [f"e{number}" for number in range(300, 0, -1)]
    assert sorted(sink.event_ids()) == sorted(oldest_first)
    places = {event_id: place for place, event_id in enumerate(oldest_first)}
    assert all(abs(places[event_id] - came) < 2 * SENDERS for came, event_id in enumerate(sink.event_ids()))


def test_a_sweep_sends_side_by_side_and_no_more_than_it_leased(events: Till, sink: Sink, place: Place) -> None:
    many(place, 3 * SENDERS)
    sink.hold()
    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(deliver_left, events)
        for _ in range(SENDERS):
            assert sink.reached.acquire(timeout=5)
        assert place.sql.value("SELECT count(*) FROM outbox WHERE next_attempt_at > now()") == SENDERS
        sink.release()
        assert sweeping.result() == 3 * SENDERS


def test_what_a_sweep_has_no_time_for_is_not_pushed_back(events: Till, sink: Sink, place: Place) -> None:
    many(place, 4 * SENDERS)
    sink.hold()
    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(deliver_left, events, 1)
        for _ in range(SENDERS):
            assert sink.reached.acquire(timeout=5)
        place.sql.run("SELECT pg_sleep(1)")
        sink.release()
        assert sweeping.result() == SENDERS
    due = place.sql.run("SELECT attempts, refusals FROM outbox WHERE delivered_at IS NULL AND next_attempt_at <= now()")
    assert due == [{"attempts": 0, "refusals": 0}] * (3 * SENDERS)


def test_events_of_a_payment_go_in_order_and_those_of_others_side_by_side(
    events: Till, sink: Sink, place: Place
) -> None:
    many(place, 200, of_each=5)
    sink.delay = 0.01
    assert deliver_left(events) == 200
    for payment in range(40):
        told = [each for each in sink.received if each.headers["ce-subject"] == f"payments/{payment}"]
        assert [each.event_id for each in told] == [f"e{5 * payment + number}" for number in range(1, 6)]
        assert all(after.at - before.at >= sink.delay for before, after in pairwise(told))


def test_the_oldest_that_hang_again_and_again_keep_no_other_waiting(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More of them than the places for those that failed before."""
    monkeypatch.setattr("shared.events.delivery.DELIVERY_TIMEOUT", 2.0)
    many(place, 3 * SENDERS)
    sink.hanging = {f"e{number}" for number in range(1, 2 * FAILED_BEFORE + 5)}
    good = {f"e{number}" for number in range(1, 3 * SENDERS + 1)} - sink.hanging
    place.sql.run("UPDATE outbox SET attempts = 3 WHERE event_id = ANY (%(ids)s)", {"ids": sorted(sink.hanging)})
    assert deliver_left(events, 2) == len(good)
    assert set(sink.event_ids()) == good
    assert place.sql.value(UNDELIVERED) == len(sink.hanging)


def test_one_refusal_ends_nobody_elses_delivery(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.outbox.PAUSE", 60.0)  # however long 300 take, none is due for the second time
    many(place, 300)
    sink.statuses = {"e1": 422, "e100": 500, "e200": 404}
    assert deliver_left(events) == 297
    tried = place.sql.run(
        "SELECT event_id, attempts, refusals FROM outbox WHERE delivered_at IS NULL ORDER BY created_at"
    )
    assert [tuple(row.values()) for row in tried] == [("e1", 1, 1), ("e100", 1, 0), ("e200", 1, 1)]


def test_a_rest_that_ends_while_a_sweep_looks_ends_no_sweep(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = redelivery.lease_events

    def slow(*arguments: Any) -> list[Event]:
        found = real(*arguments)
        if not found:
            time.sleep(2 * redelivery.REST)
        return found

    monkeypatch.setattr(redelivery, "lease_events", slow)
    monkeypatch.setattr(redelivery, "SENDERS", 1)
    many(place, 3)
    sink.statuses = {"e1": 422}
    assert deliver_left(events) == 2


def test_an_event_waits_for_an_earlier_one_of_its_payment_until_that_is_set_aside(
    events: Till, sink: Sink, place: Place
) -> None:
    many(place, 2, of_each=2)
    sink.statuses = {"e1": 422}
    for _ in range(5):
        assert sink.event_ids() == []
        delivered = deliver_left(events)
        place.sql.run(
            "UPDATE outbox SET next_attempt_at = now() WHERE next_attempt_at < 'infinity' AND delivered_at IS NULL"
        )
    assert delivered == 1
    assert sink.event_ids() == ["e2"]
    assert len(sink.event_ids(taken=False)) == 6


@pytest.mark.parametrize("attempts", [0, 3])
def test_those_that_fail_at_once_keep_no_other_waiting_and_end_no_sweep(
    events: Till, sink: Sink, place: Place, attempts: int
) -> None:
    many(place, 130)
    bad = [f"e{number}" for number in range(1, 101)]
    place.sql.run(
        "UPDATE outbox SET attempts = %(attempts)s WHERE event_id = ANY (%(bad)s)", {"attempts": attempts, "bad": bad}
    )
    sink.statuses = dict.fromkeys(bad, 503)
    sink.delay = 0.1
    assert deliver_left(events) == 30
    assert not set(sink.event_ids()) & set(bad)


def test_where_all_fails_again_and_nothing_else_is_to_be_done_a_sweep_ends(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.redelivery.FAILING", 0.5)
    many(place, 300)
    place.sql.run("UPDATE outbox SET attempts = 1")
    sink.status = 503
    began = time.monotonic()
    assert deliver_left(events, 30) == 0
    assert time.monotonic() - began < 20
    assert place.sql.value("SELECT count(*) FROM outbox WHERE attempts = 1") > 0


def test_what_failed_before_has_the_places_that_nothing_else_needs(events: Till, sink: Sink, place: Place) -> None:
    many(place, 4 * SENDERS)
    place.sql.run("UPDATE outbox SET attempts = 1")
    sink.hold()
    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(deliver_left, events)
        for _ in range(FAILED_BEFORE + 1):
            assert sink.reached.acquire(timeout=5)
        sink.release()
        assert sweeping.result() == 4 * SENDERS


def test_a_sink_that_does_not_answer_is_left_alone_for_a_while(events: Till, sink: Sink, place: Place) -> None:
    sink.down()
    many(place, 20 * SENDERS)
    assert deliver_left(events, 1) == 0
    assert place.sql.value("SELECT sum(attempts) FROM outbox") <= 3 * SENDERS


def test_several_sweeps_at_once_deliver_each_event_once(place: Place, events: Till, sink: Sink) -> None:
    many(place, 250)
    barrier = Barrier(4)

    def work(_: int) -> int:
        barrier.wait(10)
        return deliver_left(events)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(work, range(4)))
    assert sum(counts) == 250
    assert Counter(sink.event_ids()) == {f"e{number}": 1 for number in range(1, 251)}
    assert place.sql.value(UNDELIVERED) == 0


def test_a_sweep_that_dies_delivers_again_rather_than_never(events: Till, sink: Sink, place: Place) -> None:
    many(place, 5)
    events.database.dies_before = "mark_delivered"
    with pytest.raises(BaseException, match="mark_delivered"):
        events.sweep()
    events.database.dies_before = ""
    assert place.sql.value(UNDELIVERED) == 5
    grow_old(place)
    assert events.sweep()["delivered"] == 5
    sent = Counter(sink.event_ids())  # with the same ids, by which a repeat is dropped
    assert set(sent) == {"e1", "e2", "e3", "e4", "e5"}
    assert max(sent.values()) == 2


def test_a_redelivery_is_the_same_event(events: Till, sink: Sink, place: Place) -> None:
    sink.status = 503
    events.pay()
    sink.wait_for(1)
    events.publisher.drain()
    sink.status = 200
    place.sql.run("UPDATE outbox SET next_attempt_at = now()")
    place.sql.run("SELECT pg_sleep(0.1)")  # EVENT_SWEEP_AGE of the tests
    events.sweep()
    first, second = sink.wait_for(2)
    assert first.headers == second.headers
    assert first.body == second.body


def test_one_event_that_cannot_be_sent_does_not_keep_a_sweep_from_the_others(
    events: Till, sink: Sink, place: Place
) -> None:
    an_event(place.sql, "bad\r\nid", subject="payments/bad", created_at="yesterday", next_attempt_at="yesterday")
    many(place, 3)
    assert events.sweep()["delivered"] == 3
    assert place.sql.value(UNDELIVERED) == 1


def test_one_event_that_fails_in_an_unexpected_way_does_not_keep_a_sweep_from_the_others(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = EventSink._headers

    def fail_for_the_oldest(sink: EventSink, event: Event) -> dict[str, str]:
        if event.event_id == "e1":
            raise RuntimeError("a bug")
        return real(sink, event)

    monkeypatch.setattr(EventSink, "_headers", fail_for_the_oldest)
    many(place, 5)
    place.sql.run("UPDATE outbox SET created_at = created_at - interval '1 h' WHERE event_id = 'e1'")
    assert events.sweep()["delivered"] == 4
    assert set(sink.event_ids()) == {"e2", "e3", "e4", "e5"}
