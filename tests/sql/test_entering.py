"""A charge that the books lost is entered as it was, by the owner's rights: and nothing else is done with those."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg2 import errors

from shared.platform.database.statements import statement
from tests.sql.rows import a_key, a_payment
from tests.sql.samples import ENTERED_PAYMENT, LOST_CHARGE
from tests.support.cluster import Cluster, Place
from tests.support.sql import Sql

FARE = {"base_fare": 5, "distance_km": 10.5, "rate_per_km": 2.5, "surge_multiplier": 1.2}
# How far ahead of all others an id may be.
MOST_LOST = 100_000_000


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    with cluster.database() as place:
        yield place


@pytest.fixture
def sql(place: Place) -> Iterator[Sql]:
    """The functions' role, in a transaction that is rolled back; ids begin at 1."""
    place.sql.run("ALTER SEQUENCE payments_payment_id_seq RESTART")
    with Sql(place.environment) as role:
        role.run("BEGIN")
        yield role
        role.run("ROLLBACK")


def enter(sql: Sql, number: Any = 3, **fields: Any) -> int:
    lost = LOST_CHARGE | {"reference": f"PAY-{number}", "gateway_id": f"pi_{number}"} | fields
    own = {"lost": json.dumps(lost), "key_hash": number.to_bytes(32)}
    return int(sql.value(statement("enter_payment"), ENTERED_PAYMENT | own))


def test_it_is_there_as_it_was_claimed_free_to_be_carried_on(sql: Sql) -> None:
    fields = {"payment_id": 351, "driver_id": "driver-7", "commission": "0.20"} | FARE
    assert enter(sql, **fields) == 351
    [payment] = sql.run("SELECT * FROM payments")
    kept = {name: str(payment[name]) for name in ("payment_id", "driver_id", "commission", *FARE)}
    assert kept == {name: str(value) for name, value in fields.items()}
    assert (payment["status"], payment["reference"], payment["gateway_id"]) == ("PENDING", "PAY-3", "pi_3")
    [key] = sql.run("SELECT *, ask_after <= now() AND locked_at IS NULL AS is_free FROM idempotency_keys")
    assert payment["created_at"].isoformat() == key["created_at"].isoformat() == "2026-11-20T08:00:00+00:00"
    assert (key["payment_id"], bytes(key["fingerprint"]), key["is_free"]) == (351, bytes(32), True)
    assert sql.run("SELECT actor, action, payment_id, outcome, reason, gateway_id FROM audit_log") == [
        {"actor": "asha@ops-1", "action": "enter_payment", "payment_id": 351, "outcome": "succeeded"}
        | {"reason": "restored", "gateway_id": "pi_3"}
    ]


def test_the_next_payment_has_an_id_of_its_own(sql: Sql) -> None:
    assert [enter(sql, 1, payment_id=9), enter(sql, 2, payment_id=4), enter(sql, 5)] == [9, 4, 10]
    assert a_payment(sql) == 11


def test_an_id_that_another_payment_has_by_now_is_left_to_it(sql: Sql) -> None:
    assert [a_payment(sql), enter(sql, payment_id=1)] == [1, 2]


def test_no_id_is_given_out_twice_to_those_who_claim_meanwhile(sql: Sql, place: Place) -> None:
    with place.connection() as claims:
        claims.run("BEGIN")
        a_payment(claims)
        sql.run("SET LOCAL lock_timeout = '50ms'")
        with pytest.raises(errors.LockNotAvailable):
            enter(sql, payment_id=9)
        claims.run("ROLLBACK")


@pytest.mark.parametrize("far", [MOST_LOST + 2, 2**63 - 1, 0, -1, None])
def test_an_id_that_nobody_can_have_had_uses_up_no_other(sql: Sql, far: int | None) -> None:
    assert [a_payment(sql), enter(sql, 1, payment_id=far), enter(sql, 2, payment_id=MOST_LOST)] == [1, 2, MOST_LOST]


def test_nothing_is_of_the_future(sql: Sql) -> None:
    enter(sql, created_at="2999-01-01T00:00:00Z")
    assert sql.value("SELECT created_at = now() FROM payments")


def test_what_is_open_begins_no_later(sql: Sql) -> None:
    sql.run("UPDATE oldest_open SET requests = now(), events = now()")
    enter(sql)
    assert sql.value("SELECT count(*) FROM idempotency_keys, open_from WHERE created_at >= requests") == 1


@pytest.mark.parametrize("name", ["gateway", "gateway_id"])
def test_what_no_gateway_has_is_not_entered(sql: Sql, name: str) -> None:
    with pytest.raises(errors.NotNullViolation):
        enter(sql, **{name: None})


@pytest.mark.parametrize("name", ["payments_reference_key", "payments_one_fare_per_trip", "idempotency_keys_pkey"])
def test_who_has_its_reference_its_fare_or_its_key_keeps_it(sql: Sql, name: str) -> None:
    taken = {"reference": "PAY-3"} if name == "payments_reference_key" else FARE | {"trip_id": 7}
    payment_id = a_payment(sql, **taken if "key" not in name or "reference" in name else {})
    if name == "idempotency_keys_pkey":
        a_key(sql, payment_id, key_hash=(3).to_bytes(32))
    with pytest.raises(errors.UniqueViolation) as refused:
        enter(sql, **FARE)
    assert refused.value.diag.constraint_name == name


def test_nobody_else_may_do_it(place: Place) -> None:
    granted = "SELECT has_function_privilege(%s, 'enter_lost_payment(payments,bytea,bytea,text,text,text)', 'EXECUTE')"
    assert place.sql.value(granted, (place.environment["DB_USER"],))
    place.sql.run("CREATE ROLE reports_only")
    try:
        assert not place.sql.value(granted, ("reports_only",))
    finally:
        place.sql.run("DROP ROLE reports_only")


def test_tables_of_the_caller_s_are_none_of_its(place: Place) -> None:
    [settings] = place.sql.run("SELECT prosecdef, proconfig FROM pg_proc WHERE proname = 'enter_lost_payment'")
    assert settings == {"prosecdef": True, "proconfig": ["search_path=public, pg_temp"]}
