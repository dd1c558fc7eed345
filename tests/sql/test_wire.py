"""What the database shows of a payment, a refund and a fare is what the OpenAPI document says: field by field, type by type."""

import json
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from shared.rules.states import METHODS, REFUND_STATUSES, STATUSES
from tests.sql.rows import FARE, a_payment, a_refund, move
from tests.support.cluster import Cluster
from tests.support.sql import Sql
from tools.openapi.schemas import SCHEMAS

Json = dict[str, Any]

COLUMNS = """
SELECT attname AS name, format_type(atttypid, atttypmod) AS type
  FROM pg_attribute WHERE attrelid = %s::regclass ORDER BY attnum
"""
SHOWN = {"payment_shown": "Payment", "refund_told": "Refund", "fare_shown": "Fare"}
# What is shown only where there is one, behind all else.
SOMETIMES = {"Payment": ["driver_id"]}
# What row_to_json makes of a column of each type.
WRITTEN = {"bigint": "integer", "numeric": "number", "text": "string", "json": "object", "fare_shown": "Fare"}


def kinds(schema: Json) -> set[str]:
    """What a schema takes, without null."""
    if "anyOf" in schema:
        return set().union(*map(kinds, schema["anyOf"])) - {"null"}
    if "$ref" in schema:
        return {schema["$ref"].rpartition("/")[2]}
    if "enum" in schema:
        return {"string"}
    return {schema["type"]}


def may_be_null(schema: Json) -> bool:
    return {"type": "null"} in schema.get("anyOf", [])


@pytest.fixture(scope="module")
def sql(cluster: Cluster) -> Iterator[Sql]:
    """A database with payments and refunds of every kind."""
    with cluster.database() as place:
        write_all(place.sql)
        yield place.sql


def write_all(sql: Sql) -> None:
    """Payments of every status and method, with a fare and without, with metadata and without; partly and wholly given back by
    refunds of every status, with a reason and without."""
    kept = '{"ride": {"stops": [1, 2.50, null]}, "note": "ünïcode \\" \\\\"}'
    ends = {"FAILED": {"failure_code": "card_declined"}, "REFUNDED": {"refunded_amount": "100.00"}}
    fares: list[Json] = [FARE | {"distance_km": "10.5"}, {}]
    for number, (status, method, fare, metadata) in enumerate(product(STATUSES, METHODS, fares, (kept, "{}"))):
        a_payment(
            sql, trip_id=number + 1, status=status, method=method, metadata=metadata, **fare, **ends.get(status, {})
        )
    a_payment(sql, trip_id=1000, status="PENDING", driver_id="driver-7", next_action='{"kind":"redirect"}')
    partly = a_payment(sql, trip_id=1000, driver_id="driver-7", reserved_amount="30.00", refunded_amount="20.50")
    wholly = a_payment(sql, trip_id=1000, status="REFUNDED", refunded_amount="100.00")
    for status, reason, metadata in product(REFUND_STATUSES, ("Customer request", None), (kept, "{}")):
        code = {"failure_code": "expired"} if status == "FAILED" else {}
        for payment_id in (partly, wholly):
            a_refund(sql, payment_id, status=status, reason=reason, metadata=metadata, **code)
    a_refund(sql, partly, source="gateway", gateway_id="re_1")
    paid_late = a_payment(sql, status="FAILED", failure_code="card_declined", gateway_id="pi_1")
    move(sql, "payments", {"payment_id": paid_late}, {"late_charge_id": "pi_1"})
    a_refund(sql, paid_late, amount="100.00", source="late_payment", charge_id="pi_1")


@pytest.mark.parametrize(("composite", "name"), SHOWN.items())
def test_the_fields_are_those_of_the_document_in_their_order_and_of_their_types(
    sql: Sql, composite: str, name: str
) -> None:
    fields = [(row["name"], {WRITTEN[row["type"]]}) for row in sql.run(COLUMNS, (composite,))]
    properties, always = SCHEMAS[name]["properties"], SCHEMAS[name]["required"]
    assert fields == [(field, kinds(properties[field])) for field in always]


@pytest.mark.parametrize("name", SHOWN.values())
def test_a_client_may_rely_on_every_field_being_there_but_who_drove(name: str) -> None:
    assert [*SCHEMAS[name]["required"], *SOMETIMES.get(name, [])] == list(SCHEMAS[name]["properties"])


@pytest.fixture(scope="module")
def written(sql: Sql) -> dict[str, list[Json]]:
    """Everything that the database shows, by the name of its schema."""
    payments = [json.loads(row["shown"]) for row in sql.run("SELECT payment_json(p)::text AS shown FROM payments p")]
    refunds = "SELECT refund_json(r, p)::text AS shown FROM payment_refunds r JOIN payments p USING (payment_id)"
    return {
        "Payment": payments,
        "Refund": [json.loads(row["shown"]) for row in sql.run(refunds)],
        "Fare": [payment["fare"] for payment in payments if payment["fare"]],
    }


@pytest.mark.parametrize("name", SHOWN.values())
def test_what_is_written_is_what_the_document_says_and_nothing_more(written: dict[str, list[Json]], name: str) -> None:
    schemas = SCHEMAS | {each: SCHEMAS[each] | {"additionalProperties": False} for each in SHOWN.values()}
    document = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": schemas}}
    assert "date-time" in FormatChecker.checkers
    validator = Draft202012Validator(document, format_checker=FormatChecker())
    for shown in written[name]:
        validator.validate(shown)
    always, sometimes = SCHEMAS[name]["required"], SOMETIMES.get(name, [])
    assert {tuple(shown) for shown in written[name]} == {tuple(always), (*always, *sometimes)}


@pytest.mark.parametrize("name", SHOWN.values())
def test_what_the_document_says_may_be_null_sometimes_is_and_nothing_else(
    written: dict[str, list[Json]], name: str
) -> None:
    null = {field for shown in written[name] for field, value in shown.items() if value is None}
    assert null == {field for field, schema in SCHEMAS[name]["properties"].items() if may_be_null(schema)}


@pytest.mark.parametrize("name", SHOWN.values())
def test_every_value_that_the_document_lists_is_written(written: dict[str, list[Json]], name: str) -> None:
    listed = {field: schema["enum"] for field, schema in SCHEMAS[name]["properties"].items() if "enum" in schema}
    if name == "Refund":
        listed["payment_status"] = ["SUCCESS", "REFUNDED", "FAILED"]  # no other has refunds; the last of a late charge
    for field, values in listed.items():
        assert {shown[field] for shown in written[name]} == set(values)


def test_the_event_of_a_refund_is_the_payment_and_the_refund_in_it(sql: Sql) -> None:
    rows = sql.run(
        "SELECT refund_event_json(r, p)::text AS event, payment_json(p)::text AS payment, refund_json(r, p)::text AS refund"
        "  FROM payment_refunds r JOIN payments p USING (payment_id)"
    )
    assert rows
    for row in rows:
        assert row["event"] == f'{row["payment"][:-1]},"refund":{row["refund"]}}}'


def test_a_payment_to_act_on_is_the_payment_and_what_its_customer_is_to_do(sql: Sql) -> None:
    rows = sql.run(
        "SELECT payment_to_act_on_json(p)::text AS to_act_on, payment_json(p)::text AS payment, next_action FROM payments p"
    )
    assert {row["next_action"] is None for row in rows} == {True, False}
    for row in rows:
        action = "" if row["next_action"] is None else ',"next_action":{"kind":"redirect"}'
        assert row["to_act_on"] == f"{row['payment'][:-1]}{action}}}"
