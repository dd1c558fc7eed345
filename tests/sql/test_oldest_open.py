"""Where what is open begins: never behind anything that is open, whoever writes it and however long that takes."""

from typing import Any

import pytest

from shared.platform.database.statements import statement
from shared.reading.totals import MOST_COUNTED
from tests.sql.rows import CLAIM, a_key, a_payment, an_event
from tests.sql.samples import SAMPLES
from tests.support.cluster import Place
from tests.support.sql import Sql

NOTE = statement("keep_up")
# As if the last note had been taken ten minutes later than it was: what comes now comes long before it.
LATER = "UPDATE oldest_open SET noted_at = now() + interval '10 min', noted_by = pg_current_xact_id()"
DUE = "UPDATE idempotency_keys SET ask_after = created_at, locked_at = NULL WHERE answer_status IS NULL"


def note(sql: Sql) -> None:
    """Notes as if ten minutes had passed since the note before."""
    sql.run(NOTE)
    sql.run(LATER)
    sql.run(NOTE)


def watched(sql: Sql) -> dict[str, Any]:
    return sql.run(statement("watch_totals"), {"most_counted": MOST_COUNTED})[0]


def test_where_nothing_is_open_it_begins_a_minute_before_the_last_note(place: Place) -> None:
    place.sql.run(NOTE)
    place.sql.run(LATER)
    place.sql.run("BEGIN")
    noted_at = place.sql.value("SELECT noted_at FROM oldest_open")
    place.sql.run(NOTE)
    begins = place.sql.run("SELECT * FROM open_from")[0]
    assert {(noted_at - moment).total_seconds() for moment in begins.values()} == {60}
    place.sql.run("COMMIT")


def test_what_is_open_is_found_however_old_it_is(place: Place) -> None:
    sql = place.sql
    a_key(sql, a_payment(sql, status="PENDING"), correlation_id="the oldest")
    an_event(sql, "PAY-1.succeeded")
    sql.run("UPDATE idempotency_keys SET created_at = '2026-01-01', ask_after = '2026-01-01'")
    sql.run("UPDATE outbox SET created_at = '2026-01-01', next_attempt_at = '2026-01-01'")
    for _ in range(3):
        note(sql)
        sql.run(
            statement("claim_payment"),
            CLAIM
            | {"key_hash": sql.value("SELECT sha256(gen_random_uuid()::text::bytea)")}
            | {"reference": sql.value("SELECT 'PAY-' || gen_random_uuid()")},
        )
        assert watched(sql)["pending_oldest"] > 1_000_000
        assert watched(sql)["undelivered_oldest"] > 1_000_000
        sql.run("BEGIN")
        assert sql.run(statement("lease_next"), {"lease_seconds": 60})
        assert sql.run(statement("lease_events"), SAMPLES["lease_events"]) == [{"event_id": "PAY-1.succeeded"}]
        sql.run("ROLLBACK")


@pytest.mark.parametrize("notes_meanwhile", [1, 3])
def test_a_claim_that_is_under_way_while_others_note_is_found_when_it_is_committed(
    place: Place, notes_meanwhile: int
) -> None:
    place.sql.run(NOTE)
    with place.connection() as slow:
        slow.run("BEGIN")
        slow.run(statement("claim_payment"), CLAIM)
        for _ in range(notes_meanwhile):
            note(place.sql)
        slow.run("COMMIT")
    assert watched(place.sql)["pending_count"] == 1
    place.sql.run(DUE)
    assert place.sql.run(statement("pending"), {"looked": 10, "limit": 10})
    assert place.sql.run(statement("lease_next"), {"lease_seconds": 60})


CASH = {"method": "CASH", "gateway": "cash"}
# As if everything that was noted had been noted by a clock that was an hour ahead.
AHEAD = """
UPDATE oldest_open SET requests = now() + interval '1 h', events = now() + interval '1 h', noted_at = now() + interval '1 h',
       clock = now() + interval '1 h', noted_by = pg_current_xact_id()
"""


def test_a_clock_that_was_put_back_hides_no_claim(place: Place) -> None:
    place.sql.run(NOTE)
    place.sql.run(AHEAD)
    place.sql.run(statement("claim_payment"), CLAIM)
    assert watched(place.sql)["pending_count"] == 1
    place.sql.run(DUE)
    for _ in range(2):
        place.sql.run(NOTE)
    assert place.sql.run(statement("lease_next"), {"lease_seconds": 60})


