"""What the database refuses whatever code does: each rule by its name."""

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from psycopg2 import errors

from tests.sql.rows import FARE, a_key, a_payment, a_refund, an_event, insert, move
from tests.support.cluster import Cluster, Place
from tests.support.sql import Sql

ANSWERED = {"answer_status": 201, "answer": "{}", "expires_at": "tomorrow", "ask_after": None}


@pytest.fixture(scope="module")
def one_place(cluster: Cluster) -> Iterator[Place]:
    with cluster.database() as place:
        yield place


@pytest.fixture
def place(one_place: Place) -> Iterator[Place]:
    """One database for all of these tests: what each does is rolled back."""
    one_place.sql.run("BEGIN")
    yield one_place
    one_place.sql.run("ROLLBACK")


PAYMENTS: list[tuple[dict[str, Any], str]] = [
    ({"trip_id": 0}, "payments_trip_id_check"),
    ({"trip_id": -1}, "payments_trip_id_check"),
    ({"amount": "0"}, "payments_amount_check"),
    ({"amount": "-0.01"}, "payments_amount_check"),
    ({"amount": "NaN", "status": "PENDING"}, "payments_amount_check"),
    ({"currency": "inr"}, "payments_currency_check"),
    ({"currency": "INRS"}, "payments_currency_check"),
    ({"currency": ""}, "payments_currency_check"),
    ({"method": "CHEQUE"}, "payments_method_check"),
    ({"method": "card"}, "payments_method_check"),
    ({"status": "DONE"}, "payments_status_check"),
    ({"failure_code": "card_declined"}, "payments_failure_code_check"),
    ({"failure_code": "card_declined", "status": "PENDING"}, "payments_failure_code_check"),
    ({"payment_token": "tok_1"}, "payments_payment_token_check"),
    ({"payment_token": "tok_1", "status": "FAILED"}, "payments_payment_token_check"),
    ({"reserved_amount": "-0.01"}, "payments_reserved_amount_check"),
    ({"refunded_amount": "-0.01"}, "payments_refunded_amount_check"),
    ({"reserved_amount": "100.01"}, "payments_refunds_within_amount"),
    ({"reserved_amount": "60", "refunded_amount": "40.01"}, "payments_refunds_within_amount"),
    ({"refunded_amount": "100.00"}, "payments_refunded_when_all_is_back"),
    ({"refunded_amount": "99.99", "status": "REFUNDED"}, "payments_refunded_when_all_is_back"),
    ({"status": "REFUNDED"}, "payments_refunded_when_all_is_back"),
    ({"reserved_amount": "1", "status": "PENDING"}, "payments_refunds_only_of_charged"),
    ({"refunded_amount": "1", "status": "FAILED"}, "payments_refunds_only_of_charged"),
    *[({name: 1}, "payments_fare_whole_or_none") for name in FARE],
    *[(FARE | {name: None}, "payments_fare_whole_or_none") for name in FARE],
]


@pytest.mark.parametrize(("fields", "constraint"), PAYMENTS)
def test_a_payment_that_cannot_be_is_refused(place: Place, fields: dict[str, Any], constraint: str) -> None:
    with pytest.raises(errors.CheckViolation) as refusal:
        a_payment(place.sql, **fields)
    assert refusal.value.diag.constraint_name == constraint


@pytest.mark.parametrize("amount", ["0.01", "9999999999.99"])
def test_the_smallest_and_the_greatest_amount_are_taken(place: Place, amount: str) -> None:
    a_payment(place.sql, amount=amount)
    assert str(place.sql.value("SELECT amount FROM payments")) == amount


def test_an_amount_that_would_need_more_digits_is_refused(place: Place) -> None:
    with pytest.raises(errors.NumericValueOutOfRange):
        a_payment(place.sql, amount="10000000000.00")


@pytest.mark.parametrize("name", ["trip_id", "amount", "currency", "method", "status", "reference", "metadata"])
def test_a_payment_without_what_every_payment_has_is_refused(place: Place, name: str) -> None:
    with pytest.raises(errors.NotNullViolation):
        a_payment(place.sql, **{name: None})


REFUNDS: list[tuple[dict[str, Any], str]] = [
    ({"amount": "0"}, "payment_refunds_amount_check"),
    ({"amount": "-1"}, "payment_refunds_amount_check"),
    ({"status": "SUCCESS"}, "payment_refunds_status_check"),
    ({"failure_code": "x"}, "payment_refunds_failure_code_check"),
    ({"reason": "x" * 501}, "payment_refunds_reason_check"),
]


@pytest.mark.parametrize(("fields", "constraint"), REFUNDS)
def test_a_refund_that_cannot_be_is_refused(place: Place, fields: dict[str, Any], constraint: str) -> None:
    with pytest.raises(errors.CheckViolation) as refusal:
        a_refund(place.sql, a_payment(place.sql), **fields)
    assert refusal.value.diag.constraint_name == constraint


