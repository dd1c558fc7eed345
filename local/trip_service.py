"""A stand-in for the Trip Service: `PORT=8081 python -m local.trip_service`.

GET /trips/{id} gives the same trip for the same id, completed but for the ids below, and GET /riders/{id} and /drivers/{id} who
was on it, as the Rider and the Driver Service would. POST /trips/{id}/complete ends a trip, as its body says {"method": "CARD",
"payment_token": ..., "payment_customer": ...}, sends the event that it is completed to TRIP_SINK, with the token in
EVENT_TOKEN_FILE where that is set, and says what came of it. With "via": "http" it has the trip paid at PAYMENT_SERVICE_URL
instead, with the token in PAYMENT_TOKEN_FILE: how other services call ours.
"""

import json
import os
import re
from collections import OrderedDict
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from local.stand_in import JsonHandler, serve
from shared.platform import http_client
from shared.platform.bearer import NoToken, bearer
from shared.platform.log import log

IN_PROGRESS = range(998_000_000, 999_000_000)
UNKNOWN = 999_000_000  # and every id above
SURGES = (1.0, 1.0, 1.2, 1.5, 2.0)
REMEMBERED = 10_000
# Seconds: longer than the front door waits for a payment, and a Broker for a charge and its repetitions.
PATIENCE = 60.0
SOURCE, COMPLETED_TYPE = "/trip-service", "com.ridehailing.trip.completed.v1"
PAID_WITH = ("payment_token", "payment_customer")

# For receipts. The ids are the stand-in's own, so that nobody else's rider is given one of these names.
FIRST_NAMES = ("Aarav", "Priya", "Rahul", "Meera", "Arjun", "Kavya", "Imran", "Sunita", "Vikram", "Ananya")
LAST_NAMES = ("Sharma", "Iyer", "Khan", "Reddy", "Patel", "Nair", "Das", "Kulkarni", "Singh", "Fernandes", "Bose")

# Those that were in progress and are not any more, the oldest first.
COMPLETED: OrderedDict[int, None] = OrderedDict()


def trip(trip_id: int) -> dict[str, object] | None:
    """A trip with its distance in kilometres, 1.0 to 30.9; None where there is none of that id."""
    if not 0 < trip_id < UNKNOWN:
        return None
    distance, surge = 1 + trip_id * 7 % 300 / 10, SURGES[trip_id % len(SURGES)]
    if trip_id == 101:  # the example of the README
        distance, surge = 10.5, 1.2
    status = "IN_PROGRESS" if trip_id in IN_PROGRESS and trip_id not in COMPLETED else "COMPLETED"
    return {
        "trip_id": trip_id,
        "rider_id": f"stand-in-rider-{trip_id}",
        "driver_id": f"stand-in-driver-{trip_id % 997}",
        "status": status,
        "distance_km": round(distance, 1),
        "surge_multiplier": surge,
    }


def person(kind: str, identity: str) -> dict[str, object] | None:
    """A rider or driver, of the same name for the same id; None for an id that no trip here has."""
    number = re.fullmatch(rf"stand-in-{kind}-([0-9]{{1,9}})", identity)
    if number is None:
        return None
    chosen = int(number[1]) * 7 + len(kind)
    name = f"{FIRST_NAMES[chosen % len(FIRST_NAMES)]} {LAST_NAMES[chosen % len(LAST_NAMES)]}"
    return {"id": identity, "name": name}


def complete(trip_id: int) -> None:
    """From here on it is a completed trip."""
    COMPLETED[trip_id] = None
    while len(COMPLETED) > REMEMBERED:
        COMPLETED.popitem(last=False)