def test_a_clock_that_was_put_back_hides_no_refund(place: Place) -> None:
    sql = place.sql
    ours = {"payment_id": a_payment(sql), "gateways": ["scripted"], "accounts": ["scripted"]}
    sql.run(NOTE)
    sql.run(AHEAD)
    assert sql.run(statement("claim_refund"), SAMPLES["claim_refund"] | ours)
    assert watched(sql)["pending_count"] == 1
    sql.run(DUE)
    for _ in range(2):
        sql.run(NOTE)
    assert sql.run(statement("lease_next"), {"lease_seconds": 60})


@pytest.mark.parametrize("name", ["settle_payment", "charge_at_once"])
def test_a_clock_that_was_put_back_hides_no_event(place: Place, name: str) -> None:
    sql = place.sql
    key_hash = a_key(sql, a_payment(sql, status="PENDING")) if name == "settle_payment" else CLAIM["key_hash"]
    payment_id = sql.value("SELECT max(payment_id) FROM payments")
    sql.run(NOTE)
    sql.run(AHEAD)
    sql.run("UPDATE oldest_open SET requests = '-infinity'")  # something has been open for long
    assert sql.run(statement(name), SAMPLES[name] | {"key_hash": key_hash, "payment_id": payment_id} | CASH)
    assert watched(sql)["undelivered_count"] == 1
    assert sql.run(statement("lease_events"), SAMPLES["lease_events"] | {"age": 0})


def test_what_a_clock_that_was_put_back_asks_and_sends_again_is_found_though_it_is_due_before_it_came(
    place: Place,
) -> None:
    sql = place.sql
    a_key(sql, a_payment(sql, status="PENDING"), ask_after="2026-01-01")
    an_event(sql, "PAY-1.succeeded", next_attempt_at="2026-01-01")
    an_event(sql, "PAY-2.succeeded", next_attempt_at="2026-01-01", attempts=1, subject="payments/2")
    sql.run("UPDATE idempotency_keys SET created_at = now() - interval '5 s'")
    sql.run("UPDATE outbox SET created_at = now() - interval '5 s'")
    for _ in range(3):
        note(sql)
    assert sql.run(statement("lease_next"), {"lease_seconds": 60})
    assert len(sql.run(statement("lease_events"), SAMPLES["lease_events"])) == 2


def test_whoever_notes_by_a_clock_that_was_put_back_begins_anew(place: Place) -> None:
    place.sql.run(NOTE)
    place.sql.run(AHEAD)
    an_event(place.sql, "PAY-1.succeeded", created_at=place.sql.value("SELECT now() - interval '1 h'"))
    assert watched(place.sql)["undelivered_count"] == 0
    place.sql.run(NOTE)
    assert watched(place.sql)["undelivered_oldest"] > 3000


def test_an_event_that_was_set_aside_is_found_when_it_is_sent_again(place: Place) -> None:
    sql = place.sql
    an_event(sql, "PAY-1.failed", attempts=5, next_attempt_at="infinity")
    sql.run("UPDATE outbox SET refused_at = now(), refusal = 'the sink said 422', created_at = '2026-01-01'")
    for _ in range(3):
        note(sql)
    sql.run(statement("resend_events"), {"event_id": None, "limit": 10})
    assert watched(sql)["undelivered_oldest"] > 1_000_000
    assert sql.run(statement("lease_events"), SAMPLES["lease_events"]) == [{"event_id": "PAY-1.failed"}]


def test_what_is_over_is_found_and_deleted(place: Place) -> None:
    sql = place.sql
    payment_id = a_payment(sql)
    for number in range(5):
        sql.run(NOTE)
        a_key(sql, payment_id, ask_after=None, answer_status=201, answer="{}", expires_at=f"2100-01-0{number + 1}")
        an_event(sql, f"PAY-{number}", delivered_at=sql.value("SELECT now()"))
    sql.run("SET session_replication_role = replica; UPDATE idempotency_keys SET expires_at = now()")
    sql.run("RESET session_replication_role")
    assert len(sql.run(statement("delete_expired_keys"), {"limit": 10, "passed_over": 0})) == 5
    assert len(sql.run(statement("delete_old_events"), {"limit": 10, "passed_over": 0, "retention": 0})) == 5
