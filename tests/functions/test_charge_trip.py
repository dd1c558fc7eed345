"""A completed trip charges by itself, once however often its event comes: the real function, a gateway over HTTP."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
import urllib3

from shared.events.cloud_event import STRUCTURED
from shared.events.event import TRIP_COMPLETED, header_text
from tests.fakes.gateway import StripeLike
from tests.fakes.sink import Sink
from tests.fakes.trips import Says, TripServer
from tests.support.cluster import Cluster, Place
from tests.support.functions import Functions
from tests.support.outbox import until

trips_of_these_tests = count(7001)
FARE = 36.50


class Service:
    """charge_trip behind HTTP, and what it did."""

    def __init__(self, functions: Functions, gateway: StripeLike, place: Place, told: Sink) -> None:
        self.url, self.gateway, self.sql, self.told = functions.url("charge_trip"), gateway, place.sql, told
        self.functions = functions
        self._pool = urllib3.PoolManager(maxsize=10)

    def send(self, body: bytes, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        return self._pool.request("POST", self.url, body=body, headers=headers, retries=False, timeout=20)

    def tell(self, trip_id: Any, event_id: str = "", **data: Any) -> urllib3.BaseHTTPResponse:
        """An event in binary mode, of a payment by card unless the data says otherwise."""
        said = {"trip_id": trip_id, "method": "CARD", "payment_token": "pm_card"} | data
        return self.send(json.dumps(said).encode(), binary(attributes(event_id or f"trip-{trip_id}")))

    def payments(self, trip_id: int) -> list[dict[str, Any]]:
        return self.sql.run(
            "SELECT status, amount::float, method, caller, correlation_id, reference FROM payments WHERE trip_id = %(trip_id)s",
            {"trip_id": trip_id},
        )

    def charged(self, trip_id: int) -> int:
        """How often the gateway moved the money of a trip."""
        references = self.sql.run("SELECT reference FROM payments WHERE trip_id = %(trip_id)s", {"trip_id": trip_id})
        charges = self.gateway.ledger()["charges"]
        return sum(charges[row["reference"]]["succeeded"] for row in references if row["reference"] in charges)


def attributes(event_id: str, **others: str) -> dict[str, str]:
    about = {"specversion": "1.0", "id": event_id, "source": "/trip-service", "type": TRIP_COMPLETED}
    return about | {"correlationid": "ride-7"} | others


def binary(event: dict[str, str]) -> dict[str, str]:
    headers = {f"ce-{name}": header_text(value) for name, value in event.items()}
    return headers | {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def service(cluster: Cluster, one_trip_server: TripServer) -> Iterator[Service]:
    with cluster.database() as place, StripeLike() as gateway, Sink() as told:
        settings = {"GATEWAY": "stripe", "STRIPE_API_KEY": "sk_test_x", "STRIPE_API_BASE": gateway.url}
        settings |= {"GATEWAY_TIMEOUT": "2", "TRIP_SERVICE_TIMEOUT": "2", "K_SINK": told.url}
        settings |= {"TRIP_SERVICE_URL": one_trip_server.url, "CELL_NAME": "mumbai"}
        # Who calls the others needs a token, and who sends it events none: as on a cluster whose Eventing has no OIDC.
        settings |= {"AUTH_ISSUERS": '[{"issuer": "https://id.example", "keys": "https://id.example/keys"}]'}
        with Functions(["charge_trip"], place.environment | settings) as functions:
            yield Service(functions, gateway, place, told)


@pytest.fixture
def trip(trips: TripServer) -> int:
    return next(trips_of_these_tests)


def test_ten_deliveries_of_one_event_at_once_charge_once(service: Service, trip: int) -> None:
    def deliver(_: int) -> int:
        while (answer := service.tell(trip)).status == 503:
            assert int(answer.headers["Retry-After"]) > 0
        return answer.status

    with ThreadPoolExecutor(10) as at_once:
        assert set(at_once.map(deliver, range(10))) == {204}
    [payment] = service.payments(trip)
    assert (payment["status"], payment["amount"], payment["method"]) == ("SUCCESS", FARE, "CARD")
    assert (payment["caller"], payment["correlation_id"]) == (None, "ride-7")
    assert service.charged(trip) == 1
    again = service.tell(trip)
    assert (again.status, again.data) == (204, b"")
    assert len(service.payments(trip)) == 1


def test_where_callers_need_a_token_and_events_none_it_says_so_once(service: Service) -> None:
    [said] = [line for line in service.functions.log("charge_trip").splitlines() if "AUTH_EVENTS is not set" in line]
    assert json.loads(said)["level"] == "WARNING"


def test_a_declined_charge_is_final_and_an_event_says_so(service: Service, trip: int) -> None:
    for _ in range(2):
        assert service.tell(trip, payment_token="pm_decline").status == 204
    [payment] = service.payments(trip)
    assert payment["status"] == "FAILED"
    until(lambda: f"{payment['reference']}.failed" in {event.headers["ce-id"] for event in service.told.received})


def test_what_the_gateway_did_is_not_known_then_comes_again_until_it_is(service: Service, trip: int) -> None:
    answer = service.tell(trip, payment_token="pm_lose_always")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert (answer.headers["Content-Type"], answer.data) == ("text/plain; charset=utf-8", b"the payment is pending")
    assert service.tell(trip, "another event").status == 503, "whether the other collects the fare is not known yet"
    assert service.tell(trip, payment_token="pm_lose_always").status == 204
    assert [each["status"] for each in service.payments(trip)] == ["SUCCESS"]
    assert service.charged(trip) == 1


def test_another_event_of_a_trip_that_is_paid_is_final_and_charges_nothing(service: Service, trip: int) -> None:
    assert [service.tell(trip, event_id).status for event_id in ("one", "other")] == [204, 204]
    assert service.charged(trip) == 1


def test_an_event_is_the_same_in_either_mode_and_another_where_source_or_id_differ(service: Service, trip: int) -> None:
    other = next(trips_of_these_tests)
    strange = attributes('"ü,1 \\', source="urn:reisen/\U0001f695?a=%20")
    cash = {"trip_id": trip, "method": "cash", "driver": {"name": "x"}, "tip": 10**120}
    structured = json.dumps(strange | {"data": cash, "datacontenttype": "application/json"}).encode()
    modes = (json.dumps(cash).encode(), binary(strange)), (structured, {"Content-Type": STRUCTURED})
    assert [service.send(*mode).status for mode in modes] == [204, 204]
    [payment] = service.payments(trip)
    assert (payment["method"], payment["amount"], payment["status"]) == ("CASH", FARE, "SUCCESS")
    elsewhere = strange | {"source": strange["source"] + "/"}
    assert service.send(json.dumps(cash | {"trip_id": other}).encode(), binary(elsewhere)).status == 204
    assert len(service.payments(other)) == 1


def test_an_event_that_came_with_other_content_charges_nothing(service: Service, trip: int) -> None:
    assert service.tell(trip).status == 204
    answer = service.tell(next(trips_of_these_tests), f"trip-{trip}")
    assert (answer.status, answer.data) == (400, b"The event came before, with other data.")
    assert service.charged(trip) == 1


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ({"status": "IN_PROGRESS"}, 503),
        (Says(500), 503),
        (Says(404), 400),
        ({"status": "COMPLETED", "distance_km": 1e12}, 400),
        ({"status": "IN_PROGRESS", "cell": "delhi"}, 400),
    ],
    ids=["not completed yet", "out of order", "unknown", "fare too large", "of another cell"],
)
def test_what_the_trip_service_says_decides_whether_the_event_comes_again(
    service: Service, trips: TripServer, trip: int, said: Any, status: int
) -> None:
    trips.says(trip, said)
    answer = service.tell(trip)
    assert (answer.status, "Retry-After" in answer.headers) == (status, status == 503)
    is_one_short_line(answer)
    assert service.payments(trip) == []
    trips.reset()
    assert service.tell(trip).status == 204, "nothing was used up"
    assert service.charged(trip) == 1


def is_one_short_line(answer: urllib3.BaseHTTPResponse) -> None:
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert 0 < len(answer.data) < 200
    assert b"\n" not in answer.data


GOOD = {"trip_id": 1, "method": "CARD", "payment_token": "pm_card"}
BAD: dict[str, tuple[bytes, dict[str, str]]] = {
    "no event": (json.dumps(GOOD).encode(), {"Content-Type": "application/json"}),
    "a batch": (b"[]", {"Content-Type": "application/cloudevents-batch+json"}),
    "another type": (json.dumps(GOOD).encode(), binary(attributes("e", type="com.ridehailing.trip.started.v1"))),
    "no data": (b"", binary(attributes("e"))),
    "no object": (b"[1]", binary(attributes("e"))),
    "a field twice": (b'{"trip_id": 1, "trip_id": 2, "method": "CARD"}', binary(attributes("e"))),
    "no trip": (json.dumps({"method": "CARD"}).encode(), binary(attributes("e"))),
    "no method": (json.dumps({"trip_id": 1}).encode(), binary(attributes("e"))),
    "another method": (json.dumps(GOOD | {"method": "CHEQUE"}).encode(), binary(attributes("e"))),
    "one that needs the customer": (json.dumps(GOOD | {"method": "UPI"}).encode(), binary(attributes("e"))),
    "no token": (json.dumps({"trip_id": 1, "method": "CARD"}).encode(), binary(attributes("e"))),
    "a card number": (json.dumps(GOOD | {"payment_token": "4242424242424242"}).encode(), binary(attributes("e"))),
    "a huge trip": (b'{"method": "CARD", "trip_id": 1' + b"0" * 300 + b"}", binary(attributes("e"))),
}


@pytest.mark.parametrize("what", BAD)
def test_what_can_never_be_charged_is_400_with_one_short_line(service: Service, trip: int, what: str) -> None:
    answer = service.send(*BAD[what])
    assert answer.status == 400
    is_one_short_line(answer)
    assert b"4242" not in answer.data
    assert service.sql.value("SELECT count(*) FROM payments WHERE trip_id < 7001") == 0
