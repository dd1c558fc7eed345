"""Keys, and the fingerprint that tells one request from another."""

import hashlib
import json
from decimal import Decimal
from typing import Any, Literal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from shared.charging.idempotency import fingerprint, hash_event, hash_key
from shared.platform import json_text
from shared.web.access.caller import Caller
from shared.web.idempotency_key import KeyRejected, read_key
from shared.web.models import Metadata, PaymentRequest, RefundRequest, Token
from shared.web.requests import content, read_fields, read_payment, read_refund
from tools import request_fields

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
    assert hash_key("test-payment-001", None, "") == hashlib.sha256(b"test-payment-001").digest()


ISSUER = "https://issuer.example"
# Texts that look like what parts them, and any others.
PARTS = st.one_of(st.text(), st.text(alphabet='\n ["],\\a'))
CALLERS = st.builds(Caller, PARTS, PARTS, st.just(frozenset[str]()))


@given(st.lists(st.tuples(st.one_of(st.none(), CALLERS), VISIBLE), min_size=2, max_size=20, unique=True))
def test_a_key_is_one_only_together_with_its_caller(keys: list[tuple[Caller | None, str]]) -> None:
    assert len({hash_key(key, caller, "") for caller, key in keys}) == len(keys)


@given(
    st.lists(st.tuples(st.one_of(st.none(), CALLERS), VISIBLE), max_size=10, unique=True),
    st.lists(st.tuples(PARTS, PARTS), min_size=2, max_size=10, unique=True),
)
def test_an_event_is_one_by_source_and_id_and_like_no_key(
    keys: list[tuple[Caller | None, str]], events: list[tuple[str, str]]
) -> None:
    hashed = [hash_key(key, caller, "") for caller, key in keys] + [hash_event(*event) for event in events]
    assert len({*hashed}) == len(keys) + len(events)


@given(VISIBLE, st.text(), st.text())
def test_what_a_caller_is_called_shifts_nothing_into_its_key(key: str, name: str, more: str) -> None:
    callers = [
        Caller(name, more, frozenset()),
        Caller(name + more, "", frozenset()),
        Caller("", name + more, frozenset()),
    ]
    different = {(caller.issuer, caller.subject) for caller in callers}
    assert len({hash_key(key, caller, "") for caller in callers}) == len(different)


@given(VISIBLE, CALLERS)
def test_what_a_caller_may_does_not_matter(key: str, caller: Caller) -> None:
    more = caller._replace(permissions=frozenset({"payments:write"}))
    assert hash_key(key, caller, "") == hash_key(key, more, "")


@pytest.mark.parametrize(
    ("named", "has"),
    [
        ("trips", True),
        (f"{ISSUER} trips", True),
        ("", False),
        ("trip", False),
        (ISSUER, False),
        (f"{ISSUER} ", False),
        ("https://other.example trips", False),
    ],
)
def test_the_keys_of_the_time_without_authentication_are_those_of_the_caller_that_is_named(
    named: str, has: bool
) -> None:
    caller = Caller(ISSUER, "trips", frozenset())
    assert (hash_key("k", caller, named) == hash_key("k", None, "")) == has


def test_nobody_gets_them_by_a_subject_that_reads_like_an_issuer_and_its_subject() -> None:
    caller = Caller("https://other.example", f"{ISSUER} trips", frozenset())
    assert hash_key("k", caller, f"{ISSUER} trips") != hash_key("k", None, "")


def test_nobody_without_a_subject_gets_them_where_nobody_is_named() -> None:
    assert hash_key("k", Caller(ISSUER, "", frozenset()), "") != hash_key("k", None, "")


def payment_print(text: str) -> bytes:
    """The fingerprint of a payment request in this JSON text."""
    return fingerprint("/payments", content(read_payment(json_text.read(text.encode()))))


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
    """The same request in another JSON spelling: request, spaces, escapes, case of the method, zeros of the amount."""
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


