"""What the tests' own gateway is asked, and refuses before it looks at anything else, as Stripe's documentation has it."""

import re
from typing import Any

Fields = list[tuple[str, str]]
Thing = dict[str, Any]

METADATA = {"metadata[reference]", "metadata[payment_id]"}
# What it may be told of a claim besides.
TOLD_OF_ALL = {"metadata[key_hash]", "metadata[fingerprint]"}
TOLD_OF_CHARGES = TOLD_OF_ALL | {
    f"metadata[{name}]" for name in ("trip_id", "method", "fare", "driver_id", "commission")
}
INTENT_FIELDS = {"amount", "currency", "payment_method_types[]"} | METADATA
# What may be missing. Without `confirm` an intent is only made, and somebody else confirms it.
OPTIONAL_FIELDS = {
    "confirm",
    "customer",
    "description",
    "off_session",
    "payment_method",
    "payment_method_data[type]",
    "return_url",
    "use_stripe_sdk",
} | TOLD_OF_CHARGES
REFUND_FIELDS = {"payment_intent", "amount"} | METADATA
CURRENCIES = {"card": "[a-z]{3}", "upi": "inr"}  # of each type of payment method
FLAGS = ("confirm", "off_session", "use_stripe_sdk")


class Refusal(Exception):
    """An answer that is an error of Stripe's."""

    def __init__(self, status: int, kind: str, code: str | None = None, **more: Any) -> None:
        super().__init__(code or kind)
        self.status = status
        self.body = {"error": {"type": kind, "message": "The tests' gateway says no.", **more}}
        if code:
            self.body["error"]["code"] = code


def check_fields(fields: Fields, path: str) -> None:
    """What Stripe checks before anything is carried out or stored: Refusal for an unknown, missing or malformed field."""
    of_intents = path == "/v1/payment_intents"
    given = dict(fields)
    required, optional = (INTENT_FIELDS, OPTIONAL_FIELDS) if of_intents else (REFUND_FIELDS, TOLD_OF_ALL)
    if unknown := set(given) - required - optional:
        raise Refusal(400, "invalid_request_error", "parameter_unknown", param=min(unknown))
    if missing := required - set(given):
        raise Refusal(400, "invalid_request_error", "parameter_missing", param=min(missing))
    # https://docs.stripe.com/metadata#data: an empty value would unset it.
    if long := [name for name, value in fields if name.startswith("metadata[") and not 0 < len(value) <= 500]:
        raise Refusal(400, "invalid_request_error", param=long[0])
    if not re.fullmatch("[1-9][0-9]*", given["amount"]):
        raise Refusal(400, "invalid_request_error", "parameter_invalid_integer", param="amount")
    if of_intents:
        _check_method(given, [value for name, value in fields if name == "payment_method_types[]"])
        _check_customer(given)


def _check_method(given: dict[str, str], types: list[str]) -> None:
    if not set(types) <= set(CURRENCIES):
        raise Refusal(400, "invalid_request_error", param="payment_method_types")
    if not all(re.fullmatch(CURRENCIES[each], given["currency"]) for each in types):
        raise Refusal(400, "invalid_request_error", "payment_intent_invalid_parameter", param="currency")
    if given.get("payment_method_data[type]", types[0]) not in types:
        raise Refusal(400, "invalid_request_error", param="payment_method_data[type]")
    if not given.get("payment_method", "pm_").startswith("pm_"):
        raise Refusal(400, "invalid_request_error", "resource_missing", param="payment_method")
    if wrong := [name for name in FLAGS if given.get(name, "true") not in ("true", "false")]:
        raise Refusal(400, "invalid_request_error", "parameter_invalid_boolean", param=wrong[0])
    if given.get("confirm") == "true":
        if not given.keys() & {"payment_method", "payment_method_data[type]"}:
            raise Refusal(400, "invalid_request_error", "payment_intent_unexpected_state", param="payment_method")
        if given.get("off_session") == "true" and "upi" in types:
            raise Refusal(400, "invalid_request_error", param="off_session")  # a payment by UPI needs its customer
    elif extra := given.keys() & {"off_session", "return_url"}:
        raise Refusal(400, "invalid_request_error", "parameter_unknown", param=min(extra))  # they are of confirming


def _check_customer(given: dict[str, str]) -> None:
    if not re.fullmatch("cus_[A-Za-z0-9]+", given.get("customer", "cus_x")):
        raise Refusal(400, "invalid_request_error", "resource_missing", param="customer")
    method = given.get("payment_method", "")
    if method.startswith("pm_saved_by_") and given.get("customer") != method.removeprefix("pm_saved_by_"):
        raise Refusal(400, "invalid_request_error", param="payment_method")  # a customer's: without them of no use
    if not 0 < len(given.get("description", "x")) <= 1000:
        raise Refusal(400, "invalid_request_error", "parameter_invalid_empty", param="description")


def shown(thing: Thing) -> Thing:
    """A copy without what is this gateway's own business."""
    return {name: value for name, value in thing.items() if not name.startswith("_")}
