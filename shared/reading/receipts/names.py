"""Who rode and who drove: the Trip Service says who was on a trip, the Rider and the Driver Service what they are called."""

import time
from collections.abc import Callable
from contextvars import copy_context
from threading import Thread
from typing import Any
from urllib.parse import quote

from shared.platform import http_client, json_text, log
from shared.platform.settings import Settings
from shared.reading.receipts.receipt import Names
from shared.web.tracing import Trace

# Seconds for all that is asked, whoever is slow: a receipt is there without names.
PATIENCE = 1.0
THREAD = "asking for a name"
LONGEST_NAME = 80
LONGEST_ID = 100
IN_A_TRIP = ("rider_id", "riderId", "driver_id", "driverId")
IN_A_PERSON = ("name", "full_name", "fullName")
# Invisible, and yet a part of names: letters of Indian scripts are joined and parted with them.
JOINERS = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"


def read_names(settings: Settings, trip_id: int, trace: Trace) -> Names:
    """The names of a trip's rider and driver, each None where its service is not set, or does not say within a second for all
    of it. Raises nothing."""
    asking = _Asking(trace, time.monotonic() + PATIENCE)
    trip = asking.ask("trip", f"{settings.trip_service_url}/trips/{trip_id}", trip_id, IN_A_TRIP)
    rider = _Later(lambda: asking.name("rider", settings.rider_service_url, trip))
    driver = asking.name("driver", settings.driver_service_url, trip)
    return Names(rider.found(asking.until), driver)


class _Later:
    """Something that is found beside other work, on a thread of its own; here and now where the machine gives no thread."""

    def __init__(self, find: Callable[[], str | None]) -> None:
        self._found: str | None = None
        self._thread = Thread(target=copy_context().run, args=(self._run, find), name=THREAD, daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._run(find)

    def _run(self, find: Callable[[], str | None]) -> None:
        self._found = find()

    def found(self, until: float) -> str | None:
        """What was found by then (monotonic clock)."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        return self._found


class _Asking:
    """All that is asked for one receipt, over at the moment `until` (monotonic clock)."""

    def __init__(self, trace: Trace, until: float) -> None:
        self._trace = trace
        self.until = until

    def name(self, who: str, url: str, trip: dict[str, Any]) -> str | None:
        """The name of who was on a trip; None without asking where no service is set, or the trip does not say who it was."""
        identity = _first(trip, f"{who}_id", f"{who}Id")
        if not url or isinstance(identity, bool) or not isinstance(identity, int | str):
            return None
        text = str(identity)
        if not 0 < len(text) <= LONGEST_ID or text in (".", "..") or not text.isprintable():
            return None
        person = self.ask(who, f"{url}/{who}s/{quote(text, safe='')}", text, IN_A_PERSON)
        return readable_name(_first(person, *IN_A_PERSON))

    def ask(self, what: str, url: str, identity: object, wanted: tuple[str, ...]) -> dict[str, Any]:
        """What a service says of the one of this id; nothing where it does not say."""
        try:
            return self._answered(what, url, identity, wanted)
        except (http_client.NoResponse, json_text.JsonError, _NoAnswer) as failure:
            log.log.info("no name for a receipt", extra={"of": what, "why": str(failure)})
        except Exception:
            log.log.exception("no name for a receipt", extra={"of": what})
        return {}

    def _answered(self, what: str, url: str, identity: object, wanted: tuple[str, ...]) -> dict[str, Any]:
        headers = {"Accept": "application/json"} | self._trace.headers()
        left = max(0.0, self.until - time.monotonic())
        reply = http_client.request("GET", url, timeout=left, headers=headers)
        if reply.status != 200:
            raise _NoAnswer(f"answered {reply.status}")
        found = _unwrapped(json_text.read(reply.body, of_a_neighbour=True), what, wanted)
        said = _first(found, f"{what}_id", f"{what}Id", "id")
        if said is not None and str(said) != str(identity):
            raise _NoAnswer("answered of another one")
        return found


class _NoAnswer(Exception):
    """A service answered, and not with what it was asked for."""


def _unwrapped(answer: Any, what: str, wanted: tuple[str, ...]) -> dict[str, Any]:
    """What has one of the wanted fields: within `data` and `trip`, `rider` or `driver`, one within the other or alone, or the
    answer itself."""
    for names in (("data", what), (what, "data"), ("data",), (what,), ()):
        inner = answer
        for name in names:
            inner = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(inner, dict) and any(name in inner for name in wanted):
            return inner
    raise _NoAnswer("answered without it")


def _first(answer: dict[str, Any], *names: str) -> Any:
    return next((answer[name] for name in names if answer.get(name) is not None), None)


def readable_name(said: object) -> str | None:
    """A name as a line of text of at most 80 characters: nothing in it that steers a terminal or turns text around."""
    if not isinstance(said, str):
        return None
    spaced = " ".join(said[: 10 * LONGEST_NAME].split())
    shown = "".join(char for char in spaced if char.isprintable() or char in JOINERS)
    if not shown.strip(JOINERS + " "):
        return None
    return shown if len(shown) <= LONGEST_NAME else shown[: LONGEST_NAME - 1].rstrip() + "…"
