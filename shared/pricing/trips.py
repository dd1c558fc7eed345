"""The Trip Service: what it says of a trip."""

import re
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from shared.platform import http_client, json_text
from shared.platform.counting import Durations
from shared.platform.log import log
from shared.platform.settings import RETRY_AFTER
from shared.rules.identifiers import driver_id
from shared.web.problems import Problem
from shared.web.tracing import Trace

_PLAIN = r"[0-9]+(\.[0-9]+)?"

TRIP_SERVICE = Durations(
    "payment_trip_service_seconds", "Each time the Trip Service was asked, and what came of it.", "outcome"
)


class Trip(NamedTuple):
    """A completed trip. `distance_km` in kilometres and `driver_id`, each None where the Trip Service gave none."""

    distance_km: Decimal | None
    surge_multiplier: Decimal
    driver_id: str | None = None


class TripService:
    """The Trip Service at `url`, which answers within `timeout` seconds or counts as not answering. `cell_names`: what it may
    call this cell; where there are none, whatever else it calls a trip's cell is no business of ours."""

    def __init__(self, url: str, timeout: float, cell_names: Sequence[str] = ()) -> None:
        self._url = url
        self._timeout = timeout
        self._cell_names = cell_names

    def completed_trip(self, trip_id: int, trace: Trace) -> Trip:
        """Asks for a trip.

        Raises Problem trip_not_found, trip_not_completed, wrong_cell, or trip_service_unavailable where it does not answer, or
        not with what a trip is.
        """
        trip = self._ask(trip_id, trace)
        distance = _first(trip, "distance_km", "distanceKm", "distance")
        surge = _first(trip, "surge_multiplier", "surgeMultiplier")
        return Trip(
            distance_km=None if distance is None else _number("distance", distance),
            surge_multiplier=Decimal("1.0") if surge is None else _number("surge multiplier", surge),
            driver_id=_driver(trip, trip_id),
        )

    def driver_of_completed(self, trip_id: int, trace: Trace) -> str | None:
        """As `completed_trip`, where nothing is computed from the trip: gives only who drove, and whatever it says besides does
        not matter."""
        return _driver(self._ask(trip_id, trace), trip_id)

    def _ask(self, trip_id: int, trace: Trace) -> dict[str, Any]:
        """The trip, known to be the one that was asked for, of this cell, and completed."""
        began, outcome = time.perf_counter(), "internal_error"
        try:
            trip = self._asked(trip_id, trace)
            outcome = "trip_completed"
            return trip
        except Problem as refusal:
            outcome = refusal.code
            raise
        finally:
            TRIP_SERVICE.note(time.perf_counter() - began, outcome)

    def _asked(self, trip_id: int, trace: Trace) -> dict[str, Any]:
        headers = {"Accept": "application/json"} | trace.headers()
        try:
            reply = http_client.request(
                "GET",
                f"{self._url}/trips/{trip_id}",
                timeout=self._timeout,
                headers=headers,
                template="/trips/{trip_id}",
            )
        except http_client.NoResponse as failure:
            raise _unavailable("does not answer") from failure
        if reply.status == 404:
            raise Problem("trip_not_found", f"The Trip Service knows no trip {trip_id}.")
        if reply.status != 200:
            raise _unavailable(f"answered {reply.status}")
        try:
            trip = _unwrapped(json_text.read(reply.body, of_a_neighbour=True))
        except json_text.JsonError as nonsense:
            raise _unavailable("did not answer with JSON") from nonsense
        if not isinstance(trip, dict):
            raise _unavailable("did not answer with a trip")
        _refuse_another_trip(trip, trip_id)
        self._refuse_another_cells(trip, trip_id)
        _refuse_what_is_not_completed(trip, trip_id)
        return trip

    def _refuse_another_cells(self, trip: dict[str, Any], trip_id: int) -> None:
        """So that a payment which was sent to another cell than its trip's is not taken there too: keys are each cell's own."""
        cell = trip.get("cell")
        if cell is None or not self._cell_names:
            return
        if isinstance(cell, bool) or not isinstance(cell, int | str):
            raise _unavailable("answered with a cell that is neither a name nor a number")
        if str(cell).lower() not in self._cell_names:
            ours = " or ".join(self._cell_names)
            raise Problem(
                "wrong_cell", f"Trip {trip_id} is not of this cell, which is called {ours}. Nothing was charged."
            )


def _refuse_another_trip(trip: dict[str, Any], trip_id: int) -> None:
    answered_for = _first(trip, "trip_id", "tripId")
    if answered_for is not None and str(answered_for) != str(trip_id):
        raise _unavailable("answered with another trip")


def _refuse_what_is_not_completed(trip: dict[str, Any], trip_id: int) -> None:
    status = trip.get("status")
    if not isinstance(status, str):
        raise _unavailable("answered without a status")
    if status.upper() != "COMPLETED":
        raise Problem("trip_not_completed", f"Trip {trip_id} is not completed.")


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


def _driver(trip: dict[str, Any], trip_id: int) -> str | None:
    """Who drove. What is no driver's id keeps nobody from paying."""
    given = _first(trip, "driver_id", "driverId")
    driver = driver_id(given)
    if given is not None and driver is None:
        log.warning("the trip's driver is not understood", extra={"trip_id": trip_id})
    return driver


def _number(what: str, value: Any) -> Decimal:
    if isinstance(value, str) and len(value) <= json_text.LONGEST_NUMBER and re.fullmatch(_PLAIN, value):
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
