"""A payment that is settled is answered so, whatever becomes of its event: through the door, over a real database."""

from collections.abc import Callable
from typing import Any

import pytest

from shared.events.publisher import Publisher
from tests.fakes.sink import Sink
from tests.support.cluster import Place
from tests.support.till import Till, new_key


@pytest.fixture
def ask(serve: Any, till: Till, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Asks a function that works on this test's till; the events have a sink."""

    def send(function: str, path: str, body: dict[str, Any]) -> Any:
        served = serve(function)
        monkeypatch.setattr(served.module, "deps", till.deps)
        return served.ask("POST", path, json=body, headers={"Idempotency-Key": new_key()})

    return send


def test_a_settled_payment_or_refund_is_answered_201_though_its_event_cannot_be_queued(
    ask: Callable[..., Any], till: Till, place: Place, cannot_queue: Callable[[Publisher], None]
) -> None:
    cannot_queue(till.publisher)
    for method in ("CARD", "CASH"):
        paid = ask("create_payment", "/payments", {"trip_id": 101, "method": method, "amount": 150.00})
        assert paid.status_code == 201
        refunded = ask("create_refund", f"/payments/{paid.json['payment_id']}/refunds", {"amount": 40.00})
        assert refunded.status_code == 201
    assert place.sql.value("SELECT count(*) FROM outbox WHERE delivered_at IS NULL") == 4
