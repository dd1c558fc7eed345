"""The dead letter sink, as its pod runs it: it logs what could not be delivered, and takes everything."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from local.ports import pick
from tests.knative.conftest import KNATIVE


@pytest.fixture
def sink() -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    port = pick(1)[0]
    program = KNATIVE / "components" / "eventing" / "dead_letters.py"
    environment = {**os.environ, "PORT": str(port)}
    process = subprocess.Popen([sys.executable, str(program)], env=environment, stdout=subprocess.PIPE, text=True)
    url = f"http://127.0.0.1:{port}"
    for _ in range(100):
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=1).close()
            break
        except urllib.error.URLError:
            time.sleep(0.05)
    yield url, process
    process.kill()
    process.wait()
    assert process.stdout
    process.stdout.close()


def test_a_dead_letter_is_logged_without_its_data_and_answered_204(sink: tuple[str, "subprocess.Popen[str]"]) -> None:
    url, process = sink
    headers = {
        "ce-id": "PAY-1.succeeded",
        "ce-type": "com.ridehailing.payment.succeeded.v1",
        "ce-subject": "payments/351",
        "ce-knativeerrorcode": "400",
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(url, b'{"amount": 150.00}', headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 204
        assert answer.read() == b""
    assert process.stdout
    line: dict[str, Any] = json.loads(process.stdout.readline())
    assert line["id"] == "PAY-1.succeeded"
    assert line["subject"] == "payments/351"
    assert line["knativeerrorcode"] == "400"
    assert "150" not in json.dumps(line)


def test_it_ends_when_it_is_told_to(sink: tuple[str, "subprocess.Popen[str]"]) -> None:
    process = sink[1]
    process.terminate()
    assert process.wait(timeout=5) == 0
