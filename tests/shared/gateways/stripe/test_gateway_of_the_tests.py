"""The gateway that the tests bring along: what it promises to the tests that count on it."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from local.place import CHECKOUT
from shared.gateways.protocol import Succeeded
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge

PROGRAM = CHECKOUT / "tests" / "fakes" / "gateway.py"


@pytest.fixture
def process() -> Iterator[str]:
    """The address of the gateway as a process of its own."""
    command = [sys.executable, str(PROGRAM), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield running.stdout.readline().split()[-1]
        running.terminate()


def ask(url: str, body: dict[str, Any] | None = None) -> Any:
    raw = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, raw), timeout=5) as answer:
        return json.load(answer)


def test_a_process_of_its_own_charges_loses_answers_and_keeps_a_ledger(process: str) -> None:
    stripe, request = Stripe(API_KEY, process, 0.5, certain_after=CERTAIN), a_charge()
    assert ask(process + "/_control", {"lose": 1, "seed": 7}) == {"seed": 7, "shares": {"lose": 1.0}}
    stripe.charge(request)
    assert ask(process + "/_control", {"calm": True}) == {"seed": 7, "shares": {}}
    assert isinstance(stripe.charge(request), Succeeded)
    ledger = ask(process + "/_ledger")
    account = ledger["charges"][request.reference]
    assert (account["count"], account["succeeded"], account["amount"]) == (1, 1, 3650)
    assert ledger["keys"][request.reference]["status"] == 200
    assert ledger["answers"]["cut"] == ledger["modes"]["lose"] == 2


def test_a_setting_it_does_not_know_is_refused(gateway: StripeLike) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        ask(gateway.url + "/_control", {"loose": 1})


def test_the_same_seed_fails_in_the_same_way(gateway: StripeLike) -> None:
    def chosen(seed: int) -> list[set[str]]:
        gateway.control({"reset": True, "seed": seed, "lose": 0.3, "busy": 0.3, "decline": 0.3})
        return [gateway.drawing.choose(f"PAY-{number}", "pm_card") for number in range(50)]

    assert chosen(7) == chosen(7) != chosen(8)


def test_what_becomes_of_a_charge_does_not_change_from_try_to_try(gateway: StripeLike) -> None:
    gateway.control({"decline": 0.5})
    assert all(
        len({"decline" in gateway.drawing.choose(f"PAY-{number}", "pm_card") for _ in range(5)}) == 1
        for number in range(20)
    )
