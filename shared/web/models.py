"""The requests, as the contract defines them. The OpenAPI document is made from these, and so is what reads a request
(shared/web/request_fields.py): a function that starts does without pydantic, which alone takes a fifth of a cold start."""

from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictStr, WithJsonSchema

from shared.rules import states
from shared.rules.identifiers import DRIVER_ID, GREATEST_ID
from shared.rules.money import GREATEST
from shared.web import field_values as values

Amount = Annotated[
    Decimal,
    BeforeValidator(values.amount),
    WithJsonSchema(
        {
            "type": "number",
            "description": "At most two decimals, as written, and no more than the currency has (ISO 4217).",
            "exclusiveMinimum": 0,
            "maximum": float(GREATEST),
            "multipleOf": 0.01,
            "examples": [150.00],
        }
    ),
]
Method = Annotated[states.Method, BeforeValidator(values.method)]
Metadata = Annotated[
    dict[str, Any],
    BeforeValidator(values.metadata),
    WithJsonSchema({"type": ["object", "null"], "additionalProperties": True}),
]
Token = Annotated[
    str,
    BeforeValidator(values.token),
    WithJsonSchema(
        {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$", "not": {"type": "string", "pattern": "^[0-9-]{12,23}$"}}
    ),
]
DriverId = Annotated[
    str,
    BeforeValidator(values.driver_id),
    WithJsonSchema(
        {
            "type": ["string", "integer"],
            "pattern": f"^{DRIVER_ID.pattern}$",
            "minimum": 0,
            "maximum": GREATEST_ID,
            "examples": ["driver-7"],
        }
    ),
]
Key = Annotated[StrictStr, WithJsonSchema({"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"})]
Id = Annotated[int, Field(strict=True, gt=0, le=GREATEST_ID), BeforeValidator(values.integral)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    idempotency_key: Key | None = Field(
        None, description="In place of the Idempotency-Key header; where both are given they must be equal."
    )


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
    customer_present: StrictBool | None = Field(
        None,
        description=(
            "Whether the customer can be asked now. Where it is true, a charge that needs its customer waits: 202, and"
            " `next_action` says what the customer is to do. Otherwise such a charge is declined."
        ),
    )
    driver_id: DriverId | None = Field(
        None,
        description=(
            "Who drove, and has a share of it where there is a commission; an integer is its digits. Without it, who the"
            " Trip Service says."
        ),
    )


class RefundRequest(_Request):
    """All that is left of a payment, or `amount` of it, to give back."""

    amount: Amount | None = None
    metadata: Metadata = Field(
        default_factory=dict,
        description="Its `reason`, a string of at most 500 characters, is the reason of the refund.",
    )