def charge(trip_id: int, method: str) -> tuple[int, object]:
    """Asks for the fare of a trip: the Payment Service's answer, or 502 where there is none. However often a trip is said to be
    over, it has one key, and so is paid once. The token is read anew for each call: whoever mounts it renews it."""
    url, token_file = os.environ.get("PAYMENT_SERVICE_URL", ""), os.environ.get("PAYMENT_TOKEN_FILE", "")
    headers = {"Content-Type": "application/json", "Idempotency-Key": f"trip-{trip_id}-{method}"}
    body = json.dumps({"trip_id": trip_id, "method": method}).encode()
    try:
        headers |= bearer(token_file)
        reply = http_client.request("POST", f"{url}/payments", timeout=PATIENCE, headers=headers, body=body)
        return reply.status, json.loads(reply.body)
    except (http_client.NoResponse, NoToken, ValueError) as failure:
        log.warning("not paid", extra={"trip_id": trip_id, "why": str(failure)})
        return HTTPStatus.BAD_GATEWAY, {"error": f"the Payment Service gave no answer: {failure}"}


def tell(trip_id: int, wanted: dict[str, Any]) -> tuple[int, object]:
    """Sends the event that a trip is completed, and gives what came of it: 502 where whoever is told did not take it, so that
    it is to be sent again. However often a trip is said to be over, it is one event, and so is paid once."""
    method = str(wanted.get("method", "CARD"))
    about = {"id": f"trip-{trip_id}-{method}", "source": SOURCE, "type": COMPLETED_TYPE}
    attributes = about | {"specversion": "1.0", "subject": f"trips/{trip_id}", "time": datetime.now(UTC).isoformat()}
    headers = {"Content-Type": "application/json"} | {f"ce-{name}": value for name, value in attributes.items()}
    data = {"trip_id": trip_id, "method": method} | {name: wanted[name] for name in PAID_WITH if name in wanted}
    said: dict[str, object] = {"trip_id": trip_id, "status": "COMPLETED", "event": about}
    try:
        headers |= bearer(os.environ.get("EVENT_TOKEN_FILE", ""))
        sink, body = os.environ["TRIP_SINK"], json.dumps(data).encode()
        reply = http_client.request("POST", sink, timeout=PATIENCE, headers=headers, body=body)
    except (http_client.NoResponse, NoToken) as failure:
        log.warning("not paid", extra={"trip_id": trip_id, "why": str(failure)})
        return HTTPStatus.BAD_GATEWAY, said | {"answered": None, "said": str(failure)}
    taken = 200 <= reply.status < 300
    said |= {"answered": reply.status, "said": reply.body.decode("utf-8", "replace")}
    return HTTPStatus.OK if taken else HTTPStatus.BAD_GATEWAY, said


class Handler(JsonHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        found = None
        if asked := re.fullmatch(r"/trips/([0-9]{1,19})", self.path):
            found = trip(int(asked[1]))
        elif asked := re.fullmatch(r"/(rider|driver)s/([a-z0-9-]{1,100})", self.path):
            found = person(asked[1], asked[2])
        self.reply(200 if found else 404, found or {"error": "no such trip, rider or driver"})

    def do_POST(self) -> None:  # noqa: N802 - the same
        asked, body = re.fullmatch(r"/trips/([0-9]{1,19})/complete", self.path), self.body()
        trip_id, wanted = int(asked[1]) if asked else 0, _wanted(body)
        by_http = wanted.get("via") == "http"
        address = "PAYMENT_SERVICE_URL" if by_http else "TRIP_SINK"
        if not trip(trip_id):
            self.reply(404, {"error": "no such trip"})
        elif not os.environ.get(address):
            self.reply(503, {"error": f"{address} is not set"})
        else:
            complete(trip_id)
            self.reply(*(charge(trip_id, str(wanted.get("method", "CARD"))) if by_http else tell(trip_id, wanted)))


def _wanted(body: bytes) -> dict[str, Any]:
    """How the rider pays, as the app said when it ended the trip."""
    try:
        said = json.loads(body or b"{}")
    except ValueError:
        said = None
    return said if isinstance(said, dict) else {}


if __name__ == "__main__":
    serve(Handler)
