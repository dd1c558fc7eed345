"""Keys, and the fingerprint that tells one request from another."""

import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared import json_text
from shared.idempotency import KeyRejected, fingerprint, hash_key, read_key
from shared.models import read_payment, read_refund

VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=255)


@given(VISIBLE)
def test_a_key_of_visible_ascii_is_taken_from_the_header_or_the_body(key: str) -> None:
    assume(not (len(key) > 1 and key[0] == key[-1] == '"'))
    assert read_key(key, None) == read_key(None, key) == read_key(key, key) == key


@given(VISIBLE)
def test_one_pair_of_quotes_around_the_header_is_taken_off(key: str) -> None:
    assert read_key(f'"{key}"', None) == read_key(f'"{key}"', key) == key


def test_quotes_in_the_body_belong_to_the_key() -> None:
    assert read_key(None, '"abc"') == '"abc"'


@pytest.mark.parametrize(
    "header",
    ["", '""', "a b", " a", "a\t", "k\x00", "k\x7f", "k\x1f", "clé", "ключ", "k\n", "k" * 256, '"' + "k" * 256 + '"'],
)
def test_a_malformed_header_is_refused(header: str) -> None:
    with pytest.raises(KeyRejected, match="1 to 255 visible ASCII") as refused:
        read_key(header, None)
    assert refused.value.field == "Idempotency-Key"


@pytest.mark.parametrize("value", ["", " ", "a b", "k" * 256, "é", "k\0", 5, Decimal("1.5"), True, ["k"], {"k": 1}])
def test_a_malformed_key_in_the_body_is_refused(value: object) -> None:
    with pytest.raises(KeyRejected, match="1 to 255 visible ASCII") as refused:
        read_key(None, value)
    assert refused.value.field == "idempotency_key"


def test_a_malformed_key_in_the_body_is_refused_beside_a_good_header() -> None:
    with pytest.raises(KeyRejected):
        read_key("good", "not good")


def test_two_different_keys_are_refused() -> None:
    with pytest.raises(KeyRejected, match="differs from the Idempotency-Key header"):
        read_key("one", "two")


def test_no_key_at_all_is_refused() -> None:
    with pytest.raises(KeyRejected, match="is required"):
        read_key(None, None)


def test_a_key_is_kept_as_its_sha_256() -> None:
    assert hash_key("test-payment-001") == hashlib.sha256(b"test-payment-001").digest()


def payment_print(text: str) -> bytes:
    """The fingerprint of a payment request in this JSON text."""
    return fingerprint("/payments", read_payment(json_text.read(text.encode())).content())


PLAIN = '{"trip_id": 101, "method": "CARD", "amount": 150.00, "metadata": {"a": 1, "b": [1.5, null]}}'


@pytest.mark.parametrize(
    "other",
    [
        '{"trip_id":101,"method":"CARD","amount":150,"metadata":{"a":1,"b":[1.5,null]}}',
        '{"metadata": {"b": [1.50, null], "a": 1}, "amount": 150.0, "method": "card", "trip_id": 101}',
        '\n\t{"trip_id" : 101,\r\n"method" : "cArD", "amount": 1.5e2, "metadata": {"b": [15e-1, null], "a": 1.0}} ',
        r'{"\u0074rip_id": 101, "method": "\u0043ARD", "amount": 150.0, "metadata": {"\u0061": 1e0, "b": [1.5, null]}}',
        '{"idempotency_key": "k", "trip_id": 101, "method": "CARD", "amount": 15E1, "metadata": {"a": 1, "b": [1.5, null]},'
        ' "payment_token": null}',
    ],
)
def test_the_same_content_in_another_spelling_is_the_same_request(other: str) -> None:
    assert payment_print(other) == payment_print(PLAIN)


