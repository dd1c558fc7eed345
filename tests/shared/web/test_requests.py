"""Requests: what is taken, and that every field at fault is named."""

from decimal import Decimal
from typing import Any

import pytest

from shared.platform import json_text
from shared.web.field_values import LARGEST_METADATA
from shared.web.problems import Problem
from shared.web.requests import content, read_payment, read_refund

GOOD = '{"trip_id": 101, "method": "CARD"}'


def body(text: str) -> dict[str, Any]:
    value = json_text.read(text.encode())
    assert isinstance(value, dict)
    return value


def faults(text: str | dict[str, Any], read: Any = read_payment) -> dict[str, str]:
    """The fields at fault and their messages."""
    with pytest.raises(Problem) as refused:
        read(body(text) if isinstance(text, str) else text)
    assert (refused.value.code, refused.value.status) == ("invalid_request", 400)
    return dict(refused.value.errors)


def test_the_least_payment_is_a_trip_and_a_method() -> None:
    request = read_payment(body(GOOD))
    assert (request.trip_id, request.method, request.amount, request.metadata) == (101, "CARD", None, {})


def test_a_method_is_taken_in_any_case() -> None:
    assert [read_payment({"trip_id": 1, "method": method}).method for method in ("upi", "Wallet", "cASH")] == [
        "UPI",
        "WALLET",
        "CASH",
    ]


@pytest.mark.parametrize(("text", "amount"), [("150.00", "150.00"), ("150", "150"), ("0.01", "0.01"), ("1.5e2", "150")])
def test_an_amount_is_read_exactly(text: str, amount: str) -> None:
    assert read_payment(body(GOOD[:-1] + f', "amount": {text}}}')).amount == Decimal(amount)


@pytest.mark.parametrize(
    "amount", ["0", "-1", "0.001", "1.500", "1e-3", "10000000000", "9999999999.991", '"150.00"', "true", "[1]", "{}"]
)
def test_a_wrong_amount_is_named(amount: str) -> None:
    text = GOOD[:-1] + f', "amount": {amount}}}'
    assert faults(text) == {"amount": "must be a number above 0 and at most 9999999999.99, with at most two decimals"}


@pytest.mark.parametrize("trip_id", ["0", "-1", "1.5", '"101"', "true", "null", "[]", "9223372036854775808", "1" * 100])
def test_a_trip_id_is_an_integer_from_one_to_the_greatest_bigint(trip_id: str) -> None:
    assert list(faults(f'{{"trip_id": {trip_id}, "method": "CARD"}}')) == ["trip_id"]


@pytest.mark.parametrize("trip_id", ["101", "101.0", "1.01e2", "10100e-2"])
def test_an_integer_may_be_spelled_as_json_spells_numbers(trip_id: str) -> None:
    read = read_payment(body(f'{{"trip_id": {trip_id}, "method": "CARD"}}')).trip_id
    assert (read, type(read)) == (101, int)


def test_the_greatest_trip_id_is_taken() -> None:
    assert read_payment(body('{"trip_id": 9223372036854775807, "method": "CARD"}')).trip_id == 2**63 - 1


@pytest.mark.parametrize("method", ['"CHEQUE"', '""', '" CARD"', "1", "null", '["CARD"]', '"upı"', '"caſh"'])
def test_a_method_is_one_of_four(method: str) -> None:
    assert list(faults(f'{{"trip_id": 1, "method": {method}}}')) == ["method"]


@pytest.mark.parametrize("token", ['""', '"a b"', '"é"', "5", "{}", '"' + "t" * 256 + '"'])
@pytest.mark.parametrize("name", ["payment_token", "payment_customer"])
def test_a_malformed_payment_token_or_customer_is_named(token: str, name: str) -> None:
    assert list(faults(GOOD[:-1] + f', "{name}": {token}}}')) == [name]


@pytest.mark.parametrize(
    "number", ["4111111111111111", "4111-1111-1111-1111", "411111111111111", "6011000990139424123"]
)
def test_a_card_number_is_no_payment_token_and_is_not_repeated(number: str) -> None:
    found = faults({"trip_id": 1, "method": "CARD", "payment_token": number, "payment_customer": number})
    assert "never a card number" in found["payment_token"]
    assert found["payment_customer"] == found["payment_token"]
    assert number not in found["payment_token"]


@pytest.mark.parametrize("present", ['"true"', "1", "0", "[]", '""'])
def test_whether_the_customer_is_present_is_true_or_false(present: str) -> None:
    text = GOOD[:-1] + f', "customer_present": {present}}}'
    assert faults(text) == {"customer_present": "Input should be a valid boolean"}


