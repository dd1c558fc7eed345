"""Events: in the outbox with what they report, at the sink soon after, and again until it takes them."""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from shared import recover
from shared.gateway import Declined
from shared.publisher import Publisher
from shared.settings import Settings
from shared.undelivered import deliver_left as deliver_left_of
from tests.fakes.sink import Received, Sink
from tests.sql.rows import an_event
from tests.support.cluster import Place
from tests.support.ledger import Till, WatchedDatabase, new_key, shown

CHECKOUT = Path(__file__).parent.parent.parent
UNDELIVERED = "SELECT count(*) FROM outbox WHERE delivered_at IS NULL"


def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def delivered(place: Place) -> None:
    until(lambda: place.sql.value(UNDELIVERED) == 0)


def grow_old(place: Place, seconds: float = 60) -> None:
    """As if the events had been written, and refused, so much earlier."""
    place.sql.run(
        """UPDATE outbox SET created_at = created_at - make_interval(secs => %(s)s),
                             next_attempt_at = next_attempt_at - make_interval(secs => %(s)s)""",
        {"s": seconds},
    )


def deliver_left(till: Till) -> int:
    """What a sweep delivers where nothing was abandoned."""
    settled = threading.Event()
    settled.set()
    until = time.monotonic() + 20
    return deliver_left_of(till.database, until, until + 5, settled).count


def delete_events(till: Till) -> int:
    return recover.delete_events(till.database, time.monotonic() + 20).count


@pytest.fixture
def events(till: Till, sink: Sink) -> Till:
    """The till, with a publisher that was made when K_SINK was set."""
    till.publisher = Publisher(till.database)
    return till


def check_envelope(received: Received, type_: str, subject: str) -> None:
    headers = received.headers
    assert headers["ce-specversion"] == "1.0"
    assert headers["ce-type"] == f"com.ridehailing.{type_}.v1"
    assert (headers["ce-source"], headers["ce-subject"]) == ("/payment-service", subject)
    assert headers["content-type"] == "application/json"
    assert datetime.fromisoformat(headers["ce-time"]).tzinfo is not None
    assert headers["ce-correlationid"] == headers["x-correlation-id"]
    assert headers["ce-traceparent"] == headers["traceparent"]
    assert headers["ce-id"]


def test_an_event_says_what_happened_in_binary_mode(events: Till, place: Place, sink: Sink) -> None:
    answer = events.pay(amount="100.00")
    payment = shown(answer)
    subject = f"payments/{payment['payment_id']}"
    [received] = sink.wait_for(1)
    check_envelope(received, "payment.succeeded", subject)
    assert received.path == "/events"
    assert received.body.decode() == answer.body
    refund = shown(events.refund(payment["payment_id"], "40.00"))
    received = sink.wait_for(2)[1]
    check_envelope(received, "payment.refunded", subject)
    said = received.json()
    assert (said["payment_id"], said["refunded_amount"], said["status"]) == (payment["payment_id"], 40, "SUCCESS")
    assert said["refund"]["refund_id"] == refund["refund_id"]
    events.gateway.next(Declined("no"), Declined("no"))
    events.refund(payment["payment_id"])
    check_envelope(sink.wait_for(3)[2], "refund.failed", subject)
    failed = shown(events.pay())["payment"]
    received = sink.wait_for(4)[3]
    check_envelope(received, "payment.failed", f"payments/{failed['payment_id']}")
    assert received.json()["failure_code"] == "no"
    assert len(set(sink.event_ids())) == 4
    delivered(place)


def test_an_event_is_written_with_what_it_reports_even_without_a_sink(till: Till, place: Place) -> None:
    for method in ("CARD", "CASH"):
        till.pay(method=method)
    rows = place.sql.run("SELECT o.xmin::text = p.xmin::text AS together, delivered_at FROM outbox o JOIN payments p"
                         " ON o.subject = 'payments/' || p.payment_id")  # fmt: skip
    assert rows == [{"together": True, "delivered_at": None}] * 2
    assert till.sweep()["delivered"] == 0


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


