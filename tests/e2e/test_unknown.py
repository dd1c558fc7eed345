"""An outcome that the gateway does not tell at once: 202, and the same key asks until it is known."""

import time
from collections.abc import Callable

import pytest

from tests.e2e.client import Answer, Client, new_key, new_trip

UNKNOWN = {"metadata": {"simulate": "timeout"}}
Asked = dict[str, Callable[[], Answer]]


@pytest.fixture
def asked(client: Client) -> Asked:
    """Requests whose outcome is unknown for five seconds; the same call repeats the same request."""

    def charge(prefix: str) -> Callable[[], Answer]:
        key, trip_id = new_key(), new_trip()
        return lambda: client.pay(key, prefix, trip_id=trip_id, **UNKNOWN)

    def refund(prefix: str) -> Callable[[], Answer]:
        key, payment_id = new_key(), client.pay().json["payment_id"]
        return lambda: client.refund(payment_id, key, prefix, amount=100, **UNKNOWN)

    return {f"{work.__name__} {prefix}": work(prefix) for work in (charge, refund) for prefix in ("", "/v1")}


def until_known(ask: Callable[[], Answer]) -> Answer:
    """Repeats as an answer asks for it."""
    while (answer := ask()).status != 201:
        assert answer.status in (202, 409)
        time.sleep(int(answer.headers["Retry-After"]))
    return answer


def test_an_unknown_outcome_is_202_and_the_same_key_asks_until_it_is_known(client: Client, asked: Asked) -> None:
    first = {name: ask() for name, ask in asked.items()}
    for name, answer in first.items():
        assert (answer.status, answer.json["status"]) == (202, "PENDING")
        assert int(answer.headers["Retry-After"]) > 0
        payment = client.get(f"/payments/{answer.json['payment_id']}").json
        if "charge" in name:
            assert answer.headers["Location"] == f"/payments/{payment['payment_id']}"
            assert payment == answer.json
        else:
            assert (payment["refunded_amount"], answer.json["remaining_amount"]) == (0, 50)
            client.refund(payment["payment_id"], amount=50.01).problem(422, "refund_exceeds_payment")
    for name, ask in asked.items():
        known, began = until_known(ask).json, first[name].json
        assert known["status"] == ("SUCCESS" if "charge" in name else "REFUNDED")
        for field in ("payment_id", "reference", "created_at"):
            assert known[field] == began[field]
        if "refund" in name:
            assert client.get(f"/payments/{known['payment_id']}").json["refunded_amount"] == 100
