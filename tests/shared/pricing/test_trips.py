"""The Trip Service: its answers in either spelling, and every nonsense it may answer instead."""

import socket
import threading
import time
from decimal import Decimal
from typing import Any

import pytest

from shared.platform import http_client
from shared.pricing.trips import Trip, TripService
from shared.web.problems import Problem
from shared.web.tracing import Trace
from tests.fakes.trips import COMPLETED, Cut, Drips, Says, TripServer
from tests.support.settings import SETTINGS

TRACE = Trace("a-correlation-id", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
URL, TIMEOUT = SETTINGS.trip_service_url, SETTINGS.trip_service_timeout
JSON = {"Content-Type": "application/json"}
GOOD = b'{"status": "COMPLETED", "distance_km": 10.5}'


def ask(trip_id: int = 101, *, url: str = URL, timeout: float = TIMEOUT) -> Trip:
    return TripService(url, timeout).completed_trip(trip_id, TRACE)


def refusal(trip_id: int = 101, *, url: str = URL, timeout: float = TIMEOUT) -> Problem:
    with pytest.raises(Problem) as refused:
        ask(trip_id, url=url, timeout=timeout)
    return refused.value


SPELLINGS: list[tuple[dict[str, object], str | None, str]] = [
    ({"distance_km": 10.5, "surge_multiplier": 1.2}, "10.5", "1.2"),
    ({"distanceKm": 10.5, "surgeMultiplier": 1.2}, "10.5", "1.2"),
    ({"distance": 10.5}, "10.5", "1.0"),
    ({"distance": 7, "surge_multiplier": None}, "7", "1.0"),
    ({"distance_km": None, "distance": 3}, "3", "1.0"),
    ({"distance_km": 0, "surge_multiplier": 0}, "0", "0"),
    ({"trip_id": 101, "distance": 1, "driver": {"name": "x"}}, "1", "1.0"),
    ({"tripId": "101", "distance": 1}, "1", "1.0"),
    ({}, None, "1.0"),
    ({"distance_km": "10.5", "surge_multiplier": "1.20"}, "10.5", "1.20"),
    ({"distance": "7", "surgeMultiplier": "0"}, "7", "0"),
    ({"distance": "0" * 90 + "1.5"}, "1.5", "1.0"),
    ({"data": "none", "trip": ["a"], "distance": 1}, "1", "1.0"),
    ({"data": {"driver": "x"}, "trip": {}, "distance": 1}, "1", "1.0"),
]


@pytest.mark.parametrize(("fields", "distance", "surge"), SPELLINGS)
def test_fields_are_read_in_either_spelling(
    trips: TripServer, fields: dict[str, object], distance: str | None, surge: str
) -> None:
    trips.says(101, {"status": "COMPLETED"} | fields)
    assert ask() == Trip(Decimal(distance) if distance else None, Decimal(surge))


TRIP = {"trip_id": 101, "status": "COMPLETED", "distance_km": "10.5", "surge_multiplier": 1.2}
WRAPPED: dict[str, object] = {
    "in data": {"data": TRIP},
    "in trip": {"trip": TRIP},
    "in data, as JSend does": {"status": "success", "data": TRIP},
    "in trip in data": {"status": "success", "data": {"trip": TRIP}},
    "in data in trip": {"trip": {"data": TRIP}},
    "beside what is none": {"data": None, "trip": TRIP, "errors": []},
}


@pytest.mark.parametrize("answer", WRAPPED.values(), ids=WRAPPED)
def test_a_trip_may_be_wrapped(trips: TripServer, answer: object) -> None:
    trips.says(101, answer)
    assert ask() == Trip(Decimal("10.5"), Decimal("1.2"))


@pytest.mark.parametrize("wrapper", ["data", "trip"])
def test_the_status_of_a_wrapped_trip_is_the_one_that_counts(trips: TripServer, wrapper: str) -> None:
    trips.says(101, {"status": "COMPLETED", wrapper: TRIP | {"status": "IN_PROGRESS"}})
    assert refusal().code == "trip_not_completed"
    trips.says(101, {wrapper: TRIP | {"trip_id": 102}})
    assert refusal().code == "trip_service_unavailable"
    trips.says(101, {wrapper: [TRIP]})
    assert refusal().code == "trip_service_unavailable"


def test_a_byte_order_mark_is_accepted(trips: TripServer) -> None:
    trips.says(101, Says(body=b"\xef\xbb\xbf" + GOOD))
    assert ask().distance_km == Decimal("10.5")


NONSENSE = ("NaN", "1e400", "-Infinity", "9" * 5000, "-1", "true", '"far"', "{}", "null")


@pytest.mark.parametrize("distance", NONSENSE)
def test_where_nothing_is_computed_only_the_completion_of_a_trip_matters(trips: TripServer, distance: str) -> None:
    told = f'{{"status": "COMPLETED", "distance": {distance}, "surge_multiplier": {distance}, "driverId": 7}}'
    trips.says(101, Says(body=told.encode()))
    assert TripService(URL, TIMEOUT).driver_of_completed(101, TRACE) == "7"
    trips.says(101, Says(body=told.replace("COMPLETED", "CANCELLED").encode()))
    with pytest.raises(Problem, match="not completed"):
        TripService(URL, TIMEOUT).driver_of_completed(101, TRACE)


DRIVERS = [
    ({"driver_id": "driver-7"}, "driver-7"),
    ({"driverId": "fleet.1:A_9"}, "fleet.1:A_9"),
    ({"driver_id": None, "driverId": 7}, "7"),
    ({"driver_id": 7.0}, "7"),
    ({"driver_id": 0}, "0"),
    ({}, None),
    ({"driver_id": None}, None),
]
NO_DRIVERS = [True, -7, 7.5, "", "a" * 65, "asha k", "d/7", "é", "\x00", ["driver-7"], {"id": 7}, 2**63, 10**400]


@pytest.mark.parametrize(("fields", "driver"), DRIVERS)
def test_who_drove_is_read_in_either_spelling(trips: TripServer, fields: dict[str, object], driver: str | None) -> None:
    trips.says(101, COMPLETED | fields)
    assert ask().driver_id == TripService(URL, TIMEOUT).driver_of_completed(101, TRACE) == driver


@pytest.mark.parametrize("driver", NO_DRIVERS)
def test_what_is_no_driver_is_said_in_the_log_and_keeps_nobody_from_paying(
    trips: TripServer, driver: object, caplog: pytest.LogCaptureFixture
) -> None:
    trips.says(101, COMPLETED | {"driver_id": driver})
    assert ask().driver_id is None
    assert TripService(URL, TIMEOUT).driver_of_completed(101, TRACE) is None
    said = [(record.levelname, record.message, record.__dict__["trip_id"]) for record in caplog.records]
    assert said == [("WARNING", "the trip's driver is not understood", 101)] * 2


def test_numbers_are_exact_decimals(trips: TripServer) -> None:
    trips.says(101, Says(body=b'{"status": "completed", "distance": 0.1000000000000000055511151231257827}'))
    assert str(ask().distance_km) == "0.1000000000000000055511151231257827"


def test_the_path_in_the_url_is_kept_and_the_trace_sent_on(trips: TripServer) -> None:
    ask(7)
    [asked] = trips.asked
    assert asked.path == "/api/v1/trips/7"
    assert asked.headers["x-correlation-id"] == TRACE.correlation_id
    assert asked.headers["traceparent"] == TRACE.traceparent
    assert asked.headers["accept"] == "application/json"


def test_a_trip_that_is_not_known_is_trip_not_found(trips: TripServer) -> None:
    trips.says(101, Says(404, b"<html>no</html>"))
    assert (refusal().code, refusal().retry_after) == ("trip_not_found", None)


@pytest.mark.parametrize("status", ["IN_PROGRESS", "CANCELLED", "", "complete", "COMPLETED "])
def test_a_trip_that_is_not_completed_is_refused(trips: TripServer, status: str) -> None:
    trips.says(101, COMPLETED | {"status": status})
    assert refusal().code == "trip_not_completed"


STATUSES = [
    (201, GOOD),
    (204, b""),
    (206, GOOD),
    (400, b""),
    (401, b""),
    (403, b""),
    (410, b""),
    (429, b""),
    (500, GOOD),
]
TOO_DEEP = 400_000  # for any interpreter: Python 3.13 reads thousands
BODIES = {
    "nothing": b"",
    "HTML": b"<html><body>Welcome</body></html>",
    "half": b'{"status": "COMPLE',
    "null": b"null",
    "a list": b"[" + GOOD + b"]",
    "a string": b'"COMPLETED"',
    "a number": b"7",
    "no status": b'{"distance": 1}',
    "a status that is a number": b'{"status": 1, "distance": 1}',
    "a status that is null": b'{"status": null, "distance": 1}',
    "a status that is a list": b'{"status": ["COMPLETED"], "distance": 1}',
    "NaN": b'{"status": "COMPLETED", "distance": NaN}',
    "Infinity": b'{"status": "COMPLETED", "distance": Infinity}',
    "1e400": b'{"status": "COMPLETED", "distance": 1e400}',
    "a number of five thousand digits": b'{"status": "COMPLETED", "distance": ' + b"1" * 5000 + b"}",
    "a negative distance": b'{"status": "COMPLETED", "distance": -0.1}',
    "a negative surge": b'{"status": "COMPLETED", "distance": 1, "surge_multiplier": -1}',
    **{
        f"a distance of {text!r} in a string": b'{"status": "COMPLETED", "distance": "%s"}' % text.encode()
        for text in ("", "-1", "+1", "1e3", " 1", "1 ", "1,5", ".5", "1.", "NaN", "0x1", "١", "1" * 101)
    },
    "a status of NaN": b'{"status": NaN, "distance": 1}',
    "a distance that is true": b'{"status": "COMPLETED", "distance": true}',
    "a distance that is an object": b'{"status": "COMPLETED", "distance": {"km": 1}}',
    "a surge in a string": b'{"status": "COMPLETED", "distance": 1, "surge_multiplier": "1.2x"}',
    "a surge of NaN": b'{"status": "COMPLETED", "distance": 1, "surgeMultiplier": NaN}',
    "another trip": b'{"trip_id": 102, "status": "COMPLETED", "distance": 1}',
    "another trip, spelt otherwise": b'{"tripId": "102", "status": "COMPLETED", "distance": 1}',
    "a field given twice": b'{"status": "COMPLETED", "distance": 1, "distance": 2}',
    "not UTF-8": b'{"status": "COMPLETED\xff", "distance": 1}',
    "nested too deep": b'{"status": "COMPLETED", "distance": 1, "a": ' + b"[" * TOO_DEEP + b"]" * TOO_DEEP + b"}",
    "more than a megabyte": b'{"status": "COMPLETED", "distance": 1, "a": "' + b"x" * (1 << 20) + b'"}',
}
HEADERS = {
    "a redirect to a good trip": Says(302, b"", {"Location": "/api/v1/trips/102"}),
    "gzip that is none": Says(200, GOOD, JSON | {"Content-Encoding": "gzip"}),
    **{f"status {status}": Says(status, body) for status, body in STATUSES},
    **{name: Says(200, body) for name, body in BODIES.items()},
}
RAW = {
    "nothing at all": Cut(),
    "half a status line": Cut(b"HTTP/1.1 20"),
    "not HTTP": Cut(b"220 smtp.example ESMTP\r\n"),
    "headers without end": Cut(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"),
    "half a body": Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + GOOD),
    "half a chunk": Cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\n" + GOOD),
    "chunks of nonsense": Cut(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + GOOD),
    "a length that is none": Cut(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{"),
    "headers without number": Cut(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: x\r\n" % n for n in range(500))),
    "a header without end": Cut(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000),
}


@pytest.mark.parametrize("answer", (HEADERS | RAW).values(), ids=(HEADERS | RAW).keys())
def test_every_nonsense_is_trip_service_unavailable(trips: TripServer, answer: object) -> None:
    trips.says(101, answer)
    problem = refusal()
    assert (problem.code, problem.status) == ("trip_service_unavailable", 503)
    assert problem.retry_after
    assert "127.0.0.1" not in problem.detail
    assert len(trips.asked) <= 2  # a redirect is not followed


def test_after_nonsense_the_next_answer_is_read_rightly(trips: TripServer) -> None:
    """A connection with something left on it is not used again."""
    for answer in (HEADERS["status 500"], HEADERS["more than a megabyte"], RAW["half a body"], HEADERS["HTML"]):
        trips.says(101, answer)
        refusal()
        assert ask(102).distance_km == Decimal("10.5")


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
SLOW = {
    "drips its status line": Drips(HEAD + GOOD),
    "drips its headers": Drips(HEAD[17:] + GOOD, at_once=HEAD[:17]),
    "drips its body": Drips(GOOD + b" " * 60, at_once=HEAD),
    "drips chunks": Drips(b"1\r\n \r\n" * 50, at_once=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "drips a body without a length": Drips(b" " * 100, at_once=b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"),
    "drips 100 Continue": Drips(b"HTTP/1.1 100 Continue\r\n\r\n" * 20, 0.02),
}


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW.keys())
def test_a_call_is_bounded_as_a_whole_however_the_answer_drips(trips: TripServer, answer: Drips) -> None:
    trips.says(101, answer)
    began = time.monotonic()
    assert refusal(timeout=0.4).code == "trip_service_unavailable"
    assert 0.3 < time.monotonic() - began < 0.8


def test_a_trip_service_that_says_nothing_is_given_up_in_time(trips: TripServer) -> None:
    trips.says(101, Drips(b"x", 60))
    began = time.monotonic()
    assert refusal(timeout=0.3).code == "trip_service_unavailable"
    assert time.monotonic() - began < 0.7


def test_a_trip_service_that_is_not_there_is_known_at_once() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        began = time.monotonic()
        assert refusal(url=f"http://127.0.0.1:{bound.getsockname()[1]}").code == "trip_service_unavailable"
        assert time.monotonic() - began < 0.5


@pytest.mark.parametrize("url", ["http://trip-service.invalid", "https://127.0.0.1:{port}"])
def test_a_name_that_is_none_and_a_server_without_tls_are_unavailable(trips: TripServer, url: str) -> None:
    assert refusal(url=url.format(port=trips.url.split(":")[2].split("/")[0])).code == "trip_service_unavailable"


def test_a_name_server_that_hangs_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve, released = socket.getaddrinfo, threading.Event()

    def hang(*arguments: Any, **options: Any) -> Any:
        released.wait(3)
        return resolve(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    began = time.monotonic()
    assert refusal(url="http://localhost:1", timeout=0.4).code == "trip_service_unavailable"
    took = time.monotonic() - began
    released.set()
    assert took < 0.8


def test_a_connection_is_kept_and_one_that_was_closed_meanwhile_is_replaced(trips: TripServer) -> None:
    ask()
    trips.says(101, Cut(Says(200, GOOD).raw()))  # answers, and closes the connection although it did not say so
    assert ask().distance_km == Decimal("10.5")
    trips.reset()
    assert ask().distance_km == Decimal("10.5")


def test_many_calls_at_once_are_each_bounded(trips: TripServer) -> None:
    trips.says(101, SLOW["drips its body"])
    took: list[float] = []

    def work(number: int) -> None:
        began = time.monotonic()
        if number % 2:
            refusal(101, timeout=0.5)
        else:
            ask(102, timeout=0.5)
        took.append(time.monotonic() - began)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(took) == 20
    assert max(took) < 1.5


def test_a_call_without_time_fails_and_harms_no_connection(trips: TripServer) -> None:
    for _ in range(5):
        reply = http_client.request("GET", f"{trips.url}/trips/1", timeout=5.0, headers={})
        assert reply.status == 200
        with pytest.raises(http_client.NoResponse):
            http_client.request("GET", f"{trips.url}/trips/1", timeout=0.0, headers={})


@pytest.mark.parametrize("field", [r'"note": "a\u0000b"', r'"note": "\ud83d"', '"notes": ' + "[" * 60 + "]" * 60])
def test_fields_that_nobody_reads_do_not_matter(trips: TripServer, field: str) -> None:
    trips.says(101, Says(200, f'{{"status": "COMPLETED", "distance": 10.5, {field}}}'.encode(), JSON))
    assert ask().distance_km == Decimal("10.5")


OURS = ("2", "delhi")
OF_THIS_CELL: tuple[Any, ...] = (2, "2", "delhi", "Delhi", None)
OF_ANOTHER: tuple[Any, ...] = (1, 0, -2, "1", "mumbai", "2.0", "", 2**80)
NO_CELL: tuple[Any, ...] = (True, 2.0, [2], {"number": 2})


@pytest.mark.parametrize("wrapped", [lambda trip: trip, lambda trip: {"status": "success", "data": {"trip": trip}}])
@pytest.mark.parametrize("driver_alone", [False, True])
def test_a_trip_of_another_cell_is_refused_whatever_is_asked_of_it(
    trips: TripServer, wrapped: Any, driver_alone: bool
) -> None:
    here = TripService(URL, TIMEOUT, OURS)

    def code(cell: object) -> str:
        trips.says(101, wrapped(COMPLETED | {"cell": cell}))
        try:
            here.driver_of_completed(101, TRACE) if driver_alone else here.completed_trip(101, TRACE)
        except Problem as refused:
            return refused.code
        return ""

    assert [code(cell) for cell in OF_THIS_CELL] == [""] * len(OF_THIS_CELL)
    assert [code(cell) for cell in OF_ANOTHER] == ["wrong_cell"] * len(OF_ANOTHER)
    assert [code(cell) for cell in NO_CELL] == ["trip_service_unavailable"] * len(NO_CELL)
    trips.says(101, wrapped({"status": "IN_PROGRESS", "cell": "mumbai"}))
    with pytest.raises(Problem) as refused:
        here.completed_trip(101, TRACE)
    assert refused.value.code == "wrong_cell", "nothing to wait for here"


def test_the_only_cell_does_not_mind_what_else_a_trip_calls_a_cell(trips: TripServer) -> None:
    trips.says(101, COMPLETED | {"cell": {"h3": "8a2a1072b59ffff"}})
    assert ask().distance_km == Decimal("10.5")
