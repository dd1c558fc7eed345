"""The registry: every gateway by its name, as long as its settings are there, and what stops the start."""

import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from local.place import CHECKOUT
from shared.gateways.cash import Cash
from shared.gateways.protocol import GatewayRequest, Succeeded
from shared.gateways.registry import Gateways, present
from shared.platform.settings import Settings
from tests.support.gateway import ScriptedGateway

KEY = "sk_test_1"
CASH = Cash()


def gateways(**settings: str) -> Gateways:
    return Gateways.of(Settings.read(settings))


def with_the_scripted(**settings: str) -> Gateways:
    return Gateways(ScriptedGateway(), present(Settings.read(settings)))


def test_a_gateway_is_known_by_its_name_whichever_is_chosen() -> None:
    every = gateways(STRIPE_API_KEY=KEY)
    known = [every.named(name) for name in ("cash", "simulated", "stripe")]
    assert [gateway and gateway.name for gateway in known] == ["cash", "simulated", "stripe"]
    assert every.named("another") is None
    assert every.chosen.name == "simulated"


def test_without_its_settings_a_gateway_is_not_known() -> None:
    assert gateways().named("stripe") is None


def test_cash_goes_to_nobody_and_all_else_to_the_chosen_one() -> None:
    scripted = with_the_scripted()
    assert scripted.for_method("CASH") is scripted.named("cash")
    assert all(scripted.for_method(method) is scripted.chosen for method in ("CARD", "UPI", "WALLET"))


def test_a_payment_belongs_to_the_gateway_that_it_was_claimed_with() -> None:
    scripted = with_the_scripted()
    assert scripted.named("scripted") is scripted.chosen
    assert isinstance(scripted.named("cash"), Cash)
    assert scripted.named("stripe") is None


def test_refunds_are_made_with_every_account_whose_settings_are_there() -> None:
    assert with_the_scripted().accounts() == {
        "cash": "cash",
        "simulated": "simulated",
        "scripted": "acct_scripted",
    }
    assert with_the_scripted(STRIPE_API_KEY=KEY, STRIPE_ACCOUNT="acct_1").accounts()["stripe"] == "acct_1/test"


def test_every_method_is_some_gateways() -> None:
    every = present(Settings.read({"STRIPE_API_KEY": KEY}))
    declared = {gateway.name: set(gateway.abilities.methods) for gateway in every}
    assert declared == {"cash": {"CASH"}, "simulated": {"CARD", "UPI", "WALLET"}, "stripe": {"CARD", "WALLET"}}


def test_stripe_charges_the_methods_that_its_account_has() -> None:
    stripe = gateways(STRIPE_API_KEY=KEY, STRIPE_METHODS="UPI,CARD").named("stripe")
    assert stripe is not None
    assert set(stripe.abilities.methods) == {"CARD", "UPI"}


def test_cash_that_was_collected_or_given_back_is_done() -> None:
    request = GatewayRequest("PAY-1", 1, Decimal("1.00"), "INR", datetime.now(UTC), 1e9)
    assert {CASH.charge(request), CASH.refund(request), CASH.find_charge(request), CASH.find_refund(request)} == {
        Succeeded()
    }


def start(environment: dict[str, str], program: str = "") -> subprocess.CompletedProcess[str]:
    """Chooses the gateway in a process of its own, then runs what a test adds."""
    code = (
        "import sys\nfrom shared.gateways.registry import Gateways\nfrom shared.platform.settings import read_settings\n"
        f"gateways = Gateways.of(read_settings())\n{program}"
    )
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=CHECKOUT,
        env={"PATH": "/usr/bin:/bin"} | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("chosen", ["stripe", "simulated"])
@pytest.mark.parametrize(("retention", "lock", "starts"), [(86340, 60, True), (86341, 60, False), (86400, 60, False)])
def test_a_key_that_the_gateway_may_have_forgotten_is_never_asked_with(
    chosen: str, retention: int, lock: int, starts: bool
) -> None:
    """Stripe remembers one for 24 hours. That it is not the chosen one does not keep pending payments from going there."""
    environment = {"GATEWAY": chosen, "STRIPE_API_KEY": KEY}
    ended = start(environment | {"GATEWAY_KEY_RETENTION": str(retention), "IDEMPOTENCY_LOCK_TIMEOUT": str(lock)})
    assert ended.returncode == (0 if starts else 1)
    assert starts or ended.stderr == (
        "payment-service cannot start: GATEWAY_KEY_RETENTION and IDEMPOTENCY_LOCK_TIMEOUT together must not exceed the"
        " 86400 seconds for which stripe remembers a key\n"
    )


def test_a_gateway_that_never_forgets_may_be_asked_for_years() -> None:
    assert start({"GATEWAY_KEY_RETENTION": "999999999"}).returncode == 0


def test_nothing_of_requests_is_imported_until_stripe_is_really_asked() -> None:
    """Not even where a payment of Stripe's could be given back: the settings are there."""
    environment = {"STRIPE_API_KEY": KEY, "STRIPE_API_BASE": "http://127.0.0.1:9"}
    asks = "gateways.accounts()\nprint('requests' in sys.modules)"
    assert start(environment, asks).stdout == "False\n"
    chosen = start(environment | {"GATEWAY": "stripe"}, "print('requests' in sys.modules)")
    assert chosen.stdout == "True\n", "the first passenger would wait for it"