def test_events_that_do_not_fit_the_queue_go_with_the_sweep(
    events: Till, sink: Sink, place: Place, change_settings: Callable[..., Settings]
) -> None:
    change_settings(k_sink=sink.url, event_queue_size=3)
    events.publisher = Publisher(events.database)
    sink.hold()
    for _ in range(10):
        assert events.pay(method="CASH").status == 201
    sink.release()
    until(lambda: place.sql.value(UNDELIVERED) == 6)  # one on its way, three queued
    grow_old(place)
    assert events.sweep()["delivered"] == 6
    assert Counter(sink.event_ids()) == dict.fromkeys(sink.event_ids(), 1)
    assert len(sink.event_ids()) == 10


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
    events.publisher = Publisher(events.database)
    assert place.sql.value(UNDELIVERED) == 3
    grow_old(place)
    assert events.sweep()["delivered"] == 0
    assert place.sql.value("SELECT min(attempts) FROM outbox") == 1
    sink.mute, sink.status = False, 200
    if fault == "down":
        sink.up()
    assert events.sweep()["delivered"] == 0  # not at once: a pause after each refusal
    grow_old(place)
    assert events.sweep()["delivered"] == 3
    assert len(set(sink.event_ids())) == 3
    assert place.sql.value(UNDELIVERED) == 0


def test_pauses_between_tries_grow_to_a_minute(events: Till, sink: Sink, place: Place) -> None:
    sink.status = 500
    an_event(place.sql, "e", created_at="yesterday", next_attempt_at="yesterday")
    pauses = []
    for _ in range(6):
        assert deliver_left(events) == 0
        pauses.append(place.sql.value("SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM outbox"))
        place.sql.run("UPDATE outbox SET next_attempt_at = now()")
    assert pauses == pytest.approx([5, 10, 20, 40, 60, 60], abs=0.5)


def test_a_sweep_leaves_young_events_to_their_function(
    events: Till, sink: Sink, place: Place, change_settings: Callable[..., Settings]
) -> None:
    change_settings(k_sink=sink.url, event_sweep_age=3.0)
    an_event(place.sql, "young", created_at=place.sql.value("SELECT now() - interval '2 s'"))
    an_event(place.sql, "old", created_at=place.sql.value("SELECT now() - interval '4 s'"))
    assert events.sweep()["delivered"] == 1
    assert sink.event_ids() == ["old"]


def test_a_sweep_delivers_the_oldest_first(events: Till, sink: Sink, place: Place) -> None:
    """The table has the newest first, and statistics that make a plan of many rows."""
    place.sql.run(MANY, (300,))
    place.sql.run("UPDATE outbox SET created_at = created_at - make_interval(secs => substr(event_id, 2)::int)")
    place.sql.run("UPDATE outbox SET next_attempt_at = created_at")
    place.sql.run("VACUUM ANALYZE outbox")
    assert events.sweep()["delivered"] == 300
    assert sink.event_ids() == [f"e{number}" for number in range(300, 0, -1)]


MANY = """INSERT INTO outbox (event_id, type, subject, correlation_id, data, created_at, next_attempt_at)
          SELECT 'e' || n, 'com.ridehailing.payment.succeeded.v1', 's', 'c', '{}', now() - '1 h'::interval,
                 now() - '1 h'::interval
            FROM generate_series(1, %s) AS n"""


def test_several_sweeps_at_once_deliver_each_event_once(place: Place, events: Till, sink: Sink) -> None:
    place.sql.run(MANY, (250,))
    barrier = threading.Barrier(4)

    def work(_: int) -> int:
        barrier.wait(10)
        return deliver_left(events)

    with ThreadPoolExecutor(4) as pool:
        counts = list(pool.map(work, range(4)))
    assert sum(counts) == 250
    assert Counter(sink.event_ids()) == {f"e{number}": 1 for number in range(1, 251)}
    assert place.sql.value(UNDELIVERED) == 0


