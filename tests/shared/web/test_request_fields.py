"""What reads a request at run time, held to the models that it is made from."""

from decimal import Decimal
from typing import Annotated, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.web import models
from shared.web.problems import Problem
from shared.web.request_fields import PAYMENT, REFUND
from shared.web.requests import read_fields
from tools.request_fields import FILE, Unreadable, section, written

NUMBERS = st.one_of(
    st.integers(-1, 3),
    st.sampled_from([2**63 - 1, 2**63, 10**99, Decimal("9999999999.99"), Decimal("1.500"), Decimal("1e3")]),
)
TEXTS = st.one_of(st.sampled_from(["card", "UPI", "Wallet", "upı", "4111111111111111", "tok_1"]), st.text(max_size=3))
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.text(max_size=2), inner, max_size=2)),
    max_leaves=4,
)
# Good where nothing else is drawn, so that one fault among good fields is met as often as many.
GOOD = {"trip_id": 101, "method": "CARD", "amount": Decimal("150.00"), "metadata": {"a": 1}, "payment_token": "tok_1"}
BODIES = st.one_of(
    st.dictionaries(st.one_of(st.sampled_from([*PAYMENT]), st.text(max_size=3)), VALUES, max_size=9),
    st.dictionaries(st.sampled_from([*PAYMENT, "tripId"]), VALUES, max_size=2).map(lambda drawn: GOOD | drawn),
)


def test_the_file_is_what_the_models_give() -> None:
    """Where not: `python -m tools.request_fields` writes it anew."""
    assert FILE.read_text(encoding="utf-8") == written()


def as_pydantic_reads(model: type[BaseModel], body: dict[str, Any]) -> Any:
    """The value of each field and those that were given, or the fields at fault with what is said of them, in order."""
    try:
        request = model.model_validate(body)
    except ValidationError as wrong:
        words = {"missing": "is required", "extra_forbidden": "is not a field of this request"}
        return [
            (".".join(map(str, error["loc"])), words.get(error["type"], error["msg"].removeprefix("Value error, ")))
            for error in wrong.errors()
        ]
    return dict(request) | {"given": request.model_fields_set}


def as_we_read(fields: Any, body: dict[str, Any]) -> Any:
    try:
        return read_fields(fields, body)
    except Problem as refusal:
        return refusal.errors


@given(BODIES)
@example({})
@example(GOOD)
@example(GOOD | {"idempotency_key": "k", "payment_customer": None})
@example(GOOD | {"customer_present": 1})
@example(GOOD | {"customer_present": True})
@example(GOOD | {"idempotency_key": 1, "trip_id": 2**63, "x": 1, "method": None, "a": 2})
def test_a_request_is_read_as_pydantic_reads_it_fault_by_fault_and_word_by_word(body: dict[str, Any]) -> None:
    assert as_we_read(PAYMENT, body) == as_pydantic_reads(models.PaymentRequest, body)
    assert as_we_read(REFUND, body) == as_pydantic_reads(models.RefundRequest, body)


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LooseNumber(Strict):
    number: int


class ShortText(Strict):
    text: Annotated[str, Field(strict=True, max_length=5)]


class OtherName(Strict):
    text: Annotated[str, Field(strict=True, alias="other")]


class Checked(Strict):
    text: Annotated[str, Field(strict=True), AfterValidator(lambda text: text)]


class TakesAnything(BaseModel):
    text: Annotated[str, Field(strict=True)]


@pytest.mark.parametrize("model", [LooseNumber, ShortText, OtherName, Checked, TakesAnything])
def test_a_model_that_would_be_read_otherwise_than_pydantic_reads_it_is_refused(model: type[BaseModel]) -> None:
    with pytest.raises(Unreadable):
        section("Payment", model)