# As the first version computed them, and for ever: a key that is in flight during an upgrade stays good.
GOLDEN_PAYMENTS = {
    '{"trip_id": 101, "method": "CARD"}': "c871c1af80816209a5d48328b2631e9b49e8216b0f3d3a16f579d6d353e30bc2",
    '{"trip_id": 101, "method": "CARD", "amount": null, "metadata": null, "payment_token": null}': (
        "c871c1af80816209a5d48328b2631e9b49e8216b0f3d3a16f579d6d353e30bc2"
    ),
    '{"trip_id": 101, "method": "upi", "amount": 150.00}': (
        "b3a52cde889a6ae89f664a5cd4fcf52af0564440f29f6a32aef371993f309575"
    ),
    '{"trip_id": 9223372036854775807, "method": "CASH", "amount": 9999999999.99, "metadata": {}}': (
        "46e00204d8e915ff70a46ae48bff05f6132a0d9561f8dc9964d80fb4c714b5cd"
    ),
    '{"trip_id": 7, "method": "WALLET", "amount": 0.1, "metadata": {"note": "é", "list": [1, 1.50, null, true,'
    ' {"z": "", "a": -0.0}]}}': "134821aad172f6671f6d7878d5481fc6e2a3fa5e6eb07969c2e80c3f81c3ed7e",
    '{"trip_id": 7, "method": "CARD", "payment_token": "tok_visa", "idempotency_key": "k-1"}': (
        "c51f79f2e08a1e1a453b015d65b2d8c5f1b8456d96c6c6473f855110c1794f25"
    ),
}
GOLDEN_REFUNDS = {
    (1, "{}"): "8bccfcac56470e63b3f8becf73192a9b03dbf294fe6d36c88e8b48d84c69fee3",
    (351, '{"amount": 50, "metadata": {"reason": "Customer request"}}'): (
        "1f1db53f357c2d9d6bf79ba6bc0424579988fb8c19c8e260575b4a6babd6249b"
    ),
    (351, '{"amount": null, "metadata": {"by": ["desk", 4]}, "idempotency_key": "k"}'): (
        "5e41413c4504f46d83adb78e72f4f8276af76f000418da9c252154acb0c36425"
    ),
}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_fingerprint_is_the_same_in_every_version(mark: str) -> None:
    for text, digits in GOLDEN_PAYMENTS.items():
        assert payment_print(mark + text).hex() == digits
    for (payment_id, text), digits in GOLDEN_REFUNDS.items():
        asked_for = content(read_refund(json_text.read((mark + text).encode())))
        assert fingerprint(f"/payments/{payment_id}/refunds", asked_for).hex() == digits


class LaterPayment(PaymentRequest):
    """A request of a version to come, with fields that today's clients do not send."""

    capture: Literal["AUTOMATIC", "MANUAL"] = "AUTOMATIC"
    tags: Metadata = Field(default_factory=dict)
    note: Token | None = None


class LaterRefund(RefundRequest):
    capture: Literal["AUTOMATIC", "MANUAL"] = "AUTOMATIC"


def later(name: str, model: type[BaseModel], body: dict[str, Any]) -> dict[str, Any]:
    """What is asked for in a body, read as a version to come would."""
    made: dict[str, Any] = {}
    exec(request_fields.HEAD + request_fields.section(name, model), made)  # noqa: S102 - our own text
    return content(made[f"{name}Fields"](**read_fields(made[name.upper()], body)))


def test_a_field_that_a_later_version_adds_counts_only_where_the_client_gave_it() -> None:
    for text in GOLDEN_PAYMENTS:
        body = json_text.read(text.encode())
        today = content(read_payment(body))
        assert later("Payment", LaterPayment, body) == today
        assert later("Payment", LaterPayment, body | {"note": None}) == today
        for told in ({"capture": "AUTOMATIC"}, {"capture": "MANUAL"}, {"tags": {}}, {"note": "x"}):
            assert later("Payment", LaterPayment, body | told) == today | told
    assert later("Refund", LaterRefund, {}) == content(read_refund({}))


def test_the_same_content_on_another_path_is_another_request() -> None:
    asked_for = content(read_refund({"amount": 50}))
    assert fingerprint("/payments/1/refunds", asked_for) != fingerprint("/payments/2/refunds", asked_for)


def test_an_empty_refund_and_one_of_all_defaults_are_the_same_request() -> None:
    empty, spelled_out = read_refund({}), read_refund({"amount": None, "metadata": {}})
    assert fingerprint("/payments/1/refunds", content(empty)) == fingerprint(
        "/payments/1/refunds", content(spelled_out)
    )
