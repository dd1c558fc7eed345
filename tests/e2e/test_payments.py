"""POST /payments: every row of the contract's table, with the prefix /v1 and without."""

import json
import re
import threading
import time
from typing import Any

import pytest

from tests.e2e.client import Client, new_key, new_trip
from tests.e2e.service import Service, await_that

both_prefixes = pytest.mark.parametrize("prefix", ["", "/v1"])
FIELDS = [
    "payment_id",
    "trip_id",
    "amount",
    "currency",
    "method",
    "status",
    "reference",
    "refunded_amount",
    "failure_code",
    "fare",
    "metadata",
    "created_at",
    "updated_at",
    "driver_id",  # every trip of the stand-in has a driver
]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


@both_prefixes
@pytest.mark.parametrize("method", ["CARD", "UPI", "WALLET", "CASH", "card", "Cash"])
def test_a_charge_is_201_with_the_payment_and_its_address(client: Client, prefix: str, method: str) -> None:
    trip_id = new_trip()
    answer = client.pay(prefix=prefix, trip_id=trip_id, method=method, metadata={"note": "ü", "n": 1.50, "deep": [{}]})
    payment = answer.json
    assert answer.status == 201
    assert answer.headers["Location"] == f"/payments/{payment['payment_id']}"
    assert "Idempotent-Replayed" not in answer.headers
    assert "Retry-After" not in answer.headers
    assert list(payment) == FIELDS
    assert '"amount":150.00,' in answer.text
    assert '"refunded_amount":0.00,' in answer.text
    assert re.fullmatch(r"PAY-\d{8}-[0-9A-HJKMNP-TV-Z]{16}", payment["reference"])
    assert re.fullmatch(TIME, payment["created_at"])
    assert re.fullmatch(TIME, payment["updated_at"])
    assert {
        "trip_id": trip_id,
        "amount": 150.0,
        "currency": "INR",
        "method": method.upper(),
        "status": "SUCCESS",
        "refunded_amount": 0,
        "failure_code": None,
        "fare": None,
        "metadata": {"note": "ü", "n": 1.5, "deep": [{}]},
    }.items() <= payment.items()
    assert client.get(answer.headers["Location"]).json == payment


@both_prefixes
@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_without_an_amount_the_fare_of_the_trip_is_charged(client: Client, prefix: str, method: str) -> None:
    # The stand-in's trips ending so: 7 % 300 / 10 kilometres more than one, and a surge by the id.
    trip_id = new_trip() * 5 + 2
    answer = client.pay(prefix=prefix, trip_id=trip_id, amount=None, method=method)
    fare = answer.json["fare"]
    assert answer.status == 201
    distance = round(1 + trip_id * 7 % 300 / 10, 1)
    assert fare["distance_km"] == distance
    assert (fare["base_fare"], fare["rate_per_km"], fare["surge_multiplier"]) == (5, 2.5, 1.2)
    assert fare["total"] == answer.json["amount"] == round(5 + distance * 2.5 * 1.2 + 1e-9, 2)
    assert '"base_fare":5.00,' in answer.text
    assert '"rate_per_km":2.50,' in answer.text
    assert client.get(f"/payments/{answer.json['payment_id']}").text == answer.text


@both_prefixes
@pytest.mark.parametrize("method", ["CARD", "CASH"])
def test_repeating_a_finished_request_gives_the_same_answer_and_charges_nothing(
    client: Client, rows: Any, prefix: str, method: str
) -> None:
    key, trip_id = new_key(), new_trip()
    first = client.pay(key, prefix, trip_id=trip_id, method=method)
    body = f'{{ "amount":1.5e2,"method" :"{method.lower()}", "metadata":null, "trip_id":{trip_id} }}'.encode()
    other = "/v1" if not prefix else ""
    again = client.call("POST", f"{other}/payments", body, {"Idempotency-Key": f'"{key}"'})
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["X-Correlation-ID"] != first.headers["X-Correlation-ID"]
    assert rows("SELECT count(*) FROM payments WHERE trip_id = %s", trip_id) == [(1,)]


