"""What a cell that is down, or hangs, costs: its own requests a 503, and those of the others nothing."""

import json
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local import front_door_cells
from local.ports import pick
from shared import VERSION
from shared.rules.cells import Cell
from tests.local.cells import before, cells_at, id_of
from tests.local.doors import HOST, Answer, Door, Function

MUMBAI, DELHI = Cell("mumbai", 1), Cell("delhi", 2)
OFTEN = {'interval": "1s"': 'interval": "0.05s"'}
# Of all that a front door takes in at a time, so that few requests fill a cell's share.
ROOM = 12


@contextmanager
def hanging() -> Iterator[int]:
    """The port of a cell that takes every connection and never says a word."""
    with socket.create_server((HOST, 0), backlog=100) as server:
        yield server.getsockname()[1]


@pytest.fixture
def mumbai() -> Iterator[Function]:
    function = Function("mumbai")
    yield function
    function.shutdown()
    function.server_close()


def _until(door: Door, path: str, wanted: Callable[[Answer], bool], seconds: float = 20) -> Answer:
    deadline = time.monotonic() + seconds
    while not wanted(answer := door.ask("GET", path)):
        assert time.monotonic() < deadline, answer
        time.sleep(0.01)
    return answer


def _unavailable(answer: Answer) -> None:
    assert (answer.status, answer.problem()["code"]) == (503, "service_unavailable")
    assert int(answer.headers["retry-after"]) >= 1


def test_a_cell_that_is_down_is_so_at_once_and_for_itself_alone(mumbai: Function, tmp_path: Path) -> None:
    (nobody,) = pick(1)
    with before(tmp_path, cells_at({DELHI: nobody, MUMBAI: mumbai.server_port}), {"mumbai": mumbai}, OFTEN) as door:
        for method, path in (
            ("GET", f"/payments/{id_of(2)}"),
            ("POST", "/cells/delhi/payments"),
            ("GET", "/cells/delhi"),
        ):
            began = time.monotonic()
            _unavailable(door.ask(method, path, b"{}" if method == "POST" else None))
            assert time.monotonic() - began < 2
        # What is no cell's is answered by the next of the list.
        assert door.ask("GET", "/docs").headers["x-function"] == "mumbai"
        assert door.ask("GET", f"/payments/{id_of(1)}").status == 200
        health = door.ask("GET", "/health")
        assert (health.status, json.loads(health.body)["cells"]) == (200, {"delhi": "DOWN", "mumbai": "UP"})
        # It comes back without anybody's doing.
        with ExitStack() as ending:
            delhi = Function("delhi", nobody)
            ending.callback(delhi.server_close)
            ending.callback(delhi.shutdown)
            _until(door, f"/payments/{id_of(2)}", lambda answer: answer.status == 200)
            _until(door, "/health", lambda answer: "DOWN" not in answer.body.decode())
            _until(door, "/docs", lambda answer: answer.headers["x-function"] == "delhi")
        # And ends: requests that are under way wait for it a little, and then nobody does.
        _until(door, f"/payments/{id_of(2)}", lambda answer: answer.status == 503)


def test_all_cells_down_is_down(tmp_path: Path) -> None:
    first, second = pick(2)
    with before(tmp_path, cells_at({MUMBAI: first, DELHI: second}), {}) as door:
        health = door.ask("GET", "/v1/health/")
        assert (health.status, health.headers["content-type"]) == (503, "application/json")
        said = json.loads(health.body)
        assert datetime.now(UTC) - datetime.fromisoformat(said.pop("timestamp")) < timedelta(seconds=60)
        assert said == {
            "service": "payment-service",
            "version": VERSION,
            "status": "DOWN",
            "database_status": "DOWN",
            "cells": {"mumbai": "DOWN", "delhi": "DOWN"},
        }
        _unavailable(door.ask("GET", "/docs"))
        assert door.ask("GET", "/cells").status == 200


def test_a_cell_that_hangs_takes_its_share_and_that_of_what_is_no_cells_and_no_more(
    mumbai: Function, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_door_cells, "ROOM", ROOM)
    share = ROOM // 3
    with ExitStack() as ending:
        cells = {DELHI: ending.enter_context(hanging()), MUMBAI: mumbai.server_port}
        door = ending.enter_context(before(tmp_path, cells_at(cells), {}))
        for line in (f"GET /payments/{id_of(2)}", "POST /docs"):
            crowd = [ending.enter_context(door.connect()) for _ in range(share + 3)]
            for one in crowd:
                one.sendall(f"{line} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            # What is more than a share is refused at once, while those wait.
            refused: list[socket.socket] = []
            while len(refused) < 3:
                told, _, _ = select.select([one for one in crowd if one not in refused], [], [], 20)
                assert told
                refused += told
            assert all(one.recv(4096).startswith(b"HTTP/1.1 503 ") for one in refused)
        for _ in range(20):
            began = time.monotonic()
            assert door.ask("POST", "/payments", b"{}", Payment_Cell="mumbai").status == 200
            assert time.monotonic() - began < 5


def test_health_waits_for_a_cell_that_hangs_a_part_of_its_time_and_asks_the_others(
    mumbai: Function, tmp_path: Path
) -> None:
    cells, changes = {MUMBAI: mumbai.server_port}, {"= 5000, 2500, 1000": "= 400, 200, 500"}
    with hanging() as port, before(tmp_path, cells_at({DELHI: port, **cells}), {"mumbai": mumbai}, changes) as door:
        began = time.monotonic()
        for _ in range(20):
            answer = door.ask("GET", "/health")
            assert (answer.status, json.loads(answer.body)["cells"]) == (200, {"delhi": "DOWN", "mumbai": "UP"})
        # It is remembered for a while: who asks often asks the cells no oftener.
        assert mumbai.requests <= 2 + 2 * (time.monotonic() - began)
        # Who hangs up while he asks leaves nobody waiting for it.
        while time.monotonic() < began + 1.5:
            with door.connect() as connection:
                connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        asked = mumbai.requests
        _until(door, "/health", lambda _: mumbai.requests > asked)


def test_only_a_read_is_sent_again_where_a_cell_died_over_it(mumbai: Function, tmp_path: Path) -> None:
    with before(tmp_path, cells_at({MUMBAI: mumbai.server_port, DELHI: mumbai.server_port}), {"m": mumbai}) as door:
        _unavailable(door.ask("POST", "/cells/mumbai/payments/lost", b"{}"))
        assert mumbai.requests == 1
        assert door.ask("GET", f"/payments/{id_of(1)}/lost").status == 200
        assert mumbai.requests == 3
        # What a cell says of itself passes: it is asked once.
        assert door.ask("GET", f"/payments/{id_of(1)}/failing").headers["x-function"] == "mumbai"
        assert mumbai.requests == 4
