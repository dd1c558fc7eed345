"""The Trip Service: what it says of a trip."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.platform import http_client, json_text
from shared.platform.settings import RETRY_AFTER, SETTINGS
from shared.web.problems import Problem
from shared.web.tracing import Trace

_PLAIN = re.compile(r"[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Trip:
    """A completed trip. `distance_km` in kilometres, None where the Trip Service gave none."""

    distance_km: Decimal | None
    surge_multiplier: Decimal


def completed_trip(trip_id: int, trace: Trace) -> Trip:
    """Asks the Trip Service for a trip, within TRIP_SERVICE_TIMEOUT seconds.

    Raises Problem trip_not_found, trip_not_completed, or trip_service_unavailable where it does not answer, or not with
    what a trip is.
    """
    answer = _ask(trip_id, trace)
    distance = _first(answer, "distance_km", "distanceKm", "distance")
    surge = _first(answer, "surge_multiplier", "surgeMultiplier")
    return Trip(
        distance_km=None if distance is None else _number("distance", distance),
        surge_multiplier=Decimal("1.0") if surge is None else _number("surge multiplier", surge),
    )


def require_completed(trip_id: int, trace: Trace) -> None:
    """As `completed_trip`, where nothing is computed from the trip: whatever it says besides does not matter."""
    _ask(trip_id, trace)


def _ask(trip_id: int, trace: Trace) -> dict[str, Any]:
    """The trip, known to be the one that was asked for and completed."""
    headers = {"Accept": "application/json"} | trace.headers()
    try:
        reply = http_client.request(
            "GET",
            f"{SETTINGS.trip_service_url}/trips/{trip_id}",
            timeout=SETTINGS.trip_service_timeout,
            headers=headers,
        )
    except http_client.NoResponse as failure:
        raise _unavailable("does not answer") from failure
    if reply.status == 404:
        raise Problem("trip_not_found", f"The Trip Service knows no trip {trip_id}.")
    if reply.status != 200:
        raise _unavailable(f"answered {reply.status}")
    try:
        answer = _unwrapped(json_text.read(reply.body, of_a_neighbour=True))
    except json_text.JsonError as nonsense:
        raise _unavailable("did not answer with JSON") from nonsense
    if not isinstance(answer, dict):
        raise _unavailable("did not answer with a trip")
    answered_for = _first(answer, "trip_id", "tripId")
    if answered_for is not None and str(answered_for) != str(trip_id):
        raise _unavailable("answered with another trip")
    status = answer.get("status")
    if not isinstance(status, str):
        raise _unavailable("answered without a status")
    if status.upper() != "COMPLETED":
        raise Problem("trip_not_completed", f"Trip {trip_id} is not completed.")
    return answer


def _unwrapped(answer: Any) -> Any:
    """What has a status: within `data` or `trip`, one within the other, or the answer itself. The innermost counts, since
    an envelope may have a status of its own."""
    for names in (("data", "trip"), ("trip", "data"), ("data",), ("trip",)):
        inner = answer
        for name in names:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and "status" in inner:
            return inner
    return answer


def _first(answer: dict[str, Any], *names: str) -> Any:
    return next((answer[name] for name in names if answer.get(name) is not None), None)


def _number(what: str, value: Any) -> Decimal:
    if isinstance(value, str) and len(value) <= json_text.LONGEST_NUMBER and _PLAIN.fullmatch(value):
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or value < 0:
        raise _unavailable(f"answered with a {what} that is not a number of at least 0")
    return Decimal(value)


def missing_distance() -> Problem:
    """The refusal where a fare is to be computed and the trip came without a distance."""
    return _unavailable("answered without a distance")


def _unavailable(what: str) -> Problem:
    return Problem(
        "trip_service_unavailable", f"The Trip Service {what}. Nothing was charged; try again.", retry_after=RETRY_AFTER
    )
