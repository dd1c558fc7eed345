"""A Trip Service that hangs, fails, or talks nonsense: nothing is charged, and the key is as good as new."""

from collections.abc import Callable

import pytest

from tests.fakes.gateway import StripeLike
from tests.fakes.trips import COMPLETED, Cut, Drips, Held, Says, TripServer
from tests.faults.service import Service, new_key
from tests.support.cluster import Place

NONSENSE: dict[str, object] = {
    "hangs": Held(),
    "drips": Drips(b" " * 100),
    "answers 500": Says(500, b'{"error": "down"}'),
    "answers HTML": Says(200, b"<html><body>Maintenance</body></html>", {"Content-Type": "text/html"}),
    "cuts the connection": Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"),
    "answers nothing at all": Cut(),
    "has a negative distance": COMPLETED | {"distance_km": -10.5},
    "has a distance in words": COMPLETED | {"distance_km": "far"},
    "has an endless distance": Says(200, b'{"status": "COMPLETED", "distance_km": Infinity}'),
    "has no number for a distance": Says(200, b'{"status": "COMPLETED", "distance_km": NaN}'),
    "has a surge that is true": COMPLETED | {"surge_multiplier": True},
    "has no distance": {"status": "COMPLETED"},
    "answers with a list": [1, 2, 3],
}


def test_whatever_the_trip_service_does_instead_of_answering_nothing_is_charged_and_the_key_stays_good(
    serve: Callable[..., Service], place: Place, bank: StripeLike, trips: TripServer
) -> None:
    service = serve(place, "create_payment")
    for number, (what, says) in enumerate(NONSENSE.items(), 1):
        trips.says(number, says)
        key = new_key()
        answer = service.pay(key, trip_id=number, amount=None)
        assert (answer.status, answer.json()["code"]) == (503, "trip_service_unavailable"), (
            f"a Trip Service that {what}"
        )
        assert answer.asks_for_patience, what
        assert answer.took < 1.5, f"no bound for a Trip Service that {what}"
        if isinstance(says, Held):
            says.release()
        trips.says(number, COMPLETED)
        again = service.pay(key, trip_id=number, amount=None)
        assert (again.status, again.json()["amount"]) == (201, 36.50), f"after a Trip Service that {what}"
    assert place.sql.value("SELECT count(*) FROM payments") == len(NONSENSE)
    assert len(bank.ledger()["charges"]) == len(NONSENSE)


@pytest.mark.parametrize("distance", [b"1e400", b"1e99999999", b"99999999999999999999"])
def test_a_distance_beyond_all_measure_is_refused_and_nothing_is_charged(
    serve: Callable[..., Service], place: Place, bank: StripeLike, trips: TripServer, distance: bytes
) -> None:
    trips.says(9, Says(200, b'{"status": "COMPLETED", "distance_km": ' + distance + b"}"))
    answer = serve(place, "create_payment").pay(trip_id=9, amount=None)
    assert answer.json()["code"] in ("trip_not_chargeable", "trip_service_unavailable")
    assert answer.took < 1.5
    assert bank.ledger()["charges"] == {}