@pytest.mark.parametrize(
    "other",
    [
        '{"trip_id": 102, "method": "CARD", "amount": 150.00, "metadata": {"a": 1, "b": [1.5, null]}}',
        '{"trip_id": 101, "method": "UPI", "amount": 150.00, "metadata": {"a": 1, "b": [1.5, null]}}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.01, "metadata": {"a": 1, "b": [1.5, null]}}',
        '{"trip_id": 101, "method": "CARD", "metadata": {"a": 1, "b": [1.5, null]}}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.00}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.00, "metadata": {"a": 1, "b": [null, 1.5]}}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.00, "metadata": {"a": "1", "b": [1.5, null]}}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.00, "metadata": {"a": true, "b": [1.5, null]}}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.00, "metadata": {"a": 1, "b": [1.5]}}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.00, "metadata": {"a": 1, "b": [1.5, null], "c": null}}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.00, "metadata": {"A": 1, "b": [1.5, null]}}',
        '{"trip_id": 101, "method": "CARD", "amount": 150.00, "payment_token": "t",'
        ' "metadata": {"a": 1, "b": [1.5, null]}}',
    ],
)
def test_any_other_content_is_another_request(other: str) -> None:
    assert payment_print(other) != payment_print(PLAIN)


AMOUNTS = st.decimals(Decimal("0.01"), Decimal("9999999999.99"), places=2)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-9, 9), st.text("ab é\N{GRINNING FACE}", max_size=3))
METADATA = st.dictionaries(
    st.text("abc", max_size=2),
    st.one_of(LEAVES, st.lists(LEAVES, max_size=3), st.dictionaries(st.text("ab"), LEAVES, max_size=2)),
)
PAYMENTS = st.fixed_dictionaries(
    {"trip_id": st.integers(1, 5), "method": st.sampled_from(["CARD", "UPI"])},
    optional={"amount": AMOUNTS, "metadata": METADATA, "payment_token": st.sampled_from(["tok_a", "tok_b"])},
)


def spelt(body: dict[str, Any], seed: int) -> str:
    """The same request in another JSON spelling: order, spaces, escapes, case of the method, zeros of the amount."""
    names = sorted(body, key=lambda name: hash((name, seed)))
    fields = []
    for name in names:
        value = body[name]
        if name == "amount":
            text = [f"{value:f}", f"{value.normalize():f}", f"{value.normalize():e}", f"{value * 100:f}"[:-3] + "e-2"][
                seed % 4
            ]
        elif name == "method":
            text = json.dumps(value.lower() if seed % 2 else value)
        else:
            text = json.dumps(value, ensure_ascii=seed % 2 == 0, indent=seed % 3 or None, sort_keys=seed % 5 == 0)
        fields.append(f"{json.dumps(name)}{' ' * (seed % 3)}:{text}")
    return "{" + ",\n ".join(fields) + "}"


@given(PAYMENTS, st.integers(0, 59), st.integers(0, 59))
def test_no_spelling_of_a_payment_changes_its_fingerprint(body: dict[str, Any], one: int, other: int) -> None:
    assert payment_print(spelt(body, one)) == payment_print(spelt(body, other))


@given(PAYMENTS, PAYMENTS)
def test_two_payments_have_one_fingerprint_only_if_they_ask_for_the_same(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    def canonical(body: dict[str, Any]) -> str:
        # json.dumps tells true from 1, which == does not; an absent metadata is an empty one.
        return json.dumps({"metadata": {}} | body, sort_keys=True, default=str)

    assert (payment_print(spelt(one, 0)) == payment_print(spelt(other, 7))) == (canonical(one) == canonical(other))


def test_the_same_content_on_another_path_is_another_request() -> None:
    content = read_refund({"amount": 50}).content()
    assert fingerprint("/payments/1/refunds", content) != fingerprint("/payments/2/refunds", content)


def test_an_empty_refund_and_one_of_all_defaults_are_the_same_request() -> None:
    empty, spelled_out = read_refund({}), read_refund({"amount": None, "metadata": {}})
    assert fingerprint("/payments/1/refunds", empty.content()) == fingerprint(
        "/payments/1/refunds", spelled_out.content()
    )
