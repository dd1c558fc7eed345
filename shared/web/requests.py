"""The requests, as the operations work with them: plain values, read as the models of the contract say."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shared.rules.money import expresses, smallest_unit
from shared.web.field_values import Field
from shared.web.problems import invalid
from shared.web.request_fields import PAYMENT, REFUND, PaymentFields, RefundFields


class PaymentRequest(PaymentFields):
    """A completed trip to charge."""

    __slots__ = ()

    @property
    def simulate(self) -> str | None:
        """What the simulated gateway is to do."""
        simulate = self.metadata.get("simulate")
        return simulate if isinstance(simulate, str) else None


class RefundRequest(RefundFields):
    """All that is left of a payment, or `amount` of it, to give back."""

    __slots__ = ()

    @property
    def reason(self) -> str | None:
        reason = self.metadata.get("reason")
        return reason if isinstance(reason, str) else None


def read_payment(body: Mapping[str, Any]) -> PaymentRequest:
    """The request in a JSON object; raises Problem invalid_request naming every field at fault."""
    return PaymentRequest(**read_fields(PAYMENT, body))


def read_refund(body: Mapping[str, Any]) -> RefundRequest:
    """The request in a JSON object; raises Problem invalid_request naming every field at fault."""
    request = RefundRequest(**read_fields(REFUND, body))
    reason = request.metadata.get("reason")
    if reason is not None and not (isinstance(reason, str) and len(reason) <= 500):
        raise invalid(("metadata.reason", "must be a string of at most 500 characters"))
    return request


def read_fields(fields: Mapping[str, Field], body: Mapping[str, Any]) -> dict[str, Any]:
    """The value of every field, and `given`: which of them the client gave. Raises Problem invalid_request naming every field
    at fault, unknown ones included."""
    read: dict[str, Any] = {"given": body.keys() & fields.keys()}
    faults = []
    for name, field in fields.items():
        if name in body:
            try:
                read[name] = field.read(body[name])
            except ValueError as wrong:
                faults.append((name, str(wrong)))
        elif field.default is not None:
            read[name] = field.default()
        else:
            faults.append((name, "is required"))
    faults += [(name, "is not a field of this request") for name in body if name not in fields]
    if faults:
        raise invalid(*faults)
    return read


def content(request: PaymentFields | RefundFields) -> dict[str, Any]:
    """What the client asked for, without its key: the same for every spelling of it.

    A field counts only if the client gave it, so that a default that a later version adds leaves the fingerprints of
    keys in flight as they are. `metadata` always counts: it did in the first version. False is what is absent.
    """
    counted = (request.given - {"idempotency_key"}) | {"metadata"}
    given = {name: value for name, value in request._asdict().items() if name in counted}
    return {name: value for name, value in given.items() if value is not None and value is not False}


def refuse_inexpressible(amount: Decimal | None, currency: str) -> None:
    """Raises Problem invalid_request naming `amount` where one is given that does not exist in the currency."""
    if amount is not None and not expresses(currency, amount):
        raise invalid(("amount", f"must be a multiple of {smallest_unit(currency)} in {currency}"))
