"""Dead letters: what a Broker could not deliver, counted in the outbox until it is set aside."""

import json
import logging

import pytest

from shared.events.dead_letters import take
from shared.events.event import TRIP_COMPLETED
from shared.events.failed import Failed
from shared.events.outbox import MOST_REFUSALS, note_failed
from tests.sql.rows import an_event
from tests.support.cluster import Place
from tests.support.till import Till


def dead_letter(event_id: str = "e", code: str | None = "422") -> dict[str, str]:
    """The headers with which Knative 1.22 calls a dead-letter sink."""
    headers = {
        "ce-specversion": "1.0",
        "ce-id": event_id,
        "ce-type": "com.ridehailing.payment.succeeded.v1",
        "ce-source": "/payment-service",
        "ce-subject": "payments/1",
        "ce-knativeerrordest": "http://notify.payments.svc.cluster.local",
        "content-type": "application/json",
    }
    return headers if code is None else headers | {"ce-knativeerrorcode": code}


def status(till: Till, headers: dict[str, str], body: bytes = b"{}") -> int:
    return take(till.database, headers, body).status


def test_each_refusal_counts_and_the_last_sets_the_event_aside_once(till: Till, place: Place) -> None:
    an_event(place.sql, "e")
    answers = []
    for _ in range(MOST_REFUSALS):
        answers.append(status(till, dead_letter()))
        # The Broker's publisher heard a bare 5xx, which counts as a try and as no refusal.
        note_failed(till.database, [Failed("e", "the sink said 500")])
    assert answers == [424] * (MOST_REFUSALS - 1) + [204]
    [row] = place.sql.run("SELECT refusals, refusal, refused_at FROM outbox")
    assert (row["refusals"], row["refusal"]) == (MOST_REFUSALS, "it was refused behind the Broker (422)")
    assert row["refused_at"] is not None
    assert status(till, dead_letter()) == 204


@pytest.mark.parametrize("code", ["503", "500", "429", "408", "401", "403", "-1", "", "422 ", "four", None])
def test_what_passes_is_no_refusal(till: Till, place: Place, code: str | None) -> None:
    an_event(place.sql, "e")
    for _ in range(2 * MOST_REFUSALS):
        assert status(till, dead_letter(code=code)) == 424
    assert place.sql.value("SELECT refusals FROM outbox") == 0


@pytest.mark.parametrize("code", [422, "422"])
def test_a_structured_dead_letter_counts_too(till: Till, place: Place, code: object) -> None:
    an_event(place.sql, "e")
    event = {
        "specversion": "1.0",
        "id": "e",
        "type": "t",
        "source": "/payment-service",
        "knativeerrorcode": code,
        "data": {},
    }
    assert status(till, {"content-type": "application/cloudevents+json"}, json.dumps(event).encode()) == 424
    assert place.sql.value("SELECT refusals FROM outbox") == 1


def test_an_event_of_somebody_elses_with_the_same_id_is_not_ours(till: Till, place: Place) -> None:
    an_event(place.sql, "e")
    assert status(till, dead_letter() | {"ce-source": "/someone-else"}) == 400
    assert place.sql.value("SELECT refusals FROM outbox") == 0


@pytest.mark.parametrize("delivered_at", [None, "yesterday"])
def test_an_event_that_nobody_waits_for_is_taken(till: Till, place: Place, delivered_at: str | None) -> None:
    if delivered_at:
        an_event(place.sql, "e", delivered_at=delivered_at)
    assert status(till, dead_letter()) == 204


@pytest.mark.parametrize("missing", ["ce-id", "ce-type", "ce-source", "ce-specversion"])
def test_what_is_no_event_is_400(till: Till, missing: str) -> None:
    headers = dead_letter()
    del headers[missing]
    assert status(till, headers) == 400


@pytest.mark.parametrize(("code", "answer"), [("400", 204), ("413", 204), ("503", 424), ("500", 424), (None, 424)])
def test_a_completed_trip_is_nobody_s_where_it_was_refused_for_good_and_its_publisher_s_before(
    till: Till, place: Place, logged: list[logging.LogRecord], code: str | None, answer: int
) -> None:
    an_event(place.sql, "e")
    trip = dead_letter(code=code) | {"ce-type": TRIP_COMPLETED, "ce-source": "/trip-service"}
    assert status(till, trip, b'{"trip_id": 7}') == answer
    assert place.sql.value("SELECT refusals FROM outbox") == 0
    [line] = [vars(each) for each in logged if each.getMessage() == "a completed trip is left uncharged"]
    assert (line["event_id"], line["source"], line["for_good"]) == ("e", "/trip-service", answer == 204)