def test_that_the_customer_is_not_present_is_the_same_request_as_saying_nothing() -> None:
    said = [content(read_payment(body(GOOD[:-1] + f', "customer_present": {each}}}'))) for each in ("false", "null")]
    assert said == [content(read_payment(body(GOOD)))] * 2
    assert content(read_payment(body(GOOD[:-1] + ', "customer_present": true}')))["customer_present"] is True


@pytest.mark.parametrize("metadata", ["[]", '"x"', "1", "true"])
def test_metadata_is_an_object(metadata: str) -> None:
    assert faults(GOOD[:-1] + f', "metadata": {metadata}}}') == {"metadata": "must be an object"}


def test_an_optional_field_may_be_null() -> None:
    request = read_payment(body(GOOD[:-1] + ', "amount": null, "metadata": null, "payment_token": null}'))
    assert content(request) == content(read_payment(body(GOOD)))
    assert content(read_refund(body('{"amount": null, "metadata": null}'))) == content(read_refund({}))


def test_metadata_is_at_most_16_kib_as_json() -> None:
    frame = len('{"note":""}')
    fits = {"note": "x" * (LARGEST_METADATA - frame)}
    assert read_payment({"trip_id": 1, "method": "CARD", "metadata": fits}).metadata == fits
    too_large = {"note": fits["note"] + "x"}
    assert "16 KiB" in faults({"trip_id": 1, "method": "CARD", "metadata": too_large})["metadata"]


def test_metadata_of_16_kib_is_taken_however_the_client_spells_it() -> None:
    compact = {f"{number:04x}": "é" for number in range(1300)}
    text = '{"trip_id":1,"method":"CARD","metadata":{' + ",".join(f'"{n}":"é"' for n in compact) + "}}"
    assert len(text.encode()) < LARGEST_METADATA
    assert read_payment(body(text)).metadata == compact


def test_every_fault_is_named_at_once() -> None:
    found = faults('{"method": "x", "amount": 0, "metadata": 1, "payment_token": 1, "card_number": "4111"}')
    assert found["trip_id"] == "is required"
    assert found["card_number"] == "is not a field of this request"
    assert set(found) == {"trip_id", "method", "amount", "metadata", "payment_token", "card_number"}


@pytest.mark.parametrize("name", ["Amount", "amount ", "tripId", "", "x" * 5000, "__class__", "a.b", "model_config"])
def test_an_unknown_field_is_refused_by_its_name(name: str) -> None:
    assert faults({"trip_id": 1, "method": "CARD", name: 1}) == {name: "is not a field of this request"}
    assert faults({name: 1}, read_refund) == {name: "is not a field of this request"}


def test_a_refund_needs_nothing() -> None:
    request = read_refund({})
    assert (request.amount, request.reason, request.metadata) == (None, None, {})


def test_the_reason_of_a_refund_comes_from_its_metadata() -> None:
    metadata = {"reason": "Customer request", "by": "desk 4"}
    assert read_refund({"metadata": metadata}).reason == "Customer request"
    assert read_refund({"metadata": metadata}).metadata == metadata
    assert read_refund({"metadata": {"reason": None}}).reason is None
    assert read_refund({"metadata": {"reason": "é" * 500}}).reason == "é" * 500


@pytest.mark.parametrize("reason", ["x" * 501, 5, ["x"], {}, True])
def test_a_reason_is_a_string_of_at_most_500_characters(reason: object) -> None:
    assert list(faults({"metadata": {"reason": reason}}, read_refund)) == ["metadata.reason"]


@pytest.mark.parametrize("name", ["trip_id", "method", "payment_token", "payment_customer", "reason"])
def test_a_refund_takes_no_field_of_a_payment(name: str) -> None:
    assert faults({name: 1}, read_refund) == {name: "is not a field of this request"}


def test_a_customer_is_part_of_what_is_asked_for_only_where_it_is_given() -> None:
    least = {"trip_id": 1, "method": "CARD"}
    assert "payment_customer" not in content(read_payment(least))
    assert content(read_payment(least | {"payment_customer": "cus_1"}))["payment_customer"] == "cus_1"


def test_no_message_repeats_what_was_sent() -> None:
    secret = "s3cr3t-value"
    text = f'{{"trip_id": "{secret}", "method": "{secret}", "amount": "{secret}", "metadata": "{secret}"}}'
    assert secret not in str(faults(text))
