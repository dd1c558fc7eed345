"""The jobs of a sweep: side by side, and none in another's way, whatever happens to one of them or to one row."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from shared.platform.database import DatabaseUnavailable, Row
from shared.platform.settings import Settings
from tests.fakes.sink import Sink
from tests.sql.rows import a_payment, abandoned_charges, an_event
from tests.support.cluster import Place
from tests.support.till import Till, WatchedDatabase

OLD = "2020-01-01"
EXPIRED = """
INSERT INTO idempotency_keys (key_hash, fingerprint, payment_id, correlation_id, answer_status, answer, expires_at)
SELECT sha256(n::text::bytea), sha256(''), %(payment_id)s, '', 201, '{}', now() - make_interval(secs => n)
  FROM generate_series(1, %(number)s) AS n
"""


class Faulty(WatchedDatabase):
    """Raises for statements of these names."""

    failures: dict[str, Exception] = {}  # noqa: RUF012 - replaced, never changed

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        if name in self.failures:
            raise self.failures[name].with_traceback(None)  # else it collects the traces of all its times
        return run()


def something_for_each_job(place: Place) -> None:
    abandoned_charges(place.sql, 1, "scripted")
    place.sql.run("INSERT INTO gateway_rings (gateway, kind, object_id) VALUES ('elsewhere', 'charge', 'pi_1')")
    an_event(place.sql, "left", created_at=OLD, next_attempt_at=OLD)
    place.sql.run(EXPIRED, {"payment_id": a_payment(place.sql), "number": 1})
    an_event(place.sql, "delivered", created_at=OLD, delivered_at=OLD)


# What each job has left to do, by the statement that it cannot do without.
LEFT = {
    "lease_next": "SELECT count(*) FROM payments WHERE status = 'PENDING'",
    "lease_next_ring": "SELECT count(*) FROM gateway_rings WHERE tries = 0",
    "lease_events": "SELECT count(*) FROM outbox WHERE event_id = 'left' AND delivered_at IS NULL",
    "delete_expired_keys": "SELECT count(*) FROM idempotency_keys WHERE expires_at < now()",
    "delete_old_events": "SELECT count(*) FROM outbox WHERE event_id = 'delivered'",
}


@pytest.mark.parametrize("failure", [RuntimeError("a bug"), DatabaseUnavailable("57014")], ids=["bug", "database"])
@pytest.mark.parametrize("failing", [*LEFT, "watch_totals"])
def test_a_job_that_fails_keeps_no_other_from_its_end_and_then_the_sweep_fails(
    till: Till, place: Place, sink: Sink, caplog: pytest.LogCaptureFixture, failing: str, failure: Exception
) -> None:
    something_for_each_job(place)
    till.database = database = Faulty(place.settings())
    database.failures = {failing: failure}
    with heard(caplog), pytest.raises(type(failure), match=str(failure)):
        till.sweep()
    assert {name for name, left in LEFT.items() if place.sql.value(left)} == {failing} - {"watch_totals"}
    if failing != "watch_totals":
        [line] = [record for record in caplog.records if record.message == "a sweep's job failed"]
        assert bool(line.exc_info) == isinstance(failure, RuntimeError)
        assert [record.message for record in caplog.records].count("swept") == 1
    database.failures = {}
    till.sweep()
    assert not any(place.sql.value(left) for left in LEFT.values())


class heard:  # noqa: N801 - read as a word
    """What the service logs reaches caplog."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._handler = caplog.handler

    def __enter__(self) -> None:
        logging.getLogger("payment-service").addHandler(self._handler)

    def __exit__(self, *_: object) -> None:
        logging.getLogger("payment-service").removeHandler(self._handler)