def test_a_replay_shows_the_payment_as_it_was_settled_even_after_a_refund(client: Client) -> None:
    key, trip_id = new_key(), new_trip()
    first = client.pay(key, trip_id=trip_id)
    assert client.refund(first.json["payment_id"]).status == 201
    assert client.pay(key, trip_id=trip_id).body == first.body


@both_prefixes
def test_a_decline_is_402_with_the_payment_and_is_repeated_as_it_was(client: Client, prefix: str) -> None:
    key, trip_id = new_key(), new_trip()
    declined = {"trip_id": trip_id, "metadata": {"simulate": "decline"}}
    first = client.pay(key, prefix, **declined)
    found = first.problem(402, "payment_declined")
    assert found["payment"]["status"] == "FAILED"
    assert found["failure_code"] == found["payment"]["failure_code"]
    assert found["failure_code"]
    again = client.pay(key, prefix, **declined)
    assert (again.status, again.body, again.headers["Idempotent-Replayed"]) == (402, first.body, "true")
    assert found["correlation_id"] == first.headers["X-Correlation-ID"]
    assert client.pay(trip_id=trip_id).status == 201


def test_a_slow_gateway_holds_nothing_up_and_the_same_key_is_in_progress(service: Service, client: Client) -> None:
    key, trip_id = new_key(), new_trip()
    answers = []
    slow = threading.Thread(
        target=lambda: answers.append(
            Client(service.port).pay(key, trip_id=trip_id, amount=None, metadata={"simulate": "slow"})
        )
    )
    slow.start()
    await_that(lambda: len(client.list(trip_id=trip_id).json["data"]) == 1, "the payment is claimed")
    again = client.pay(key, trip_id=trip_id, amount=None, metadata={"simulate": "slow"})
    again.problem(409, "idempotency_in_progress")
    assert int(again.headers["Retry-After"]) > 0
    other = client.pay(trip_id=trip_id, amount=None)
    found = other.problem(409, "trip_already_paid")
    assert int(other.headers["Retry-After"]) > 0
    assert client.pay(trip_id=trip_id).status == 201
    assert slow.is_alive()
    slow.join()
    assert (answers[0].status, answers[0].json["payment_id"]) == (201, found["payment_id"])


@both_prefixes
def test_a_trips_fare_is_collected_once_and_stays_collected(client: Client, prefix: str) -> None:
    trip_id = new_trip()
    declined = client.pay(prefix=prefix, trip_id=trip_id, amount=None, metadata={"simulate": "decline"})
    declined.problem(402, "payment_declined")
    first = client.pay(prefix=prefix, trip_id=trip_id, amount=None)
    assert first.status == 201
    for _ in range(2):
        other = client.pay(prefix=prefix, trip_id=trip_id, amount=None)
        assert other.problem(409, "trip_already_paid")["payment_id"] == first.json["payment_id"]
        assert "Retry-After" not in other.headers
        client.refund(first.json["payment_id"])
    assert client.get(f"/payments/{first.json['payment_id']}").json["status"] == "REFUNDED"
    assert client.pay(trip_id=trip_id, amount=20).status == 201
    assert client.pay(trip_id=trip_id, amount=20, method="CASH").status == 201


def test_the_rows_of_the_seed_limit_nothing(client: Client) -> None:
    answer = client.pay(trip_id=7, amount=None)
    assert answer.status == 201
    assert answer.json["payment_id"] > 350


