"""What is kept for good of what a gateway said is evidence, and nothing that must not be kept."""

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.gateways.redaction import DEEPEST, GONE, LARGEST, redacted
from shared.platform import json_text

# Anything that Python's readers of JSON make, and a little more.
TEXT = st.text(max_size=8)
PLAIN: st.SearchStrategy[Any] = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.decimals()), TEXT, st.just(b""), st.tuples(TEXT)
)
TREES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
SECRETS = (
    "4242424242424242",
    "4000 0566 5566 5556",
    "3782-822463-10005",
    "4000\u00a00566\u00a05566\u00a05556",
    "4000  0566/5566_5556",
    "98765 43210",
    "09876543210",
    "sk_live_51Habc",
    "rk_test_51Habc",
    "whsec_s3cr3ts3cr3t",
    "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH",
    "Bearer abc.def.ghi",
    "rider@example.com",
    "rider@okbank",
    "+91 98765 43210",
    "203.0.113.77",
    "2001:db8:0:0:0:0:0:77",
    "::ffff:203.0.113.77",
    "pay.example/receipts/abc",
)
FIELDS = (
    *(
        "client_secret",
        "clientSecret",
        "billing_details",
        "receipt_email",
        "phone",
        "shipping",
        "address",
        "ip_address",
        "ip",
    ),
    *(
        "last4",
        "dynamic_last4",
        "fingerprint",
        "exp_month",
        "exp_year",
        "number",
        "iin",
        "cvc",
        "card",
        "name",
        "customer_name",
        "payer_name",
        "verified_name",
        "first_name",
    ),
    *("receipt_url", "evidence", "next_action", "vpa", "upi", "token", "network_token"),
)


def kept(said: Any) -> str:
    return json_text.write(redacted(said))


@given(st.dictionaries(st.text() | st.integers(), TREES, max_size=4))
def test_whatever_it_is_given_it_fails_for_nothing_and_what_is_kept_can_be_stored(said: dict[Any, Any]) -> None:
    text = kept(said)
    assert len(text) < LARGEST
    assert "\0" not in text
    assert "\\u0000" not in text.replace("\\\\u0000", ""), "PostgreSQL stores no NUL"
    text.encode("utf-8")
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


@given(st.text(), st.sampled_from(SECRETS), st.text(), TREES)
def test_no_secret_is_left_in_any_text(before: str, secret: str, after: str, beside: Any) -> None:
    text = f"{before} {'https://' if '/' in secret else ''}{secret} {after}"
    said = {"object": {"description": text, text: beside, "list": [beside, {"failure_message": text}]}}
    assert secret not in kept(said)


@given(st.sampled_from(FIELDS), st.text("abcdefgh", min_size=9), TREES)  # longer than any TEXT beside it
def test_nor_anything_under_a_name_that_says_what_it_is(field: str, value: str, beside: Any) -> None:
    for said in (value, {"anything": value}, [value], {"line1": {"deep": [value, beside]}}):
        assert value not in kept({"data": {"object": {field: said, "other": beside}}}).replace(field, "")
    assert redacted({field: None}) == {field: None}, "that there is none is no secret"


def test_a_card_s_number_is_not_kept_as_a_number_either() -> None:
    numbers = [4242424242424242, 4242424242424242.0, Decimal("4242424242424242"), 10**5000, float("nan"), float("inf")]
    assert redacted({"n": numbers}) == {"n": [GONE] * len(numbers)}
    assert redacted({"n": [1234500, -3, 0.5, Decimal("12.50"), 1764210000]})["n"] == [
        *(1234500, -3, 0.5, Decimal("12.50"), 1764210000)
    ]


def test_what_argues_with_a_bank_stays_as_it_is() -> None:
    dispute = {
        "id": "du_1MtJUT2eZvKYlo2CNaw2HvEv",
        "object": "dispute",
        "amount": 100000,
        "currency": "inr",
        "charge": "ch_1AZtxr2eZvKYlo2CJDX8whov",
        "payment_intent": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
        "created": 1680651737,
        "evidence_details": {"due_by": 1682294399, "has_evidence": False, "past_due": False, "submission_count": 0},
        "reason": "product_not_received",
        "status": "warning_needs_response",
        "metadata": {"reference": "PAY-20261127-1234567890123456-12", "payment_id": "412"},
        "livemode": True,
        "balance_transactions": [],
    }
    assert redacted(dispute) == dispute
    by_card = {"payment_method_details": {"type": "card", "card": {"network_reason_code": "13.1", "last4": "4242"}}}
    assert redacted(by_card) == {"payment_method_details": {"type": "card", "card": {"network_reason_code": "13.1"}}}


def test_it_is_bounded_in_depth_in_length_and_as_a_whole() -> None:
    deep: dict[str, Any] = {}
    deep["in"] = deep
    shown, depth = redacted(deep), 1
    while shown["in"] != GONE:
        shown, depth = shown["in"], depth + 1
    assert depth == DEEPEST
    wide = {str(n): ['"' * 1000] * 1000 for n in range(1000)}
    assert LARGEST * 0.9 < len(kept(wide)) < LARGEST
    assert len(kept({"flags": [True] * 100_000})) < LARGEST
    assert len(kept({"\n" * 100_000: "\\" * 100_000})) < LARGEST


def test_no_text_is_so_made_that_looking_at_it_takes_long() -> None:
    began = time.process_time()
    for text in ("_secret" * 300, "1.1.1." * 300, "a:" * 800, "+1(" * 500, "4 " * 800, "@" * 1000, "a" * 2000):
        assert len(kept({str(n): text for n in range(100)})) < LARGEST
    assert time.process_time() - began < 1, "the rest of the body's 64 KiB would not take much longer"