KEYS: list[tuple[dict[str, Any], str]] = [
    ({"key_hash": bytes(31)}, "idempotency_keys_key_hash_check"),
    ({"fingerprint": bytes(33)}, "idempotency_keys_fingerprint_check"),
    ({"answer_status": 201}, "idempotency_keys_answer_whole_or_none"),
    (ANSWERED | {"answer": None}, "idempotency_keys_answer_whole_or_none"),
    ({"expires_at": "tomorrow"}, "idempotency_keys_answer_whole_or_none"),
    ({"ask_after": None}, "idempotency_keys_open_or_answered"),
    (ANSWERED | {"ask_after": "now"}, "idempotency_keys_open_or_answered"),
    (ANSWERED | {"locked_at": "now"}, "idempotency_keys_open_or_answered"),
]


@pytest.mark.parametrize(("fields", "constraint"), KEYS)
def test_a_key_that_cannot_be_is_refused(place: Place, fields: dict[str, Any], constraint: str) -> None:
    with pytest.raises(errors.CheckViolation) as refusal:
        a_key(place.sql, a_payment(place.sql), **fields)
    assert refusal.value.diag.constraint_name == constraint


def test_an_open_key_never_has_a_time_to_expire_and_an_answered_one_always_has(place: Place) -> None:
    payment_id = a_payment(place.sql)
    a_key(place.sql, payment_id)
    a_key(place.sql, payment_id, **ANSWERED)
    assert place.sql.run("SELECT answer_status, expires_at IS NULL AS stays FROM idempotency_keys ORDER BY 1") == [
        {"answer_status": 201, "stays": False},
        {"answer_status": None, "stays": True},
    ]


def uniqueness(place: Place, again: Any) -> str:
    place.sql.run("SAVEPOINT before")
    with pytest.raises(errors.UniqueViolation) as refusal:
        again()
    place.sql.run("ROLLBACK TO before")
    return refusal.value.diag.constraint_name or ""


def test_what_is_unique_stays_unique(place: Place) -> None:
    sql = place.sql
    payment_id = a_payment(sql, reference="PAY-1")
    refund_id = a_refund(sql, payment_id, reference="REF-1")
    key_hash = a_key(sql, payment_id)
    receipt = {"payment_id": payment_id, "amount": "100.00", "currency": "INR"}
    insert(sql, "payment_receipts", receipt)
    an_event(sql, "PAY-1.succeeded")
    assert uniqueness(place, lambda: a_payment(sql, reference="PAY-1")) == "payments_reference_key"
    assert uniqueness(place, lambda: a_payment(sql, payment_id=payment_id)) == "payments_pkey"
    assert uniqueness(place, lambda: a_refund(sql, payment_id, reference="REF-1")) == "payment_refunds_reference_key"
    assert uniqueness(place, lambda: a_refund(sql, payment_id, refund_id=refund_id)) == "payment_refunds_pkey"
    assert uniqueness(place, lambda: a_key(sql, payment_id, key_hash=key_hash)) == "idempotency_keys_pkey"
    assert uniqueness(place, lambda: insert(sql, "payment_receipts", receipt)) == "payment_receipts_pkey"
    assert uniqueness(place, lambda: an_event(sql, "PAY-1.succeeded")) == "outbox_pkey"


@pytest.mark.parametrize("first", ["PENDING", "SUCCESS", "REFUNDED"])
@pytest.mark.parametrize("second", ["PENDING", "SUCCESS", "REFUNDED"])
def test_a_trips_computed_fare_is_there_once(place: Place, first: str, second: str) -> None:
    """Whatever the status that it is written in, which only a row without a gateway may choose."""
    back = {"PENDING": "0", "SUCCESS": "0", "REFUNDED": "100"}
    fare = FARE | {"gateway": None}
    a_payment(place.sql, status=first, refunded_amount=back[first], **fare)
    again = uniqueness(place, lambda: a_payment(place.sql, status=second, refunded_amount=back[second], **fare))
    assert again == "payments_one_fare_per_trip"


def test_a_declined_fare_and_given_amounts_and_other_trips_limit_nothing(place: Place) -> None:
    a_payment(place.sql, status="FAILED", **FARE)
    a_payment(place.sql, status="FAILED", **FARE)
    a_payment(place.sql, **FARE)
    a_payment(place.sql)
    a_payment(place.sql)
    a_payment(place.sql, trip_id=2, **FARE)
    assert place.sql.value("SELECT count(*) FROM payments") == 6


FOREIGN = [
    ("payment_receipts", {"payment_id": 999, "amount": 1, "currency": "INR"}, "payment_receipts_payment_id_fkey"),
    (
        "payment_refunds",
        {"payment_id": 999, "amount": 1, "status": "PENDING", "reference": "R"},
        "payment_refunds_payment_id_fkey",
    ),
    (
        "idempotency_keys",
        {"key_hash": bytes(32), "fingerprint": bytes(32), "payment_id": 999, "correlation_id": "", "ask_after": "now"},
        "idempotency_keys_payment_id_fkey",
    ),
    (
        "audit_log",
        {"actor": "a", "action": "settle_payment", "payment_id": 999, "outcome": "failed", "reason": "r"}
        | {"gateway_said": ""},
        "audit_log_payment_id_fkey",
    ),
]