def test_while_the_gateway_is_asked_events_go_out_and_keys_are_deleted(
    till: Till, place: Place, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.events.redelivery.LOOK_AGAIN", 0.05)
    something_for_each_job(place)
    held = till.gateway.hold()
    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(till.sweep)
        assert held.reached.wait(10)
        sink.wait_for(1)
        an_event(place.sql, "later", created_at=OLD, next_attempt_at=OLD)
        sink.wait_for(2)
        held.released.set()
        figures = sweeping.result(20)
    assert figures == {
        "settled": 1,
        "delivered": 2,
        "keys_deleted": 1,
        "events_deleted": 1,
        "missed": 0,
        "rings": 1,
        "more": 0,
    }


def test_a_sink_that_hangs_keeps_no_charge_from_being_settled(
    till: Till, place: Place, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.sweeping.sweep.LATEST", 1.0)
    sink.hold()
    something_for_each_job(place)
    figures = till.sweep()
    sink.release()
    assert (figures["settled"], figures["keys_deleted"], figures["more"]) == (1, 1, 1)


@pytest.mark.parametrize(("bad", "statement"), [("read", "events"), ("marked", "mark_delivered")])
def test_an_event_that_cannot_be_read_or_marked_keeps_no_other_from_its_delivery(
    till: Till, place: Place, sink: Sink, bad: str, statement: str
) -> None:
    """Two batches and more, and the bad one in the first."""
    for number in range(250):
        an_event(place.sql, f"e{number}", created_at=OLD, next_attempt_at=OLD)
    till.database = OneBad(place.settings(), statement, "event_ids", "e7")
    till.sweep()
    left = place.sql.run("SELECT event_id FROM outbox WHERE delivered_at IS NULL")
    assert [row["event_id"] for row in left] == ["e7"]
    assert ("e7" in sink.event_ids()) == (bad == "marked")
    assert len(sink.event_ids()) == (250 if bad == "marked" else 249)


class OneBad(WatchedDatabase):
    """A statement fails whenever this value is among those it is given."""

    def __init__(self, settings: Settings, statement: str, parameter: str, value: object) -> None:
        super().__init__(settings)
        self._bad = (statement, parameter, value)

    def attempt(self, name: str, parameters: Row, run: Callable[[], list[Row]]) -> list[Row]:
        statement, parameter, value = self._bad
        if name == statement and value in parameters[parameter]:
            b"\xe9".decode()
        return run()


def test_a_batch_with_an_event_that_the_sink_refuses_does_not_end_the_delivery(
    till: Till, place: Place, sink: Sink
) -> None:
    an_event(place.sql, "bad\r\nid", created_at=OLD, next_attempt_at=OLD)
    for number in range(250):
        an_event(place.sql, f"e{number}", created_at=OLD, next_attempt_at=OLD)
    assert till.sweep()["delivered"] == 250


REFUSES = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
CREATE TRIGGER refusing BEFORE DELETE ON {} FOR EACH ROW WHEN ({}) EXECUTE FUNCTION refuse()
"""


def test_keys_that_cannot_be_deleted_keep_no_other_from_it(till: Till, place: Place) -> None:
    place.sql.run(EXPIRED, {"payment_id": a_payment(place.sql), "number": 3000})
    bad = "OLD.key_hash IN (sha256('2990'), sha256('1500'), sha256('1499'), sha256('1'))"
    place.sql.run(REFUSES.format("idempotency_keys", bad))
    assert till.sweep()["keys_deleted"] == 2996
    assert till.sweep()["keys_deleted"] == 0


@pytest.mark.parametrize("column", ["delivered_at", "created_at"])
def test_events_that_cannot_be_deleted_keep_no_other_from_it(till: Till, place: Place, column: str) -> None:
    till.change(k_sink="")
    for number in range(20):
        an_event(place.sql, f"e{number:02}", **{column: OLD})
    place.sql.run(REFUSES.format("outbox", "OLD.event_id IN ('e00', 'e07')"))
    assert till.sweep()["events_deleted"] == 18


def test_a_statement_that_fails_for_every_row_ends_its_job(till: Till, place: Place) -> None:
    place.sql.run(EXPIRED, {"payment_id": a_payment(place.sql), "number": 300})
    place.sql.run(REFUSES.format("idempotency_keys", "true"))
    with pytest.raises(Exception, match="not this one"):
        till.sweep()


def test_what_is_open_is_counted_no_further_than_needed_and_said_so(
    till: Till, place: Place, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shared.sweeping.sweep.MOST_COUNTED", 3)
    monkeypatch.setattr("shared.sweeping.sweep.LONGEST", 0)
    abandoned_charges(place.sql, 2, "scripted")
    with heard(caplog):
        till.sweep()
        place.sql.run("TRUNCATE payments CASCADE")
        abandoned_charges(place.sql, 4, "scripted")
        till.sweep()
    swept = [vars(record) for record in caplog.records if record.message == "swept"]
    assert [line["pending"] for line in swept] == [2, "at least 3"]
    assert all(899 <= line["pending_oldest_seconds"] < 960 for line in swept)


def test_sweeps_that_overlap_ask_each_charge_once(till: Till, place: Place) -> None:
    abandoned_charges(place.sql, 60, "scripted")
    barrier = threading.Barrier(3)

    def sweep(_: int) -> int:
        barrier.wait(10)
        return till.sweep()["settled"]

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(sweep, range(3))) == 60
    assert set(till.gateway.moved.values()) == {1}
    assert len(till.gateway.calls) == 60