def test_a_sweep_that_dies_delivers_again_rather_than_never(events: Till, sink: Sink, place: Place) -> None:
    place.sql.run(MANY, (5,))
    events.database.dies_before = "mark_delivered"
    with pytest.raises(BaseException, match="mark_delivered"):
        events.sweep()
    events.database.dies_before = ""
    assert place.sql.value(UNDELIVERED) == 5
    grow_old(place)
    assert events.sweep()["delivered"] == 5
    assert set(Counter(sink.event_ids()).values()) == {2}  # with the same ids, by which a repeat is dropped


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


def test_marking_waits_for_no_disk(place: Place, till: Till) -> None:
    """The transaction that marks turns synchronous_commit off, for itself alone."""
    place.sql.run("CREATE TABLE seen (setting text)")
    place.sql.run("GRANT INSERT ON seen TO payments_app")
    place.sql.run(
        """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
           CREATE TRIGGER noting AFTER UPDATE ON outbox FOR EACH STATEMENT EXECUTE FUNCTION note();
           CREATE TRIGGER noting AFTER INSERT ON payments FOR EACH STATEMENT EXECUTE FUNCTION note()"""
    )
    place.sql.run(f"ALTER DATABASE {place.name} SET synchronous_commit = on")
    till.database.close()
    an_event(place.sql, "e")
    till.database.run("mark_delivered", event_ids=["e"])
    till.pay()
    assert [row["setting"] for row in place.sql.run("SELECT setting FROM seen")] == ["off", "on"]


def test_marking_comes_in_batches_while_events_queue_up(events: Till, sink: Sink, place: Place) -> None:
    sink.hold()
    for _ in range(30):
        events.pay(method="CASH")
    sink.release()
    delivered(place)
    assert events.database.ran.count("mark_delivered") < 10


def test_a_mark_that_fails_is_left_to_the_sweep(events: Till, sink: Sink, place: Place, wire: object) -> None:
    broken = WatchedDatabase(place.settings(db_port=1))
    events.publisher = Publisher(broken)
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
    from shared import events as module

    real, failed = module.to_binary, threading.Event()

    def fail_once(*arguments: object) -> object:
        if not failed.is_set():
            failed.set()
            raise RuntimeError("a bug")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("shared.events.to_binary", fail_once)
    events.pay(method="CASH")
    assert failed.wait(5)
    events.pay(method="CASH")
    sink.wait_for(1, 3)
    grow_old(place)
    until(lambda: place.sql.value(UNDELIVERED) == 1)
    assert events.sweep()["delivered"] == 1


def test_one_event_that_cannot_be_sent_does_not_keep_a_sweep_from_the_others(
    events: Till, sink: Sink, place: Place
) -> None:
    an_event(place.sql, "bad\r\nid", created_at="yesterday", next_attempt_at="yesterday")
    place.sql.run(MANY, (3,))
    assert events.sweep()["delivered"] == 3
    assert place.sql.value(UNDELIVERED) == 1


def test_one_event_that_fails_in_an_unexpected_way_does_not_keep_a_sweep_from_the_others(
    events: Till, sink: Sink, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shared import events as module

    def fail_for_the_oldest(event: Any, *arguments: Any) -> Any:
        if event["id"] == "e1":
            raise RuntimeError("a bug")
        return real(event, *arguments)

    real = module.to_binary
    monkeypatch.setattr("shared.events.to_binary", fail_for_the_oldest)
    place.sql.run(MANY, (5,))
    place.sql.run("UPDATE outbox SET created_at = created_at - interval '1 h' WHERE event_id = 'e1'")
    with contextlib.suppress(RuntimeError):
        events.sweep()
    assert set(sink.event_ids()) == {"e2", "e3", "e4", "e5"}


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
        "from tests.support.gateway import ScriptedGateway\n"
        "from shared.database import Database\n"
        "from shared.publisher import Publisher\n"
        "from shared.known import Ledger\n"
        "from shared.charge import collect_cash, _claim_of\n"
        "from shared.models import read_payment\n"
        "from shared.tracing import Trace\n"
        "from decimal import Decimal\n"
        "database = Database()\n"
        "ledger = Ledger(database, ScriptedGateway(), Publisher(database))\n"
        "for n in range(10):\n"
        "    request = read_payment({'trip_id': 1, 'method': 'CASH', 'amount': 5})\n"
        "    collect_cash(ledger, _claim_of(request, Decimal(5), None, bytes([n] * 32), bytes(32), Trace('c')))\n"
    )
    environment = {"PATH": os.environ["PATH"], "K_SINK": sink.url, **place.environment}
    subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, env=environment, check=True, timeout=30)
    assert len(sink.event_ids()) == 10
    assert place.sql.value(UNDELIVERED) == 0


