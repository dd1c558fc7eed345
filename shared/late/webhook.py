"""A webhook is a doorbell: what it names is read from its gateway, and the books follow what was read, whatever it says."""

from collections.abc import Mapping
from contextvars import copy_context
from threading import BoundedSemaphore, Thread

from shared.charging.dependencies import Dependencies
from shared.gateways.facts import Event, Kind, NotSigned
from shared.gateways.webhooks import reader_of
from shared.late.answer import answer_now
from shared.platform import json_text
from shared.platform.counting import Counts
from shared.platform.log import log
from shared.web.answers import Answer
from shared.web.problems import Problem, invalid

# Seconds for which a gateway waits for what its webhook leads to. What takes longer goes on, or is left for a sweep.
WITHIN = 5.0
# So many rings are answered at once, those included whose gateway waits no more.
MOST = 16

WEBHOOKS = Counts("payment_webhook_total", "Webhooks that came, by what they led to.", "gateway", "outcome")

_free = BoundedSemaphore(MOST)


def take(deps: Dependencies, gateway: str, headers: Mapping[str, str], body: bytes, within: float = WITHIN) -> Answer:
    """Keeps the event of a webhook, and answers its ring for at most `within` seconds. A success says that what it leads to
    is in the books, or will be: nothing is lost that was answered so.

    Raises Problem not_found for a gateway that sends none here, invalid_signature and invalid_request where it is not the
    gateway's or no event, all of which change nothing; and DatabaseUnavailable, upon which a gateway sends it again.
    """
    read = reader_of(gateway, deps.settings)
    if read is None:
        raise Problem("not_found", "No gateway of this name sends webhooks here.")
    try:
        event = read(headers, body)
    except NotSigned as wrong:
        WEBHOOKS.count(gateway, "refused")
        log.warning("webhook not signed", extra={"gateway": gateway, "why": str(wrong)})
        raise Problem("invalid_signature", "Sign the body as it is sent, now, with this endpoint's secret.") from None
    except ValueError as wrong:
        WEBHOOKS.count(gateway, "refused")
        raise invalid(("body", str(wrong))) from None
    outcome = _follow(deps, gateway, event, within) if event else "ignored"
    WEBHOOKS.count(gateway, outcome)
    about = {"event_id": event.event_id, "event_type": event.type, "object_id": event.object_id} if event else {}
    return Answer(204, about={**about, "outcome": outcome})


def _follow(deps: Dependencies, gateway: str, event: Event, within: float) -> str:
    """What became of an event: it rang for nothing (`kept`), or its ring was `answered`, or is `left` for a sweep."""
    columns = event._asdict() | {"said": json_text.write(dict(event.said))}
    [row] = deps.database.run_again("keep_said", gateway=gateway, source="webhook", **columns)
    if event.kind is None or not row["rang"]:
        return "kept"
    return "answered" if _answered(deps, gateway, event.kind, event.object_id, within) else "left"


def _answered(deps: Dependencies, gateway: str, kind: Kind, object_id: str, within: float) -> bool:
    """Whether a ring was answered within so many seconds, on a thread that goes on after them. Where none can be started it is
    a sweep's."""
    if not _free.acquire(blocking=False):
        return False
    done: list[bool] = []

    def answer() -> None:
        try:
            done.append(answer_now(deps, gateway, kind, object_id))
        finally:
            _free.release()

    thread = Thread(target=copy_context().run, args=(answer,), name="ring", daemon=True)
    try:
        thread.start()
    except (RuntimeError, MemoryError):
        _free.release()
        log.warning("no thread for a ring", extra={"gateway": gateway, "kind": kind, "object_id": object_id})
        return False
    thread.join(within)
    return done == [True]
