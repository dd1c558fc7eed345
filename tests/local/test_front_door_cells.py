"""Which cell a request goes to, by the real Envoy: the one that gave out its id, or that its prefix, header or host names."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.front_door_cells import main, write_list
from shared.rules.cells import GREATEST_CELL, IDS_OF_A_CELL, Cell
from tests.fakes.issuer import Issuer
from tests.local import http2
from tests.local.cells import before, cells_at, id_of
from tests.local.doors import HOST, Answer, Door, Function, functions, running
from tests.local.test_front_door_access import of

CELLS = [Cell("first", 0), Cell("mumbai", 1), Cell("new-delhi", 2), Cell("last", GREATEST_CELL)]
NAMES = "first, mumbai, new-delhi, last"


@pytest.fixture(scope="module")
def behind() -> Iterator[dict[str, Function]]:
    made = {cell.name: Function(cell.name) for cell in CELLS}
    yield made
    for function in made.values():
        function.shutdown()
        function.server_close()


@pytest.fixture(scope="module")
def door(behind: dict[str, Function], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    cells = cells_at({cell: behind[cell.name].server_port for cell in CELLS})
    with before(tmp_path_factory.mktemp("cells"), cells, behind) as started:
        yield started


def _seen(answer: Answer) -> dict[str, Any]:
    """What reached a cell."""
    assert answer.status == 200, answer.body
    told: dict[str, Any] = json.loads(answer.body)
    number = {cell.name: str(cell.number) for cell in CELLS}[told["function"]]
    assert told["headers"].get("payment-cell") in (number, None)
    return told


def _refused(door: Door, answer: Answer, passed: int) -> str:
    assert (answer.status, answer.problem()["code"]) == (400, "invalid_request")
    assert door.passed == passed
    detail: str = answer.problem()["detail"]
    return detail


PATHS_OF_AN_ID = [
    *("/payments/{}", "/v1/payments/{}", "/payments/{}/", "/payments/{}/refunds", "/v1/payments/{}/receipt/"),
    *(
        "/payments/{}?x=1",
        "/console/payments/{}",
        "/v1/console/payments/{}/refund/confirm",
        "/payments/{}/no-such-thing",
    ),
    *("/payments/000{}", "/x/../payments/{}"),
]


@pytest.mark.parametrize("path", PATHS_OF_AN_ID)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_an_id_leads_to_the_cell_that_gave_it_out(door: Door, path: str, method: str) -> None:
    for cell in CELLS:
        asked = path.format(id_of(cell.number))
        seen = _seen(door.ask(method, asked, b"{}" if method == "POST" else None))
        assert (seen["function"], seen["path"]) == (cell.name, asked.replace("/x/../", "/"))
        assert seen["headers"]["payment-cell"] == str(cell.number)


def test_every_id_of_a_cell_and_no_other_leads_to_it(door: Door) -> None:
    for cell in CELLS:
        for number in (cell.number * IDS_OF_A_CELL + 1, (cell.number + 1) * IDS_OF_A_CELL - 1):
            assert _seen(door.ask("GET", f"/payments/{number}"))["function"] == cell.name
    assert door.ask("GET", f"/payments/{3 * IDS_OF_A_CELL}").status == 404
    assert _seen(door.ask("GET", f"/payments/{3 * IDS_OF_A_CELL - 1}"))["function"] == "new-delhi"


NO_PAYMENTS = [
    *(
        str(id_of(3)),
        str(2**53),
        str(2**53 + 1),
        str(2**63 - 1),
        "9" * 40,
        f"1{id_of(1)}",
        "0",
        "000",
        "-1",
        "+1",
        "1.0",
    ),
    *(f"{id_of(1)}x", "x", f"{id_of(1)};x", f"{id_of(1)},{id_of(2)}", "0x10000000001", "%20", f"%20{id_of(1)}"),
    f"00000000{id_of(1)}",  # as the functions: at most nineteen digits
]


@pytest.mark.parametrize("payment_id", NO_PAYMENTS)
def test_an_id_of_no_cell_is_of_no_payment(door: Door, payment_id: str) -> None:
    passed = door.passed
    line = f"GET /v1/payments/{payment_id}/receipt HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: mine\r\n\r\n"
    answer = door.raw(line.encode())
    problem = answer.problem()
    assert (answer.status, problem["code"], problem["correlation_id"]) == (404, "payment_not_found", "mine")
    assert problem["instance"].startswith("/payments/")
    assert door.passed == passed


def test_a_cell_that_is_named_decides_itself_on_what_is_no_id(door: Door) -> None:
    assert _seen(door.ask("GET", "/cells/mumbai/payments/x"))["path"] == "/payments/x"
    assert _seen(door.ask("GET", "/payments/x", Payment_Cell="2"))["function"] == "new-delhi"
    assert door.ask("GET", f"/cells/mumbai/payments/{id_of(3)}").problem()["code"] == "payment_not_found"


def test_encoded_digits_are_an_id_all_the_same(door: Door) -> None:
    encoded = "".join(f"%{ord(digit):x}" for digit in str(id_of(1)))
    assert _seen(door.ask("GET", f"/payments/{encoded}"))["path"] == f"/payments/{id_of(1)}"


@pytest.mark.parametrize(("ending", "name"), [("", "first"), ("-1", "mumbai"), ("-2", "new-delhi"), ("-8191", "last")])
def test_a_reference_leads_to_its_cell(door: Door, ending: str, name: str) -> None:
    path = f"/console/settle/PAY-20261127-7QH4V0ZK3MDX9T2C{ending}"
    assert _seen(door.ask("POST", path, b""))["function"] == name


LONG = ["/payments/" + "0" * 3900 + "x", "/console/settle/PAY-1-" + "1" * 3900 + "!"]


@pytest.mark.parametrize("path", LONG)
def test_no_path_takes_long_to_look_at_however_it_is_made(door: Door, path: str) -> None:
    """Nothing else is answered meanwhile, of no cell. A pattern that tries each way to part it takes a tenth of a second."""

    def seconds() -> float:
        began = time.perf_counter()
        assert door.ask("GET", path).status in (400, 404)
        return time.perf_counter() - began

    assert min(seconds() for _ in range(5)) < 0.05


# How a request names a cell, other than by an id: target, and headers.
NAMING = [
    ("/payments", {"Payment_Cell": "new-delhi"}),
    ("/payments", {"PAYMENT_CELL": "2"}),
    ("/payments", {"payment_cell": " new-delhi "}),
    ("/payments", {"Payment_Cell": "New-Delhi"}),
    ("/payments", {"Host": "new-delhi.pay.example.com"}),
    ("/payments", {"Host": "NEW-Delhi.pay.example.com:8082"}),
    ("/payments", {"Host": "new-delhi:80"}),
    ("/payments", {"Host": "new-delhi.", "Payment_Cell": "2"}),
    ("/cells/new-delhi/payments", {}),
    ("/cells/new-delhi/payments", {"Host": "new-delhi.pay.example.com", "Payment_Cell": "new-delhi"}),
    ("/cells/%6eew-delhi/payments", {"Host": "[::1]:8082"}),
    ("/cells/mumbai/../new-delhi/payments", {"Host": "pay.example.com"}),
    ("http://new-delhi.example.com/payments", {"Host": "mumbai.example.com"}),
]


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(("target", "headers"), NAMING)
def test_a_prefix_a_header_or_a_host_names_the_cell(
    door: Door, target: str, headers: dict[str, str], method: str
) -> None:
    seen = _seen(door.ask(method, target, b"{}" if method == "POST" else None, **headers))
    assert (seen["function"], seen["path"]) == ("new-delhi", "/payments")
    assert seen["headers"]["payment-cell"] == "2"


PREFIXED = {
    "/cells/mumbai": "/",
    "/cells/mumbai/": "/",
    "/cells/mumbai?a=b": "/?a=b",
    "/v1/cells/mumbai": "/v1",
    "/v1/cells/mumbai/payments": "/v1/payments",
    "/cells/mumbai/v1/payments/": "/v1/payments/",
    "/cells/mumbai/payments?cell=/cells/last": "/payments?cell=/cells/last",
    "/cells/mumbai/cells/last/payments": "/cells/last/payments",
    "/cells/mumbai/payments//": "/payments//",
    "/cells/mumbai/console/files/x.css": "/console/files/x.css",
    "/cells/mumbai/webhooks/stripe": "/webhooks/stripe",
    "/cells/mumbai/health": "/health",
    "/cells/mumbai/cells": "/cells",
    "/cells/mumbai/console": "/console",
}


@pytest.mark.parametrize("path", PREFIXED)
def test_the_prefix_is_taken_off_and_told(door: Door, path: str) -> None:
    for written in ({}, {"X_Forwarded_Prefix": "/cells/last"}):
        seen = _seen(door.ask("GET", path, None, **written))
        assert (seen["function"], seen["path"]) == ("mumbai", PREFIXED[path])
        assert seen["headers"]["x-forwarded-prefix"] == "/cells/mumbai"


@pytest.mark.parametrize("path", ["/docs", "/payments", f"/payments/{id_of(2)}"])
def test_what_a_client_writes_as_prefix_reaches_no_cell(door: Door, path: str) -> None:
    named = {} if path != "/payments" else {"Payment_Cell": "1"}
    for name in ("X-Forwarded-Prefix", "x-forwarded-prefix", "X_Forwarded_Prefix"):
        lines = "".join(f"{key.replace('_', '-')}: {value}\r\n" for key, value in named.items())
        sent = f"GET {path} HTTP/1.1\r\nHost: x\r\n{name}: /cells/a\r\n{lines}{name}: /cells/b\r\n\r\n"
        assert not {"x-forwarded-prefix", "x_forwarded_prefix"} & set(_seen(door.raw(sent.encode()))["headers"])


WRONG = [
    ("/payments", {"Payment_Cell": "pune"}),
    ("/payments", {"Payment_Cell": "3"}),
    ("/payments", {"Payment_Cell": "02"}),
    ("/payments", {"Payment_Cell": ""}),
    ("/payments", {"Payment_Cell": "mumbai, mumbai"}),
    ("/docs", {"Payment_Cell": "pune"}),
    (f"/payments/{id_of(1)}", {"Payment_Cell": "pune"}),
    ("/cells/pune/payments", {}),
    ("/cells/1/payments", {}),
    ("/cells/Mumbai/payments", {}),
    ("/cells/mumbai%20/payments", {}),
    ("/cells/any/payments", {}),
    ("/payments", {"Payment_Cell": "any"}),
]


@pytest.mark.parametrize(("path", "headers"), WRONG)
def test_a_cell_that_is_not_there_is_refused_with_those_that_are(
    door: Door, path: str, headers: dict[str, str]
) -> None:
    passed = door.passed
    answer = door.ask("POST", path, b"{}", **headers)
    assert _refused(door, answer, passed) == f"There is no such cell. The cells are: {NAMES}."


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/cells/mumbai/payments", {"Payment_Cell": "new-delhi"}),
        ("/cells/mumbai/payments", {"Host": "new-delhi.example.com"}),
        ("/payments", {"Payment_Cell": "1", "Host": "new-delhi.example.com"}),
        (f"/payments/{id_of(1)}/refunds", {"Payment_Cell": "new-delhi"}),
        (f"/payments/{id_of(1)}/refunds", {"Host": "new-delhi.example.com"}),
        (f"/cells/new-delhi/payments/{id_of(1)}/refunds", {}),
        (f"/cells/mumbai/payments/{id_of(1)}/refunds", {"Payment_Cell": "2"}),
    ],
)
def test_two_cells_in_one_request_are_refused(door: Door, path: str, headers: dict[str, str]) -> None:
    passed = door.passed
    assert "names two cells" in _refused(door, door.ask("POST", path, b"{}", **headers), passed)


def test_a_header_given_twice_is_refused(door: Door) -> None:
    passed = door.passed
    for second in ("mumbai", "new-delhi"):
        sent = f"GET /payments HTTP/1.1\r\nHost: x\r\nPayment-Cell: mumbai\r\nPAYMENT-CELL: {second}\r\n\r\n"
        assert "more than once" in _refused(door, door.raw(sent.encode()), passed)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/payments",
            "/v1/payments/",
            "/payments?payment_id=1",
            "/metrics",
            "/metrics/prometheus",
            "/webhooks/stripe",
        ),
        *("/ledger/balances", "/console/payments", "/console/payments.csv", "/console/attention", "/nowhere", "//docs"),
        *("/docsx", "/cells//payments", "/console/settle/PAY-1", "/sweep"),
    ],
)
@pytest.mark.parametrize(
    "host", ["127.0.0.1:8082", "[::1]", "pay.example.com", "PUNE.example.com", "mumbaix.example.com"]
)
def test_what_is_a_cells_needs_one(door: Door, path: str, host: str) -> None:
    passed = door.passed
    for method in ("GET", "POST"):
        detail = _refused(door, door.ask(method, path, b"" if method == "POST" else None, Host=host), passed)
        assert detail.startswith(
            "Name the cell: by the header Payment-Cell, or by a path that begins with /cells/NAME."
        )
        assert detail.endswith(f"The cells are: {NAMES}.")


def test_http_1_0_and_2_name_a_cell_alike(door: Door) -> None:
    answer = door.raw(b"GET /payments HTTP/1.0\r\nPayment-Cell: last\r\n\r\n")
    assert _seen(answer)["function"] == "last"
    assert door.raw(b"GET /payments HTTP/1.0\r\n\r\n").status == 400
    with door.connect() as connection:
        http2.begin(connection)
        for stream, fields in enumerate(({"payment-cell": "2"}, {":authority": "new-delhi.example.com"}, {})):
            connection.sendall(http2.request(2 * stream + 1, "GET", "/payments", **fields))
            told = json.loads(http2.body_of(connection, 2 * stream + 1))
            assert told.get("function", told.get("code")) == ("new-delhi" if fields else "invalid_request")


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/docs", "/docs/x.css", "/v1/openapi.json", "/healthz/", "/console/files/x"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_what_is_no_cells_is_answered_by_the_first(door: Door, path: str, method: str) -> None:
    answer = door.ask(method, path, b"" if method == "POST" else None)
    assert (answer.status, answer.headers["x-function"]) == (200, "first")
    if method == "GET":
        seen = _seen(answer)
        assert seen["path"] == path
        assert "payment-cell" not in seen["headers"]


def test_the_console_begins_with_all_cells(door: Door) -> None:
    for path in ("/console", "/v1/console/", "/console/cells"):
        assert _seen(door.ask("GET", path))["path"] == "/console/cells"
    assert _seen(door.ask("GET", "/console?a=b"))["path"] == "/console/cells?a=b"
    assert _seen(door.ask("GET", "/console", Host="mumbai.example.com"))["path"] == "/console"


def test_the_list_of_cells(door: Door) -> None:
    passed = door.passed
    for path in ("/cells", "/cells/", "/v1/cells", "/cells?x"):
        answer = door.ask("GET", path, X_Correlation_ID="mine")
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        assert (answer.headers["x-correlation-id"], answer.headers["cache-control"]) == ("mine", "no-store")
        assert json.loads(answer.body) == {"cells": [{"name": cell.name, "number": cell.number} for cell in CELLS]}
    answer = door.ask("HEAD", "/cells")
    assert (answer.status, answer.body, door.passed) == (200, b"", passed)


def test_a_request_keeps_what_traces_it_and_its_host(door: Door) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    answer = door.ask("POST", "/cells/mumbai/payments", b"{}", traceparent=trace, X_Correlation_ID="mine", Host="a.b:9")
    headers = _seen(answer)["headers"]
    assert (headers["traceparent"], headers["x-correlation-id"], headers["host"]) == (trace, "mine", "a.b:9")
    assert answer.headers["x-correlation-id"] == "mine"


def test_envoy_had_nothing_to_warn_of(door: Door) -> None:
    assert not re.search(r"\[(warning|error|critical)\]", door.log.read_text())


def test_with_one_cell_none_need_be_named(behind: dict[str, Function], tmp_path: Path) -> None:
    cells = cells_at({Cell("mumbai", 1): behind["mumbai"].server_port})
    with before(tmp_path, cells, behind) as door:
        for path in ("/payments", "/console", "/health", "/metrics", "/webhooks/stripe", "/payments/x", "/docs"):
            assert (seen := _seen(door.ask("POST", path, b"")))["path"] == path
            assert seen["headers"]["payment-cell"] == "1"
        assert door.ask("GET", f"/payments/{id_of(2)}").status == 404
        assert door.ask("POST", "/payments", b"", Payment_Cell="2").status == 400
        # Envoy reads another list while it runs.
        more = cells_at({Cell("mumbai", 1): cells_port(cells[0]), Cell("pune", 9): behind["last"].server_port})
        write_list(tmp_path / "access", more)
        deadline = time.monotonic() + 20
        while len(json.loads(door.ask("GET", "/cells").body)["cells"]) < 2 or (
            door.ask("GET", f"/payments/{id_of(9)}").status != 200
        ):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert door.ask("POST", "/payments", b"").status == 400


def cells_port(cell: Cell) -> int:
    return int(cell.address.rpartition(":")[2])


def test_through_both_front_doors_a_request_and_its_answer_are_what_they_were(tmp_path: Path) -> None:
    """Each cell asks its own callers for tokens, and says itself what they are told."""
    for name in ("cell", "cells"):
        (tmp_path / name).mkdir()
    with ExitStack() as ending:
        issuer, behind = ending.enter_context(Issuer()), ending.enter_context(functions())
        cell = ending.enter_context(running(tmp_path / "cell", behind, settings=of(issuer)))
        door = ending.enter_context(before(tmp_path / "cells", cells_at({Cell("mumbai", 1): cell.port}), behind))
        for method, path in (
            ("GET", "/payments"),
            ("POST", "/payments"),
            ("GET", "/payments/x%2fy"),
            ("GET", "/metrics"),
        ):
            direct, through = (
                each.ask(method, path, b"{}" if method == "POST" else None, X_Correlation_ID="mine")
                for each in (cell, door)
            )
            for answer in (direct, through):
                answer.headers.pop("date")
                answer.headers.pop("connection", None)  # of each connection alone
            assert direct == through
        token = f"Bearer {issuer.token()}"
        seen = json.loads(door.ask("POST", "/cells/mumbai/payments", b"{}", Authorization=token, Host="a.b:9").body)
        assert (seen["function"], seen["path"]) == ("create_payment", "/payments")
        names = ("authorization", "payment-cell", "x-forwarded-prefix", "x-caller-address")
        assert [seen["headers"][name] for name in names] == [token, "1", "/cells/mumbai", HOST]
        seen = json.loads(door.ask("GET", "/cells/mumbai/console/x", Authorization=token, Host="a.b:9").body)
        assert seen["headers"]["host"] == "a.b:9"


@pytest.mark.parametrize("cells", ["", "mumbai=1", "mumbai=1@a:1,delhi=2", "mumbai=1@a:1,delhi=1@b:2"])
def test_without_an_address_of_each_nothing_is_written(
    cells: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELLS", cells)
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "access")])
    with pytest.raises(SystemExit, match=r"^payment-service cannot start: CELLS must be a list"):
        main()
    assert not (tmp_path / "access").exists()


def test_the_list_is_written_for_a_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELLS", "mumbai=1@front-door.payments-mumbai.svc.cluster.local:8082")
    monkeypatch.setattr(sys, "argv", ["", str(tmp_path / "access")])
    main()
    assert {path.name for path in (tmp_path / "access").iterdir()} == {"tokens.json", "answers.json", "clusters.json"}
    clusters = json.loads((tmp_path / "access" / "clusters.json").read_text("utf-8"))["resources"]
    assert [cluster["name"] for cluster in clusters] == ["1", "any"]
    assert "front-door.payments-mumbai.svc.cluster.local" in json.dumps(clusters[0])