def test_draining_ends_in_time_though_the_sink_hangs(events: Till, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.publisher.GRACE", 0.3)
    sink.hold()
    for _ in range(3):
        events.pay(method="CASH")
    began = time.monotonic()
    events.publisher.drain()
    assert time.monotonic() - began < 1
    sink.release()
    monkeypatch.setattr("shared.publisher.GRACE", 8.0)
    events.publisher.drain()  # what it has left is delivered to this test's sink, and not after it


def test_the_publisher_begins_with_the_first_event(place: Place, events: Till) -> None:
    def publishers() -> int:
        return sum(thread.name == "publisher" for thread in threading.enumerate())

    before = publishers()
    publisher = Publisher(events.database)
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


def test_overrides_are_extensions_of_every_event(
    events: Till, sink: Sink, change_settings: Callable[..., Settings]
) -> None:
    """What is not visible ASCII is percent-encoded (CloudEvents HTTP protocol binding 1.0.2, 3.1.3.2)."""
    overrides = {"tenant": "north", "zone": "a b", "city": "Zürich ☃", "share": '5%"'}
    change_settings(k_sink=sink.url, k_ce_overrides=overrides)
    events.pay(method="CASH")
    [received] = sink.wait_for(1)
    assert (received.headers["ce-tenant"], received.headers["ce-zone"]) == ("north", "a%20b")
    assert (received.headers["ce-city"], received.headers["ce-share"]) == ("Z%C3%BCrich%20%E2%98%83", "5%25%22")
    assert received.headers["ce-source"] == "/payment-service"


@pytest.mark.parametrize(("k_sink", "left"), [("http://sink.test", ["old undelivered"]), ("", [])])
def test_events_are_deleted_when_their_time_is_over_but_a_sink_gets_them_first(
    till: Till, place: Place, change_settings: Callable[..., Settings], k_sink: str, left: list[str]
) -> None:
    change_settings(event_retention=100.0, k_sink=k_sink)
    for name, age in (("old", 101), ("young", 99)):
        past = place.sql.value("SELECT now() - make_interval(secs => %s)", (age,))
        an_event(place.sql, name, created_at="2020-01-01", delivered_at=past)
        an_event(place.sql, f"{name} undelivered", created_at=past)
    assert delete_events(till) == 2 - len(left)
    rows = place.sql.run("SELECT event_id FROM outbox ORDER BY 1")
    assert [row["event_id"] for row in rows] == [*left, "young", "young undelivered"]


def test_the_metrics_say_what_was_not_delivered(till: Till, place: Place) -> None:
    from shared.totals import read_totals

    an_event(place.sql, "a", created_at=place.sql.value("SELECT now() - interval '90 s'"))
    an_event(place.sql, "b")
    an_event(place.sql, "c", delivered_at="now")
    totals = read_totals(till.database)
    assert totals.undelivered_count == 2
    assert totals.undelivered_oldest == pytest.approx(90, abs=5)


def test_an_events_data_is_what_a_client_sees_of_the_payment(till: Till, place: Place) -> None:
    payment = shown(till.pay(metadata={"note": "ü ☃"}))
    data = place.sql.value("SELECT data FROM outbox")
    said = data if isinstance(data, dict) else json.loads(data)
    assert said["metadata"] == {"note": "ü ☃"}
    assert said["reference"] == payment["reference"]