@both_prefixes
def test_a_key_with_other_content_or_on_another_path_is_refused(client: Client, prefix: str) -> None:
    key, trip_id = new_key(), new_trip()
    first = client.pay(key, prefix, trip_id=trip_id)
    for other in (
        {"amount": 150.01},
        {"method": "UPI"},
        {"metadata": {"a": 1}},
        {"amount": None},
        {"trip_id": new_trip()},
    ):
        client.pay(key, prefix, **{"trip_id": trip_id} | other).problem(422, "idempotency_key_reused")
    client.refund(first.json["payment_id"], key, prefix).problem(422, "idempotency_key_reused")
    assert client.get(f"/payments/{first.json['payment_id']}").text == first.text


@both_prefixes
def test_what_the_trip_service_says_against_a_charge_is_422_and_uses_up_no_key(client: Client, prefix: str) -> None:
    key = new_key()
    client.pay(key, prefix, trip_id=999_000_001).problem(422, "trip_not_found")
    client.pay(key, prefix, trip_id=998_000_001).problem(422, "trip_not_completed")
    client.pay(key, prefix, trip_id=998_000_001, amount=None).problem(422, "trip_not_completed")
    assert client.pay(key, prefix).status == 201


def test_a_trip_service_that_does_not_answer_is_503_and_uses_up_no_key(service: Service, client: Client) -> None:
    key, trip_id = new_key(), new_trip()
    with service.frozen("local.trip_service"):
        began = time.monotonic()
        answer = client.pay(key, trip_id=trip_id, amount=None)
        answer.problem(503, "trip_service_unavailable")
        assert time.monotonic() - began < 3
        assert int(answer.headers["Retry-After"]) > 0
    assert client.pay(key, trip_id=trip_id, amount=None).status == 201


def test_a_key_in_the_body_and_one_in_the_header_are_the_same(client: Client) -> None:
    key, trip_id = new_key(), new_trip()
    body = {"idempotency_key": key, "trip_id": trip_id, "method": "UPI", "amount": 10}
    first = client.call("POST", "/payments", body)
    assert first.status == 201
    again = client.pay(key, trip_id=trip_id, method="UPI", amount=10)
    assert (again.body, again.headers["Idempotent-Replayed"]) == (first.body, "true")


@pytest.mark.parametrize("amount", ["0.01", "9999999999.99", "1", "1e3", "0.1"])
def test_amounts_at_the_edges_are_charged_exactly(client: Client, rows: Any, amount: str) -> None:
    body = f'{{"trip_id": {new_trip()}, "method": "CASH", "amount": {amount}}}'.encode()
    answer = client.call("POST", "/payments", body, {"Idempotency-Key": new_key()})
    shown = json.loads(answer.text, parse_float=str)["amount"]
    assert answer.status == 201
    assert re.fullmatch(r"\d+\.\d\d", shown)
    assert float(shown) == float(amount)
    assert rows("SELECT amount::text FROM payments WHERE payment_id = %s", answer.json["payment_id"]) == [(shown,)]


def test_a_payment_token_is_neither_shown_nor_kept(client: Client, rows: Any) -> None:
    answer = client.pay(payment_token="s3cr3t-tok")
    payment_id = answer.json["payment_id"]
    assert answer.status == 201
    assert "s3cr3t-tok" not in answer.text
    assert rows("SELECT payment_token FROM payments WHERE payment_id = %s", payment_id) == [(None,)]


def test_a_correlation_id_is_kept_and_goes_with_the_event(client: Client, rows: Any) -> None:
    headers = {"Idempotency-Key": new_key(), "X-Correlation-ID": "my.trace-1_A"}
    answer = client.call("POST", "/payments", {"trip_id": new_trip(), "method": "UPI", "amount": 1}, headers)
    assert answer.headers["X-Correlation-ID"] == "my.trace-1_A"
    subject = f"payments/{answer.json['payment_id']}"
    assert rows("SELECT correlation_id FROM outbox WHERE subject = %s", subject) == [("my.trace-1_A",)]
    delivered = "SELECT 1 FROM outbox WHERE subject = %s AND delivered_at IS NOT NULL"
    await_that(lambda: rows(delivered, subject) == [(1,)], "the event is delivered")
