"""The stand-ins for the neighbours, and the timer, as processes of their own."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from local import timer
from local.notification_service import Inbox
from local.ports import free, pick
from local.trip_service import person, trip
from shared.events.event import TRIP_COMPLETED
from tests.fakes.peers import peer, says_nothing
from tests.fakes.sink import Sink


@contextmanager
def running(name: str, **environment: str) -> Iterator[http.client.HTTPConnection]:
    port = pick(1)[0]
    environment = {**os.environ, "PORT": str(port), **environment}
    process = subprocess.Popen([sys.executable, "-m", f"local.{name}"], env=environment)
    try:
        while free(port):
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.02)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        yield connection
        connection.close()
    finally:
        process.terminate()
        assert process.wait(10) == 0


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None, **headers: str
) -> tuple[int, dict[str, object]]:
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


def test_trips_are_the_same_for_the_same_id() -> None:
    told = {"trip_id": 101, "status": "COMPLETED", "distance_km": 10.5, "surge_multiplier": 1.2}
    assert trip(101) == told | {"rider_id": "stand-in-rider-101", "driver_id": "stand-in-driver-101"}
    for trip_id in (1, 350, 5001, 997_999_999):
        assert trip(trip_id) == trip(trip_id)
        assert (trip(trip_id) or {})["status"] == "COMPLETED"
    assert (trip(998_000_000) or {})["status"] == (trip(998_999_999) or {})["status"] == "IN_PROGRESS"
    assert trip(999_000_000) is None
    assert trip(0) is None


def test_the_trip_service_answers_over_one_connection() -> None:
    with running("trip_service") as connection:
        assert ask(connection, "GET", "/trips/101") == (200, trip(101))
        assert ask(connection, "GET", "/trips/999000000")[0] == 404
        assert ask(connection, "GET", "/trips/one")[0] == 404
        assert ask(connection, "GET", "/")[0] == 404
        rider = ask(connection, "GET", "/riders/stand-in-rider-101")
        assert rider == (200, person("rider", "stand-in-rider-101"))
        assert rider[1]["name"] != ask(connection, "GET", "/drivers/stand-in-driver-101")[1]["name"]
        assert ask(connection, "GET", "/riders/101")[0] == 404, "somebody else's rider"


def test_a_trip_that_is_over_is_told_as_one_event_or_paid_by_its_own_key_with_the_token_of_the_moment(
    tmp_path: Path,
) -> None:
    token, events_token = tmp_path / "token", tmp_path / "events-token"
    events_token.write_text("of.the.events\n")
    with Sink() as payments, Sink() as broker, running(
        "trip_service",
        PAYMENT_SERVICE_URL=f"http://127.0.0.1:{payments.port}", PAYMENT_TOKEN_FILE=str(token),
        TRIP_SINK=broker.url, EVENT_TOKEN_FILE=str(events_token),
    ) as connection:  # fmt: skip
        assert ask(connection, "GET", "/trips/998000000")[1]["status"] == "IN_PROGRESS"
        by_http = '{"method": "UPI", "via": "http"}'
        assert ask(connection, "POST", "/trips/998000000/complete", by_http)[0] == 502, "nobody knows who asks"
        assert payments.received == []
        for written in ("first", "second"):
            token.write_text(f"{written}\n")
            ask(connection, "POST", "/trips/998000000/complete", by_http)
        assert broker.received == []
        wanted = '{"method": "CARD", "payment_token": "pm_card", "other": 1}'
        event = {"id": "trip-998000000-CARD", "source": "/trip-service", "type": TRIP_COMPLETED}
        told = {"trip_id": 998_000_000, "status": "COMPLETED", "event": event}
        for answered, status in ((202, 200), (503, 502)):
            broker.status = answered
            said = ask(connection, "POST", "/trips/998000000/complete", wanted)
            assert said == (status, told | {"answered": answered, "said": said[1]["said"]})
        assert ask(connection, "GET", "/trips/998000000")[1]["status"] == "COMPLETED"
        assert ask(connection, "POST", "/trips/999000000/complete")[0] == 404
        assert ask(connection, "POST", "/trips/101")[0] == 404
    assert len(broker.received) == 2
    for received in broker.received:
        assert received.headers["authorization"] == "Bearer of.the.events"
        assert {name: received.headers[f"ce-{name}"] for name in event} == event
        assert received.headers["ce-specversion"] == "1.0"
        assert received.json() == {"trip_id": 998_000_000, "method": "CARD", "payment_token": "pm_card"}
    assert [call.headers["authorization"] for call in payments.received] == ["Bearer first", "Bearer second"]
    for call in payments.received:
        assert (call.path, call.headers["idempotency-key"]) == ("/payments", "trip-998000000-UPI")
        assert call.json() == {"trip_id": 998_000_000, "method": "UPI"}


def test_a_trip_service_says_what_the_payment_service_said_and_sends_no_token_that_it_has_not() -> None:
    def behave(connection: socket.socket) -> None:
        connection.settimeout(10)
        request = b""
        while not request.endswith(b"}"):
            request += connection.recv(65536)
        body = json.dumps({"asked_with_a_token": b"uthorization" in request}).encode()
        head = f"HTTP/1.1 402 Declined\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        connection.sendall(head.encode() + body)

    with peer(behave) as port, running("trip_service", PAYMENT_SERVICE_URL=f"http://127.0.0.1:{port}") as connection:
        assert ask(connection, "POST", "/trips/101/complete", '{"via": "http"}') == (402, {"asked_with_a_token": False})
        assert ask(connection, "POST", "/trips/101/complete", "not JSON") == (503, {"error": "TRIP_SINK is not set"})


def test_the_notification_service_takes_each_key_once() -> None:
    with running("notification_service") as connection:
        for key in ("a", "b", "a"):
            assert ask(connection, "POST", "/v1/notifications", '{"n": 1}', Idempotency_Key=key)[0] == 202
        assert ask(connection, "POST", "/v1/notifications", "{}")[0] == 400
        assert ask(connection, "POST", "/v1/notifications", "not JSON", Idempotency_Key="c")[0] == 400
        status, shown = ask(connection, "GET", "/v1/notifications")
        assert status == 200
        assert shown == {"data": [{"id": "a", "content": {"n": 1}}, {"id": "b", "content": {"n": 1}}]}


def test_an_inbox_is_bounded() -> None:
    inbox = Inbox(shown=2, remembered=3)
    assert [inbox.take(key, key) for key in "abcab"] == [True, True, True, False, False]
    assert inbox.take("d", "d")
    assert [each["id"] for each in inbox.latest()] == ["c", "d"]
    assert inbox.take("a", "a")  # forgotten meanwhile


def test_a_tick_is_a_cloud_event_in_binary_mode() -> None:
    received: list[dict[str, str]] = []

    class Sweep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append({name.lower(): value for name, value in self.headers.items()})
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Sweep) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        assert timer.tick(f"http://127.0.0.1:{server.server_port}/") is None
        thread.join(10)
    assert received[0]["ce-specversion"] == "1.0"
    assert received[0]["ce-type"] == "dev.knative.sources.ping"
    assert {"ce-id", "ce-source", "ce-time"} <= set(received[0])


@pytest.mark.parametrize(("status", "ended"), [(204, 0), (200, 0), (500, 1), (302, 1)])
def test_a_timer_that_runs_once_ends_with_what_came_of_it_and_obeys_no_proxy(status: int, ended: int) -> None:
    def behave(connection: socket.socket) -> None:
        connection.settimeout(10)
        while not connection.recv(65536).endswith(b"{}"):
            pass
        connection.sendall(f"HTTP/1.1 {status} Said\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    proxies = dict.fromkeys(("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://127.0.0.1:1")
    with peer(behave) as port:
        environment = {**os.environ, **proxies, "FUNCTION_URL": f"http://127.0.0.1:{port}/"}
        command = [sys.executable, "-m", "local.timer", "--once"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (ended, "")
    if ended:
        line = json.loads(done.stdout)
        assert line["reason"] == f"it answered {status}"
        assert {"timestamp", "level", "message", "correlation_id", "function"} <= set(line)
    else:
        assert done.stdout == ""


def test_a_tick_says_who_it_is_and_is_none_where_that_cannot_be_read(tmp_path: Path) -> None:
    token = tmp_path / "token"
    with Sink() as sweep:
        assert timer.tick(sweep.url, str(token)) == "its token cannot be read: No such file or directory"
        token.write_text("a.b.c\n")
        assert timer.tick(sweep.url, str(token)) is None
        sweep.status = 401
        assert timer.tick(sweep.url, str(token)) == "it answered 401"
    assert [call.headers["authorization"] for call in sweep.received] == ["Bearer a.b.c"] * 2


def test_a_timer_that_reaches_nobody_says_why_and_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timer, "PATIENCE", 0.3)
    with peer(says_nothing) as port:
        assert timer.tick(f"http://127.0.0.1:{port}/") == "no answer in time"