@pytest.mark.parametrize(("table", "row", "constraint"), FOREIGN)
def test_nothing_names_a_payment_that_is_not_there(
    place: Place, table: str, row: dict[str, Any], constraint: str
) -> None:
    with pytest.raises(errors.ForeignKeyViolation) as refusal:
        insert(place.sql, table, row)
    assert refusal.value.diag.constraint_name == constraint


def test_no_key_names_a_refund_that_is_not_there(place: Place) -> None:
    payment_id = a_payment(place.sql)
    with pytest.raises(errors.ForeignKeyViolation) as refusal:
        a_key(place.sql, payment_id, refund_id=999)
    assert refusal.value.diag.constraint_name == "idempotency_keys_refund_id_fkey"


def test_no_audit_entry_names_a_refund_that_is_not_there(place: Place) -> None:
    payment_id = a_payment(place.sql)
    entry = {"actor": "a", "action": "settle_refund", "payment_id": payment_id, "outcome": "failed", "reason": "r"}
    with pytest.raises(errors.ForeignKeyViolation) as refusal:
        insert(place.sql, "audit_log", entry | {"refund_id": 999, "gateway_said": ""})
    assert refusal.value.diag.constraint_name == "audit_log_refund_id_fkey"


@pytest.mark.parametrize("table", ["payment_receipts", "payment_refunds", "idempotency_keys"])
def test_a_payment_that_something_names_cannot_be_deleted(place: Place, table: str) -> None:
    payment_id = a_payment(place.sql)
    if table == "payment_receipts":
        insert(place.sql, table, {"payment_id": payment_id, "amount": 1, "currency": "INR"})
    elif table == "payment_refunds":
        a_refund(place.sql, payment_id)
    else:
        a_key(place.sql, payment_id)
    with pytest.raises(errors.ForeignKeyViolation):
        place.sql.run("DELETE FROM payments")


@pytest.mark.parametrize(
    "fields", [{"actor": ""}, {"reason": ""}, {"action": "delete"}, {"outcome": "maybe"}], ids=lambda f: next(iter(f))
)
def test_an_audit_entry_says_who_what_and_why(place: Place, fields: dict[str, Any]) -> None:
    entry = {"actor": "a", "action": "settle_payment", "outcome": "failed", "reason": "r", "gateway_said": "nothing"}
    with pytest.raises(errors.CheckViolation):
        insert(place.sql, "audit_log", entry | {"payment_id": a_payment(place.sql)} | fields)


ASKING = {"payment_id": 1, "asked": 1, "step": 1, "how": "charge", "said": "unknown", "duration_ms": 1}


@pytest.mark.parametrize(
    "fields",
    [
        {"how": "guess"},
        {"said": "maybe"},
        {"asked": -1},
        {"step": 0},
        {"duration_ms": -1},
        {"code": "x" * 256},
        {"why": "x" * 501},
        {"gateway_id": "x" * 256},
        {"actor": "x" * 514},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_what_is_kept_of_an_asking_is_bounded(place: Place, fields: dict[str, Any]) -> None:
    with pytest.raises(errors.CheckViolation):
        insert(place.sql, "gateway_askings", ASKING | fields)


@pytest.mark.parametrize("refund_id", [None, 7])
def test_an_asking_is_kept_once(place: Place, refund_id: int | None) -> None:
    one = ASKING | {"refund_id": refund_id}
    for other in ({}, {"step": 2}, {"asked": 2}, {"payment_id": 2}, {"refund_id": 8}):
        insert(place.sql, "gateway_askings", one | other)
    with pytest.raises(errors.UniqueViolation):
        insert(place.sql, "gateway_askings", one | {"said": "succeeded"})


@pytest.mark.parametrize("of", ["payment", "refund"])
def test_no_answer_took_less_than_no_time(place: Place, of: str) -> None:
    payment_id = a_payment(place.sql, status="PENDING" if of == "payment" else "SUCCESS")
    which = {"payment_id": payment_id}
    if of == "refund":
        which = {"refund_id": a_refund(place.sql, payment_id, status="PENDING")}
    with pytest.raises(errors.CheckViolation):
        move(place.sql, "payments" if of == "payment" else "payment_refunds", which, {"asked_ms": -1})


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "DROP TABLE payments",
        "ALTER TABLE payments DROP CONSTRAINT payments_refunds_within_amount",
        "ALTER TABLE payments DISABLE TRIGGER ALL",
        "TRUNCATE payments CASCADE",
        "CREATE INDEX mine ON payments (trip_id)",
    ],
)
def test_the_functions_role_changes_rows_and_nothing_else(place: Place, statement: str) -> None:
    with Sql(place.environment) as role, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        role.run(statement)


def test_the_functions_role_has_a_statement_time_out_of_its_own(place: Place) -> None:
    with Sql(place.environment) as role:
        role.run("RESET statement_timeout")
        assert role.value("SHOW statement_timeout") == "2s"
