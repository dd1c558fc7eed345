"""Dead letters: what a Broker could not deliver, and why. The outbox is what counts and sends again."""

import re
from collections.abc import Mapping

from shared.events.cloud_event import Received, read_event
from shared.events.event import SOURCE, TRIP_COMPLETED
from shared.events.failed import Failed, is_for_good
from shared.events.outbox import note_failed
from shared.platform.database import Database
from shared.platform.log import log
from shared.web.answers import PLAIN, Answer


def take(database: Database, headers: Mapping[str, str], body: bytes) -> Answer:
    """Counts a refusal for good of an event, which a Broker names in `knativeerrorcode` and tells its publisher nothing of.

    204 where that sets the event aside, or where it is set aside or gone already: it is nobody's any more. 424 before, and
    for whatever passes: the Broker then tells its publisher that the event was not delivered, and the outbox sends it again.
    (A Broker repeats its own call after a 5xx, and would count twice.) 400 for what is no event. Raises DatabaseUnavailable.

    A completed trip, which is another's event, is counted nowhere: 204 where it was refused for good, 424 before.
    """
    try:
        event = read_event(headers, body)
    except ValueError as wrong:
        return Answer(400, str(wrong), PLAIN)
    code = event.error_code or ""
    for_good = re.fullmatch(r"[0-9]{3}", code) is not None and is_for_good(int(code))
    if event.type == TRIP_COMPLETED:
        return _left_uncharged(event, code, for_good)
    if event.source != SOURCE:
        return Answer(400, "not an event of ours", PLAIN)
    if not for_good:
        return Answer(424, "it is sent again", PLAIN)
    failed = Failed(event.id, f"it was refused behind the Broker ({code})", for_good=True)
    if note_failed(database, [failed], tried=False) or not database.one("waits", event_id=event.id):
        return Answer(204)
    return Answer(424, "it is sent again, and set aside after some refusals", PLAIN)


def _left_uncharged(event: Received, code: str, for_good: bool) -> Answer:
    """Its publisher is told where sending it again may help; whoever is on call is told in either case."""
    about = {"event_id": event.id, "source": event.source, "why": code, "for_good": for_good}
    log.error("a completed trip is left uncharged", extra=about)
    return Answer(204) if for_good else Answer(424, "the trip is not charged: send the event again", PLAIN)
