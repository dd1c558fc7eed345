"""A stand-in for the Trip Service: `PORT=8081 python -m local.trip_service`.

GET /trips/{id} gives the same trip for the same id, completed but for the ids below.
"""

import re

from local.stand_in import JsonHandler, serve

IN_PROGRESS = range(998_000_000, 999_000_000)
UNKNOWN = 999_000_000  # and every id above
SURGES = (1.0, 1.0, 1.2, 1.5, 2.0)


def trip(trip_id: int) -> dict[str, object] | None:
    """A trip with its distance in kilometres, 1.0 to 30.9; None where there is none of that id."""
    if not 0 < trip_id < UNKNOWN:
        return None
    distance, surge = 1 + trip_id * 7 % 300 / 10, SURGES[trip_id % len(SURGES)]
    if trip_id == 101:  # the example of the README
        distance, surge = 10.5, 1.2
    status = "IN_PROGRESS" if trip_id in IN_PROGRESS else "COMPLETED"
    return {"trip_id": trip_id, "status": status, "distance_km": round(distance, 1), "surge_multiplier": surge}


class Handler(JsonHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name is the base class's
        asked = re.fullmatch(r"/trips/([0-9]{1,19})", self.path)
        found = trip(int(asked[1])) if asked else None
        self.reply(200 if found else 404, found or {"error": "no such trip"})


if __name__ == "__main__":
    serve(Handler)
