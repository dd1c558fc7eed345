"""make webhook: what it sends is what Stripe would, and what is answered is told."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from local import webhook
from local.place import CHECKOUT
from shared.gateways.stripe.webhook import HEADER, KINDS, read_event, verify

SECRETS = "whsec_n3wn3wn3w,whsec_0ld0ld0ld"


class Taker(BaseHTTPRequestHandler):
    """Answers with `status`, and keeps what came in `server.came`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.came.append((self.path, self.headers[HEADER], body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.send_header("Content-Length", "0" if self.server.status == 204 else "4")  # type: ignore[attr-defined]
        self.end_headers()
        if self.server.status != 204:  # type: ignore[attr-defined]
            self.wfile.write(b"n\x1b[o")


class Service(HTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taker)
        self.status = 204
        self.came: list[tuple[str, str, bytes]] = []


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as service:
        threading.Thread(target=service.serve_forever, args=(0.02,), daemon=True).start()
        yield service
        service.shutdown()


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", SECRETS)
    return monkeypatch


def ended(typed: pytest.MonkeyPatch, *words: str) -> object:
    """How it ended, with these words behind its name."""
    typed.setattr(sys, "argv", ["webhook", *words])
    with pytest.raises(SystemExit) as end:
        webhook.main()
    return end.value.code


@pytest.mark.parametrize("type_", KINDS)
def test_it_sends_an_event_that_the_service_takes(
    service: Service, typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], type_: str
) -> None:
    typed.setenv("SERVICE_PORT", str(service.server_port))
    assert ended(typed, "--id=re_1", f"--type={type_}", "--charge=pi_1") == 0
    [(path, header, body)] = service.came
    verify(header, body, ("whsec_n3wn3wn3w",), time.time())
    event = read_event(body)
    assert event
    assert (path, event.type, event.object_id) == ("/webhooks/stripe", type_, "re_1")
    assert event.charge_id == ("re_1" if type_.startswith("payment_intent.") else "pi_1")
    assert capsys.readouterr().out == "204\n"


def test_what_is_answered_is_told(
    service: Service, typed: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    service.status = 400
    assert ended(typed, "--id=pi_1", f"--url=http://127.0.0.1:{service.server_port}/x") == 1
    assert service.came[0][0] == "/x"
    assert capsys.readouterr().out == "400 n\\x1b[o\n"


@pytest.mark.parametrize(
    ("secret", "said"), [("", "STRIPE_WEBHOOK_SECRET is not set"), ("sk_test_s3cr3t", "STRIPE_WEBHOOK_SECRET must be")]
)
def test_without_a_secret_nothing_is_sent(typed: pytest.MonkeyPatch, secret: str, said: str) -> None:
    typed.setenv("STRIPE_WEBHOOK_SECRET", secret)
    told = str(ended(typed, "--id=pi_1", "--url=http://127.0.0.1:1/"))
    assert told.startswith(said)
    assert "s3cr3t" not in told


def test_without_an_id_nothing_is_sent(service: Service, typed: pytest.MonkeyPatch) -> None:
    assert str(ended(typed, "--id=", f"--url=http://127.0.0.1:{service.server_port}/")).startswith("ID is not set")
    assert service.came == []


def test_nobody_at_the_address_is_said_in_a_line(typed: pytest.MonkeyPatch) -> None:
    assert "does not answer" in str(ended(typed, "--id=pi_1", "--url=http://127.0.0.1:1/"))


def test_make_passes_on_what_is_typed() -> None:
    said = subprocess.run(
        [
            "make",
            "--dry-run",
            "--silent",
            "--old-file=venv",
            "BIN=programs",
            "webhook",
            "ID=re_1",
            "TYPE=refund.failed",
        ],
        cwd=CHECKOUT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith("programs/python -m local.webhook --id=")
    assert '${TYPE:+--type="$TYPE"}' in said
