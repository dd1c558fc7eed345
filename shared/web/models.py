"""The requests, as the contract defines them; the OpenAPI document is made from these."""

import re
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictStr, ValidationError, WithJsonSchema

from shared.platform import json_text
from shared.rules import states
from shared.rules.identifiers import GREATEST_ID
from shared.rules.money import GREATEST, expresses, is_amount, smallest_unit
from shared.web.problems import invalid

# Bytes as compact JSON, the contract's: each is stored with the payment, and written into its answers and events.
LARGEST_METADATA = 16 * 1024


def _amount(value: object) -> Decimal:
    if not is_amount(value):
        raise ValueError(f"must be a number above 0 and at most {GREATEST}, with at most two decimals")
    return Decimal(str(value))


def _method(value: object) -> object:
    return value.upper() if isinstance(value, str) and value.isascii() else value


def _metadata(value: object) -> object:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("must be an object")
    if len(json_text.write(value).encode()) > LARGEST_METADATA:
        raise ValueError("must be at most 16 KiB as JSON")
    return value


def _token(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]{1,255}", value):
        raise ValueError("must be 1 to 255 visible ASCII characters")
    if re.fullmatch(r"[0-9-]{12,23}", value):
        raise ValueError("must be what the gateway's client library gave, never a card number")
    return value


Amount = Annotated[
    Decimal,
    BeforeValidator(_amount),
    WithJsonSchema(
        {
            "type": "number",
            "description": "At most two decimals, as written, and no more than the currency has (ISO 4217).",
            "exclusiveMinimum": 0,
            "maximum": float(GREATEST),
            "examples": [150.00],
        }
    ),
]
Method = Annotated[states.Method, BeforeValidator(_method)]
Metadata = Annotated[dict[str, Any], BeforeValidator(_metadata)]
Token = Annotated[str, BeforeValidator(_token)]
Id = Annotated[int, Field(strict=True, gt=0, le=GREATEST_ID)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    idempotency_key: StrictStr | None = Field(
        None, description="In place of the Idempotency-Key header; where both are given they must be equal."
    )

    def content(self) -> dict[str, Any]:
        """What the client asked for, without its key: the same for every spelling of it.

        A field counts only if the client gave it, so that a default that a later version adds leaves the fingerprints of
        keys in flight as they are. `metadata` always counts: it did in the first version.
        """
        counted = (self.model_fields_set - {"idempotency_key"}) | {"metadata"}
        return {name: value for name, value in self if name in counted and value is not None}


Request = TypeVar("Request", bound=_Request)


class PaymentRequest(_Request):
    """A completed trip to charge. Without `amount` the fare is computed from the trip's distance and surge."""

    trip_id: Id
    method: Method = Field(description="In any case.")
    amount: Amount | None = None
    metadata: Metadata = Field(
        default_factory=dict, description="At most 16 KiB as JSON; stored and given back as it came."
    )
    payment_token: Token | None = Field(
        None, description="What the gateway's client library gave for the card or account; never card data."
    )
    payment_customer: Token | None = Field(
        None, description="The gateway's name of the customer whose saved card or account `payment_token` is."
    )

    @property
    def simulate(self) -> str | None:
        """What the simulated gateway is to do."""
        simulate = self.metadata.get("simulate")
        return simulate if isinstance(simulate, str) else None


class RefundRequest(_Request):
    """All that is left of a payment, or `amount` of it, to give back."""

    amount: Amount | None = None
    metadata: Metadata = Field(
        default_factory=dict,
        description="Its `reason`, a string of at most 500 characters, is the reason of the refund.",
    )

    @property
    def reason(self) -> str | None:
        reason = self.metadata.get("reason")
        return reason if isinstance(reason, str) else None


def read_payment(body: dict[str, Any]) -> PaymentRequest:
    """The request in a JSON object; raises Problem invalid_request naming every field at fault."""
    return _read(PaymentRequest, body)


def read_refund(body: dict[str, Any]) -> RefundRequest:
    """The request in a JSON object; raises Problem invalid_request naming every field at fault."""
    request = _read(RefundRequest, body)
    reason = request.metadata.get("reason")
    if reason is not None and not (isinstance(reason, str) and len(reason) <= 500):
        raise invalid(("metadata.reason", "must be a string of at most 500 characters"))
    return request


def _read(model: type[Request], body: dict[str, Any]) -> Request:
    try:
        return model.model_validate(body)
    except ValidationError as wrong:
        raise invalid(*_faults(wrong)) from None


def refuse_inexpressible(amount: Decimal | None, currency: str) -> None:
    """Raises Problem invalid_request naming `amount` where one is given that does not exist in the currency."""
    if amount is not None and not expresses(currency, amount):
        raise invalid(("amount", f"must be a multiple of {smallest_unit(currency)} in {currency}"))


def _faults(wrong: ValidationError) -> list[tuple[str, str]]:
    faults = []
    for error in wrong.errors(include_url=False, include_input=False, include_context=False):
        name = ".".join(str(part) for part in error["loc"])
        message = {"missing": "is required", "extra_forbidden": "is not a field of this request"}.get(
            error["type"], error["msg"].removeprefix("Value error, ")
        )
        faults.append((name, message))
    return faults
