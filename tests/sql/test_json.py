"""What the database makes of a payment and a refund for clients: compact, and otherwise as it ever was."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from shared.platform import json_text
from sql.migrate import MIGRATIONS
from tests.sql.rows import FARE, a_payment, a_refund
from tests.support.cluster import Cluster, Place

SHOWN = """
SELECT payment_json(p)::text AS payment, before_payment_json(p)::text AS payment_before,
       refund_json(r, p)::text AS refund, before_refund_json(r, p)::text AS refund_before,
       refund_event_json(r, p)::text AS event,
       before_with_refund(before_payment_json(p), before_refund_json(r, p))::text AS event_before
  FROM payments p JOIN payment_refunds r USING (payment_id) WHERE payment_id = %s
"""
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
METADATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PAYMENTS = st.fixed_dictionaries(
    {
        "amount": st.decimals(Decimal("0.01"), Decimal("9999999999.99"), places=2),
        "status": st.sampled_from(["PENDING", "SUCCESS", "FAILED"]),
        "created_at": st.datetimes().map(str),
    },
    optional={"fare": st.decimals(0, 1000, places=3)},
)


@pytest.fixture(scope="module")
def place(cluster: Cluster) -> Iterator[Place]:
    """A database that has the first version's functions too, under other names."""
    text = (MIGRATIONS / "0001_payments.sql").read_text(encoding="utf-8")
    text = text[text.index("CREATE FUNCTION payment_json") : text.index("-- What the gateway is asked with")]
    with cluster.database() as place:
        place.sql.run(text.replace("CREATE FUNCTION ", "CREATE FUNCTION before_").replace("%", "%%"))
        yield place


def compacted(text: str) -> str:
    """The same text without white space between its parts."""
    return json_text.write(json_text.read(text.encode()))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(payment=PAYMENTS, metadata=st.dictionaries(TEXTS, METADATA, max_size=3), reason=st.none() | TEXTS)
@example(payment={"amount": Decimal("150.00"), "status": "SUCCESS", "fare": Decimal("2.500")}, metadata={}, reason=None)
def test_the_json_differs_from_the_first_version_s_in_its_blanks_alone(
    place: Place, payment: dict[str, Any], metadata: dict[str, Any], reason: str | None
) -> None:
    fare = payment.pop("fare", None)
    if fare is not None:
        payment |= dict.fromkeys(FARE, fare)
    stored = json_text.write(metadata)
    place.sql.run("TRUNCATE payments CASCADE")
    payment_id = a_payment(place.sql, metadata=stored, **payment)
    a_refund(place.sql, payment_id, amount="0.01", reason=reason, metadata=stored)
    row = place.sql.run(SHOWN, (payment_id,))[0]
    # Who asked for a refund is told since 0025_late_truth.
    for name in ("payment", "refund", "event"):
        assert row[name].replace(',"source":"client"', "") == compacted(row[f"{name}_before"])
        assert f'"metadata":{stored}' in row[name]


def test_a_payment_is_spelled_as_every_writer_spells_it(place: Place) -> None:
    place.sql.run("TRUNCATE payments CASCADE")
    payment_id = a_payment(place.sql, trip_id=101, created_at="2026-11-22 12:00:00Z", updated_at="2026-11-22 12:00:00Z")
    reference = place.sql.value("SELECT reference FROM payments")
    shown = place.sql.value("SELECT payment_json(payments)::text FROM payments")
    assert shown == (
        f'{{"payment_id":{payment_id},"trip_id":101,"amount":100.00,"currency":"INR","method":"CARD","status":"SUCCESS",'
        f'"reference":"{reference}","refunded_amount":0.00,"failure_code":null,"fare":null,"metadata":{{}},'
        '"created_at":"2026-11-22T12:00:00.000000Z","updated_at":"2026-11-22T12:00:00.000000Z"}'
    )


@pytest.mark.parametrize("shown", ["payment_json(p)", "refund_json(r, p)"])
def test_it_is_made_without_calling_a_function_for_each_row_that_has_no_driver(place: Place, shown: str) -> None:
    query = f"EXPLAIN (VERBOSE, FORMAT JSON) SELECT {shown} FROM payments p JOIN payment_refunds r USING (payment_id)"
    plan = place.sql.value(query)
    text = plan if isinstance(plan, str) else json.dumps(plan)
    assert "row_to_json" in text
    assert "payment_json" not in text
    assert "payment_as_shown" not in text
    assert "refund_json" not in text
