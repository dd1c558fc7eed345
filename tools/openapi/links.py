"""What may be asked next, with what an answer has."""

from typing import Any

Json = dict[str, Any]

_PAYMENT = "$response.body#/payment_id"


def of_a_payment(*operations: str, payment_id: str = _PAYMENT) -> Json:
    """Links from an answer with a payment to operations on it."""
    return {each: {"operationId": each, "parameters": {"path.payment_id": payment_id}} for each in operations}


OF_A_CHARGED = of_a_payment("get_payment", "create_refund", "list_refunds", "get_receipt", "list_events")
OF_A_PENDING = of_a_payment("get_payment", "list_refunds", "list_events")
OF_A_REFUND = of_a_payment("get_payment", "list_refunds", "get_receipt", "list_events")
OF_A_LIST = of_a_payment("get_payment", "list_refunds", payment_id="$response.body#/data/0/payment_id")
