"""Names of riders and drivers: in whatever form they are given, bounded, and nobody waits for them longer than a second."""

import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shared.platform.log import log
from shared.reading.receipts.names import LONGEST_NAME, PATIENCE, THREAD, read_names, readable_name
from shared.reading.receipts.receipt import Names
from shared.web.tracing import Trace
from tests.fakes.trips import COMPLETED, Cut, Drips, Held, Says, TripServer
from tests.support.settings import SETTINGS

URL = SETTINGS.trip_service_url
BOTH = replace(SETTINGS, rider_service_url=URL, driver_service_url=URL)
TRACE = Trace("a-correlation-id", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
NOBODY = Names()
# More than the second itself, for a machine that is busy with other things.
BUSY = 3.0
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
BADLY: dict[str, object] = {
    "not found": Says(404),
    "failing": Says(500, b'{"name": "Mallory"}'),
    "elsewhere": Says(302, b"", {"Location": f"{URL}/riders/8"}),
    "not JSON": Says(200, b"<html>Priya</html>"),
    "empty": Says(200, b""),
    "a list": ["Priya"],
    "null": None,
    "no name": {"id": 7},
    "another one's": {"id": 8, "name": "Mallory"},
    "a name that is none": {"id": 7, "name": {"first": "Priya"}},
    "huge": Says(200, b'{"name": "' + b"x" * (1 << 20) + b'"}'),
    "deep": Says(200, b"[" * 100_000),
    "cut off": Cut(HEAD + b'{"name": '),
    "hung up on": Cut(),
    "not compressed as it says": Says(200, b'{"name": "P"}', {"Content-Encoding": "gzip"}),
}


@pytest.fixture(autouse=True)
def a_trip_with_both(trips: TripServer) -> None:
    trips.says(101, COMPLETED | {"trip_id": 101, "rider_id": 7, "driver_id": "d-9/x"})
    trips.says_at("/riders/7", {"id": 7, "name": "Priya Iyer"})
    trips.says_at("/drivers/d-9%2Fx", {"name": "आदित्य कृष्णमूर्ति"})


@pytest.fixture(autouse=True)
def nobody_asks_for_the_test_before() -> Iterator[None]:
    yield
    for thread in threading.enumerate():
        if thread.name == THREAD:
            thread.join(BUSY)


def test_rider_and_driver_are_named() -> None:
    assert read_names(BOTH, 101, TRACE) == Names("Priya Iyer", "आदित्य कृष्णमूर्ति")


def test_whoever_has_no_service_is_not_asked_for(trips: TripServer) -> None:
    assert read_names(replace(BOTH, rider_service_url=""), 101, TRACE) == Names(None, "आदित्य कृष्णमूर्ति")
    assert [asked.path for asked in trips.asked] == ["/api/v1/trips/101", "/api/v1/drivers/d-9%2Fx"]


def test_what_ties_requests_together_is_passed_on(trips: TripServer) -> None:
    read_names(BOTH, 101, TRACE)
    assert len(trips.asked) == 3
    for asked in trips.asked:
        assert asked.headers["x-correlation-id"] == TRACE.correlation_id
        assert asked.headers["traceparent"] == TRACE.traceparent


@pytest.mark.parametrize(
    "answer",
    [
        {"name": "Priya Iyer"},
        {"full_name": "Priya Iyer"},
        {"fullName": "Priya Iyer", "name": None},
        {"data": {"name": "Priya Iyer"}, "id": "an envelope's"},
        {"rider": {"rider_id": "7", "name": "Priya Iyer"}},
        {"data": {"rider": {"name": "Priya Iyer"}}},
        {"rider": {"data": {"riderId": 7, "name": "  Priya\tIyer\n"}}},
    ],
)
def test_a_name_is_read_in_any_of_its_forms(trips: TripServer, answer: object) -> None:
    trips.says_at("/riders/7", answer)
    assert read_names(BOTH, 101, TRACE).rider == "Priya Iyer"


@pytest.mark.parametrize("trip", [{"riderId": "7"}, {"data": {"trip": {"rider_id": 7}}}, {"trip": {"rider_id": 7}}])
def test_a_trip_is_read_in_any_of_its_forms(trips: TripServer, trip: object) -> None:
    trips.says(101, trip)
    assert read_names(BOTH, 101, TRACE) == Names("Priya Iyer", None)


@pytest.mark.parametrize("rider", [None, True, 7.5, "", ".", "..", "a" * 101, "a\nb", ["7"], {"id": 7}])
def test_what_is_no_id_is_not_asked_for(trips: TripServer, rider: object) -> None:
    trips.says(101, COMPLETED | {"rider_id": rider})
    assert read_names(BOTH, 101, TRACE) == NOBODY
    assert len(trips.asked) == 1


@pytest.mark.parametrize("badly", BADLY.values(), ids=BADLY.keys())
def test_a_service_that_behaves_badly_costs_its_own_name_alone(trips: TripServer, badly: Any) -> None:
    trips.says_at("/riders/7", badly)
    assert read_names(BOTH, 101, TRACE) == Names(None, "आदित्य कृष्णमूर्ति")
    trips.says(101, badly)
    assert read_names(BOTH, 101, TRACE) == NOBODY


def test_nobody_waits_longer_than_a_second_for_all_of_it(trips: TripServer) -> None:
    held = [Held(), Held()]
    trips.says_at("/riders/7", held[0])
    trips.says_at("/drivers/d-9%2Fx", held[1])
    began = time.monotonic()
    assert read_names(BOTH, 101, TRACE) == NOBODY
    assert PATIENCE - 0.1 <= time.monotonic() - began < BUSY
    assert all(each.reached.is_set() for each in held), "side by side"


def test_a_slow_one_does_not_cost_the_other_s_name(trips: TripServer) -> None:
    trips.says_at("/riders/7", Drips(HEAD + b'{"name": "Priya Iyer"}', 0.2))
    began = time.monotonic()
    assert read_names(BOTH, 101, TRACE) == Names(None, "आदित्य कृष्णमूर्ति")
    assert time.monotonic() - began < BUSY


def test_why_there_is_no_name_is_logged_without_the_name(trips: TripServer, caplog: pytest.LogCaptureFixture) -> None:
    trips.says_at("/riders/7", {"id": 8, "name": "Mallory"})
    log.addHandler(caplog.handler)
    try:
        with caplog.at_level(logging.INFO):
            read_names(BOTH, 101, TRACE)
    finally:
        log.removeHandler(caplog.handler)
    [line] = [record for record in caplog.records if record.message == "no name for a receipt"]
    assert (line.of, line.why) == ("rider", "answered of another one")  # type: ignore[attr-defined]
    assert "Mallory" not in str(line.__dict__)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("\x1b[31mPriya\x07", "[31mPriya"),
        ("Priya\N{RIGHT-TO-LEFT OVERRIDE}Iyer", "PriyaIyer"),
        ("क्\N{ZERO WIDTH JOINER}ष", "क्\N{ZERO WIDTH JOINER}ष"),
        ("\N{ZERO WIDTH JOINER} \N{ZERO WIDTH SPACE}", None),
        ("   ", None),
        ("x" * LONGEST_NAME, "x" * LONGEST_NAME),
        ("x" * (LONGEST_NAME + 1), "x" * (LONGEST_NAME - 1) + "…"),
        (7, None),
        ("\ud800Priya", "Priya"),
    ],
)
def test_a_name_is_one_short_line_of_what_can_be_seen(said: object, shown: str | None) -> None:
    assert readable_name(said) == shown
