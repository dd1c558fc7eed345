"""The outbox: what it notes of deliveries, and what it sets aside."""

import logging

import pytest

from shared.events.failed import Failed
from shared.events.outbox import mark_delivered, note_failed
from shared.reading.totals import MOST_COUNTED, read_totals
from tests.fakes.sink import Sink
from tests.sql.rows import an_event
from tests.support.cluster import Place
from tests.support.outbox import UNDELIVERED, deliver_left, many
from tests.support.till import Till


def test_pauses_between_tries_grow_to_a_minute(events: Till, sink: Sink, place: Place) -> None:
    sink.status = 500
    an_event(place.sql, "e", created_at="yesterday", next_attempt_at="yesterday")
    pauses = []
    for _ in range(6):
        assert deliver_left(events) == 0
        pauses.append(place.sql.value("SELECT extract(epoch FROM next_attempt_at - now())::float8 FROM outbox"))
        place.sql.run("UPDATE outbox SET next_attempt_at = now()")
    assert pauses == pytest.approx([5, 10, 20, 40, 60, 60], abs=0.5)


def test_marking_waits_for_no_disk(place: Place, till: Till) -> None:
    """The transaction that marks turns synchronous_commit off, for itself alone."""
    place.sql.run("CREATE TABLE seen (setting text)")
    place.sql.run("GRANT INSERT ON seen TO payments_app")
    place.sql.run(
        """CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
             INSERT INTO seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$;
           CREATE TRIGGER noting AFTER UPDATE ON outbox FOR EACH STATEMENT EXECUTE FUNCTION note();
           CREATE TRIGGER noting AFTER INSERT ON payments FOR EACH STATEMENT EXECUTE FUNCTION note()"""
    )
    place.sql.run(f"ALTER DATABASE {place.name} SET synchronous_commit = on")
    till.database.close()
    an_event(place.sql, "e")
    till.database.run("mark_delivered", event_ids=["e"])
    till.pay()
    assert [row["setting"] for row in place.sql.run("SELECT setting FROM seen")] == ["off", "on"]


def refuse(till: Till, event_id: str, times: int = 1) -> list[set[str]]:
    return [note_failed(till.database, [Failed(event_id, "the sink said 422", for_good=True)]) for _ in range(times)]


def test_what_is_refused_for_good_is_set_aside_after_five_tries(
    till: Till, place: Place, logged: list[logging.LogRecord]
) -> None:
    an_event(place.sql, "e")
    assert refuse(till, "e", 6) == [set(), set(), set(), set(), {"e"}, set()]
    [row] = place.sql.run("SELECT attempts, refusals, refusal, refused_at = now() AS is_old FROM outbox")
    assert row == {"attempts": 5, "refusals": 5, "refusal": "the sink said 422", "is_old": False}
    [line] = [record for record in logged if record.message == "event set aside"]
    assert (line.levelname, vars(line)["event_id"], vars(line)["why"]) == ("ERROR", "e", "the sink said 422")


def test_what_fails_and_may_pass_is_never_set_aside(till: Till, place: Place) -> None:
    an_event(place.sql, "e")
    for _ in range(40):
        assert note_failed(till.database, [Failed("e", "the sink said 503")]) == set()
    assert place.sql.run("SELECT attempts, refusals, refused_at FROM outbox") == [
        {"attempts": 40, "refusals": 0, "refused_at": None}
    ]


def test_what_only_heard_of_a_failure_counts_the_refusal_and_not_the_try(till: Till, place: Place) -> None:
    an_event(place.sql, "e")
    note_failed(till.database, [Failed("e", "it was refused behind the Broker (422)", for_good=True)], tried=False)
    assert place.sql.run("SELECT attempts, refusals FROM outbox") == [{"attempts": 0, "refusals": 1}]


def test_one_whose_failure_cannot_be_noted_keeps_no_other_from_its_own(till: Till, place: Place) -> None:
    for event_id in ("a", "b", "c"):
        an_event(place.sql, event_id)
    note_failed(till.database, [Failed("a", "500"), Failed("b", "\0"), Failed("c", "500")])
    rows = place.sql.run("SELECT event_id, attempts FROM outbox ORDER BY event_id")
    assert [tuple(row.values()) for row in rows] == [("a", 1), ("b", 0), ("c", 1)]


def test_what_is_set_aside_no_sweep_sends_and_whoever_takes_it_late_does_not_change_that(
    till: Till, sink: Sink, place: Place
) -> None:
    an_event(place.sql, "e", created_at="yesterday", next_attempt_at="yesterday")
    refuse(till, "e", 5)
    mark_delivered(till.database, ["e"])
    assert deliver_left(till) == 0
    assert place.sql.value(UNDELIVERED) == 1


def test_a_failure_noted_late_does_not_undo_a_delivery(till: Till, place: Place) -> None:
    an_event(place.sql, "e", delivered_at="yesterday")
    refuse(till, "e", 5)
    assert place.sql.run("SELECT attempts, refused_at FROM outbox") == [{"attempts": 0, "refused_at": None}]


def test_more_that_were_set_aside_than_are_counted_hide_nothing_else(till: Till, place: Place) -> None:
    many(place, MOST_COUNTED + 10)
    place.sql.run("UPDATE outbox SET refused_at = now(), attempts = 5")
    an_event(place.sql, "f", subject="payments/f")
    totals = read_totals(till.database, till.settings.currency)
    assert (totals.refused_count, totals.undelivered_count) == (MOST_COUNTED, 1)
    assert totals.undelivered_oldest < 60


def test_the_metrics_count_what_was_set_aside_and_no_longer_wait_for_it(till: Till, place: Place) -> None:
    an_event(place.sql, "e", created_at="yesterday")
    an_event(place.sql, "f")
    refuse(till, "e", 5)
    totals = read_totals(till.database, till.settings.currency)
    assert (totals.refused_count, totals.undelivered_count) == (1, 1)
    assert totals.undelivered_oldest < 60
