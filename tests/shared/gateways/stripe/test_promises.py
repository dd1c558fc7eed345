"""What holds of every call to Stripe, whatever it answers: it ends in time, raises nothing, and keeps the key to itself."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from shared.gateways.protocol import Declined, Succeeded, Unknown
from shared.gateways.stripe.api import Api
from shared.gateways.stripe.gateway import Stripe
from tests.fakes.gateway import StripeLike
from tests.shared.gateways.stripe.conftest import API_KEY
from tests.shared.gateways.stripe.requests_of_ours import CERTAIN, a_charge, a_refund

SPARE = 0.5


@pytest.fixture
def drip() -> Iterator[str]:
    """The address of a server that answers one byte at a time, for ever."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket) -> None:
        with connection:
            while not over.wait(0.02):
                try:
                    connection.sendall(b"H")
                except OSError:
                    return

    def listen() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            answers.append(threading.Thread(target=answer, args=(connection,)))
            answers[-1].start()

    answers: list[threading.Thread] = []
    listener = threading.Thread(target=listen)
    listener.start()
    yield f"http://127.0.0.1:{server.getsockname()[1]}"
    over.set()
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    listener.join()
    for thread in answers:
        thread.join()


def test_a_server_that_drips_is_given_up_in_time(drip: str) -> None:
    stripe, began = Stripe(API_KEY, drip, 0.4, certain_after=CERTAIN), time.monotonic()
    assert isinstance(stripe.charge(a_charge()), Unknown)
    assert time.monotonic() - began < 0.4 + SPARE


@pytest.mark.parametrize("mode", ["busy", "broken", "slow", "hold"])
def test_repeats_cancellations_and_pages_all_fit_in_the_time_of_one_call(
    gateway: StripeLike, hasty: Stripe, mode: str
) -> None:
    gateway.control({mode: 1})
    for call in (hasty.charge, hasty.find_charge, lambda request: hasty.refund(a_refund("pi_1"))):
        began = time.monotonic()
        assert isinstance(call(a_charge()), Unknown)
        assert time.monotonic() - began < 0.4 + SPARE


def test_a_long_listing_is_given_up_in_time(gateway: StripeLike, hasty: Stripe) -> None:
    for number in range(3):
        other = {"object": "payment_intent", "id": f"pi_{number}", "metadata": {}}
        gateway.say(200, {"data": [other], "has_more": True})
    gateway.control({"slow": 1})
    began = time.monotonic()
    assert isinstance(hasty.find_charge(a_charge()), Unknown)
    assert time.monotonic() - began < 0.4 + SPARE


def test_patience_that_was_asked_for_is_given(gateway: StripeLike, stripe: Stripe) -> None:
    gateway.say(429, {}, Retry_After="0.4")
    began = time.monotonic()
    assert isinstance(stripe.charge(a_charge()), Succeeded)
    assert time.monotonic() - began >= 0.4


def test_more_patience_than_there_is_time_for_is_unknown_at_once(gateway: StripeLike, stripe: Stripe) -> None:
    gateway.say(503, {}, Retry_After="60")
    began = time.monotonic()
    assert isinstance(stripe.charge(a_charge()), Unknown)
    assert time.monotonic() - began < SPARE
    assert len(gateway.requests) == 1


def test_an_answer_that_says_repeating_is_useless_is_not_repeated(gateway: StripeLike, stripe: Stripe) -> None:
    gateway.say(500, {}, Stripe_Should_Retry="false")
    assert isinstance(stripe.charge(a_charge()), Unknown)
    assert len(gateway.requests) == 1


WORDS = some.sampled_from(
    [
        "object",
        "id",
        "status",
        "metadata",
        "reference",
        "amount",
        "error",
        "type",
        "code",
        "decline_code",
        "data",
        "has_more",
        "payment_intent",
        "refund",
        "succeeded",
        "card_error",
        "invalid_request_error",
        "last_payment_error",
    ]
)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text() | WORDS,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(WORDS | some.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=some.sampled_from([200, 201, 204, 301, 400, 402, 404]), body=some.binary() | JSON)
def test_no_answer_however_strange_raises_or_passes_for_a_success(
    gateway: StripeLike, stripe: Stripe, status: int, body: Any
) -> None:
    request = a_charge()
    for ask in (stripe.charge, stripe.find_charge):
        gateway.script.clear()
        gateway.say(status, body)
        outcome = ask(request)
        assert (
            isinstance(outcome, Unknown | Declined) or gateway.ledger()["charges"][request.reference]["succeeded"] == 1
        )
        assert isinstance(outcome, Unknown | Declined) or not gateway.script


def test_the_api_key_is_in_no_repr_no_line_of_the_log_and_no_outcome(
    gateway: StripeLike, hasty: Stripe, logged: list[logging.LogRecord]
) -> None:
    seen: list[object] = [repr(hasty), repr(vars(hasty)), repr(Api("http://localhost", API_KEY))]
    echo = {"error": {"type": "invalid_request_error", "code": API_KEY + " ", "message": f"Invalid API Key: {API_KEY}"}}
    for status in (400, 401, 403, 429, 500):
        gateway.say(status, echo)
        seen.append(hasty.charge(a_charge()))
    gateway.control({"drop": 1})
    seen += [hasty.charge(a_charge()), hasty.find_charge(a_charge()), hasty.refund(a_refund("pi_1"))]
    seen.append(hasty.account)
    assert not any(API_KEY in str(what) for what in seen)
    assert logged
    assert not any(API_KEY in str(vars(line)) for line in logged)
