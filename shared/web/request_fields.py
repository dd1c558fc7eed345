"""The fields of the requests, made from shared/web/models.py: `python -m tools.request_fields` writes this file."""

from collections.abc import Set
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from shared.web import field_values as values
from shared.web.field_values import Field


class PaymentFields(NamedTuple):
    idempotency_key: str | None
    trip_id: int
    method: Literal["CARD", "UPI", "WALLET", "CASH"]
    amount: Decimal | None
    metadata: dict[str, Any]
    payment_token: str | None
    payment_customer: str | None
    customer_present: bool | None
    driver_id: str | None
    given: Set[str]


PAYMENT = {
    "idempotency_key": Field(lambda value: None if value is None else values.string(value), lambda: None),
    "trip_id": Field(lambda value: values.whole(values.integral(value), 0, 9223372036854775807)),
    "method": Field(lambda value: values.one_of(values.method(value), "CARD", "UPI", "WALLET", "CASH")),
    "amount": Field(lambda value: None if value is None else values.amount(value), lambda: None),
    "metadata": Field(lambda value: values.metadata(value), dict),
    "payment_token": Field(lambda value: None if value is None else values.token(value), lambda: None),
    "payment_customer": Field(lambda value: None if value is None else values.token(value), lambda: None),
    "customer_present": Field(lambda value: None if value is None else values.boolean(value), lambda: None),
    "driver_id": Field(lambda value: None if value is None else values.driver_id(value), lambda: None),
}


class RefundFields(NamedTuple):
    idempotency_key: str | None
    amount: Decimal | None
    metadata: dict[str, Any]
    given: Set[str]


REFUND = {
    "idempotency_key": Field(lambda value: None if value is None else values.string(value), lambda: None),
    "amount": Field(lambda value: None if value is None else values.amount(value), lambda: None),
    "metadata": Field(lambda value: values.metadata(value), dict),
}
